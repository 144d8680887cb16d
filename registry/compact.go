package registry

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/opencontainers/go-digest"
	specs "github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/loadr-plugins/loadr/registry/catalogue"
)

const (
	compactParallel = 16 // entries read or removed at once
	compactAttempts = 5
)

// maxFreshBytes bounds the entries that one compaction reads, in bytes of their JSON: some 100,000.
var maxFreshBytes int64 = 64 << 20

// Compaction is what a compaction came to.
type Compaction struct {
	Source     string         `json:"source"`     // registry/namespace
	Digest     digest.Digest  `json:"digest"`     // of the compacted catalogue
	Generation int64          `json:"generation"` // compactions so far
	Plugins    int            `json:"plugins"`
	Read       int            `json:"read"`    // entries that were read because the catalogue did not have them
	Changed    bool           `json:"changed"` // a new state was written
	Removed    int            `json:"removed"` // entries that an earlier compaction had taken in and this one removed
	Kept       int            `json:"kept"`    // such entries that the registry does not let us remove
	Left       int            `json:"left"`    // new entries that were too many for one compaction: the next one reads them
	Skipped    []SkippedEntry `json:"skipped"`
}

// SkippedEntry is an entry that could not be understood. It stays where it is: a newer program may have written it.
type SkippedEntry struct {
	Tag     string `json:"tag"`
	Problem string `json:"problem"`
}

// CatalogueChangedError says that other compactions of the same catalogue were always faster.
type CatalogueChangedError struct {
	Source string `json:"source"`
}

func (e *CatalogueChangedError) Error() string {
	return fmt.Sprintf("catalogue of %s: others compacted it at the same time, %d times", e.Source, compactAttempts)
}

// Hint says what to do.
func (e *CatalogueChangedError) Hint() string {
	return "nothing is lost; have one machine compact the catalogue, now and then"
}

// NoCatalogueError says that nothing was ever written into the catalogue of a namespace.
type NoCatalogueError struct {
	Source string `json:"source"`
}

func (e *NoCatalogueError) Error() string { return fmt.Sprintf("catalogue of %s: not found", e.Source) }

// Hint says how there comes to be one.
func (e *NoCatalogueError) Hint() string {
	return "publishing a plugin there makes one, also if the plugin is published already"
}

// CompactCatalogue takes the entries that publishes wrote into the compacted catalogue of a registry/namespace. It can run at
// any time, beside publishes, searches and other compactions, and be interrupted. With nothing new it changes nothing.
//
// An entry is removed only when the state that the compaction began with has it already. So a compaction that did not see the
// entry would have to be under way from before that state until after this one, to write a state without it.
//
// Errors: *NoCatalogueError, *CatalogueChangedError, and those of reading and writing.
func (c *Client) CompactCatalogue(ctx context.Context, source string) (*Compaction, error) {
	k, err := c.Catalogue(source)
	if err != nil {
		return nil, err
	}
	ctx = originOnly(ctx)
	var result *Compaction
	err = c.writing(ctx, k.repo.Registry, func(w *Client) (err error) {
		for range compactAttempts {
			result, err = compactOnce(ctx, w.catalogueOf(k.repo))
			if !errors.Is(err, errOvertaken) {
				return err
			}
		}
		return &CatalogueChangedError{source}
	})
	return result, err
}

// errOvertaken says that the compacted catalogue is not the one that this compaction began with, or that another spoiled it.
var errOvertaken = errors.New("the catalogue was compacted by somebody else meanwhile")

// compaction is one attempt.
type compaction struct {
	*Catalogue
	start *CompactedCatalogue // nil: there was none
	old   *os.File            // its lines
	fresh map[string]catalogue.Entry
	done  Compaction
}

func compactOnce(ctx context.Context, k *Catalogue) (*Compaction, error) {
	temp, err := os.MkdirTemp("", "loadr-catalogue-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(temp)
	j := &compaction{Catalogue: k, fresh: map[string]catalogue.Entry{}, done: Compaction{Source: k.Source(), Skipped: []SkippedEntry{}}}
	if err := j.begin(ctx, temp); err != nil { // the state to begin with
		return nil, err
	}
	defer j.old.Close()
	covered, fresh, err := j.sort(ctx) // the tags, by whether that state has what they name
	if err != nil {
		return nil, err
	}
	if err := j.read(ctx, fresh); err != nil {
		return nil, err
	}
	if len(j.fresh) > 0 {
		if err := j.write(ctx, temp); err != nil { // the next state
			return nil, err
		}
	}
	return &j.done, j.remove(ctx, covered)
}

func (j *compaction) begin(ctx context.Context, temp string) error {
	start, err := j.Compacted(ctx)
	if err != nil && !is[*NotFoundError](err) {
		return err
	}
	if j.old, err = os.CreateTemp(temp, "lines"); err != nil {
		return err
	}
	if j.start = start; start == nil {
		return nil
	}
	j.done.Digest, j.done.Generation, j.done.Plugins = start.Digest, start.Generation, start.Entries
	return j.Lines(ctx, start, &limitedWriter{j.old, catalogue.MaxContent})
}

// limitedWriter refuses more than was allowed.
type limitedWriter struct {
	to   io.Writer
	left int64
}

func (w *limitedWriter) Write(p []byte) (int, error) {
	if w.left -= int64(len(p)); w.left < 0 {
		return 0, &InvalidArtifactError{"catalogue", fmt.Sprintf("more than %d bytes, decompressed", int64(catalogue.MaxContent))}
	}
	return w.to.Write(p)
}

// sort lists the tags of entries. Those that the state has are covered.
func (j *compaction) sort(ctx context.Context) (covered, fresh []catalogue.Tag, err error) {
	byName := map[string][]catalogue.Tag{}
	err = j.Tags(ctx, 0, func(t catalogue.Tag) error {
		byName[t.Name] = append(byName[t.Name], t)
		return nil
	})
	if is[*NotFoundError](err) {
		return nil, nil, &NoCatalogueError{j.Source()}
	}
	if err != nil {
		return nil, nil, err
	}
	if _, err := j.old.Seek(0, io.SeekStart); err != nil {
		return nil, nil, err
	}
	err = catalogue.ReadLines(j.old, func(e catalogue.Entry, _ []byte) error {
		for _, t := range byName[e.Name] {
			if e.Covers(t.Version) {
				covered = append(covered, t)
			} else {
				fresh = append(fresh, t)
			}
		}
		delete(byName, e.Name)
		return nil
	})
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		fresh = append(fresh, byName[name]...)
	}
	return covered, fresh, j.translateLines(err)
}

func (k *Catalogue) translateLines(err error) error {
	if line := (*catalogue.LineError)(nil); errors.As(err, &line) {
		return &InvalidArtifactError{k.repo.String() + " " + catalogue.IndexTag, line.Error()}
	}
	return err
}

// read reads the entries that the state does not have, as many as memory allows.
func (j *compaction) read(ctx context.Context, tags []catalogue.Tag) error {
	var mu sync.Mutex
	var size atomic.Int64
	err := inParallel(ctx, tags, func(ctx context.Context, t catalogue.Tag) error {
		if size.Load() > maxFreshBytes {
			mu.Lock()
			defer mu.Unlock()
			j.done.Left++
			return nil
		}
		e, err := j.Entry(ctx, t)
		size.Add(int64(len(e.Append(nil))))
		mu.Lock()
		defer mu.Unlock()
		return j.take(t, e, err)
	})
	slices.SortFunc(j.done.Skipped, func(a, b SkippedEntry) int { return cmp.Compare(a.Tag, b.Tag) })
	return err
}

// take takes in what was read under a tag.
func (j *compaction) take(t catalogue.Tag, e catalogue.Entry, err error) error {
	switch {
	case is[*InvalidArtifactError](err):
		j.done.Skipped = append(j.done.Skipped, SkippedEntry{t.String(), err.Error()})
		return nil
	case is[*NotFoundError](err):
		// Removed by another compaction, which wrote a state that has it: if there is something to write, that will show.
		return nil
	case err != nil:
		return err
	}
	j.done.Read++
	if other, ok := j.fresh[e.Name]; ok {
		e = catalogue.Merge(other, e)
	}
	j.fresh[e.Name] = e
	return nil
}

func inParallel(ctx context.Context, tags []catalogue.Tag, do func(context.Context, catalogue.Tag) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(compactParallel)
	for _, t := range tags {
		group.Go(func() error { return do(ctx, t) })
	}
	return group.Wait()
}

// write writes the next state, if the one that the compaction began with is still the current one.
func (j *compaction) write(ctx context.Context, temp string) error {
	lines, content, err := j.merge(ctx, temp)
	if err != nil {
		return err
	}
	defer content.Close()
	text := j.manifest(lines)
	to, err := j.client.open(j.repo)
	if err != nil {
		return err
	}
	err = errors.Join(to.Blobs().Push(ctx, lines, content), to.Blobs().Push(ctx, v1.DescriptorEmptyJSON, bytes.NewReader(v1.DescriptorEmptyJSON.Data)))
	if err != nil {
		return translate(j.repo, catalogue.IndexTag, err)
	}
	if err := j.stillCurrent(ctx); err != nil {
		return err
	}
	desc := v1.Descriptor{MediaType: v1.MediaTypeImageManifest, Digest: digest.FromBytes(text), Size: int64(len(text))}
	j.done.Digest, j.done.Changed = desc.Digest, true
	err = to.PushReference(ctx, desc, bytes.NewReader(text), catalogue.IndexTag)
	if saysBlobUnknown(err) { // two compactions uploaded the same at once: see pusher.content
		return errOvertaken
	}
	return translate(j.repo, catalogue.IndexTag, err)
}

// merge writes the lines of the next state into a file, compressed.
func (j *compaction) merge(ctx context.Context, temp string) (v1.Descriptor, *os.File, error) {
	if _, err := j.old.Seek(0, io.SeekStart); err != nil {
		return v1.Descriptor{}, nil, err
	}
	content, err := os.CreateTemp(temp, "content")
	if err != nil {
		return v1.Descriptor{}, nil, err
	}
	hash, size := digest.SHA256.Digester(), &countingWriter{}
	from, to := io.Pipe()
	merged := make(chan error, 1)
	go func() {
		var err error
		j.done.Plugins, err = catalogue.Compact(to, j.old, j.fresh)
		merged <- to.CloseWithError(err)
	}()
	err = Compress(io.MultiWriter(content, hash.Hash(), size), contextReader{ctx, from})
	from.CloseWithError(err)
	<-merged
	if err == nil {
		_, err = content.Seek(0, io.SeekStart)
	}
	if err != nil {
		content.Close()
		return v1.Descriptor{}, nil, j.translateLines(err)
	}
	return v1.Descriptor{MediaType: MediaTypeCatalogueLines, Digest: hash.Digest(), Size: size.n}, content, nil
}

func (j *compaction) manifest(lines v1.Descriptor) []byte {
	j.done.Generation++
	_, text, _ := encodeManifest(v1.MediaTypeImageManifest, v1.Manifest{ // texts and numbers can't fail
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest, ArtifactType: CatalogueType,
		Config: v1.DescriptorEmptyJSON, Layers: []v1.Descriptor{lines},
		Annotations: map[string]string{
			AnnotationGeneration: strconv.FormatInt(j.done.Generation, 10), AnnotationEntries: strconv.Itoa(j.done.Plugins),
		},
	})
	return text
}

func (j *compaction) stillCurrent(ctx context.Context) error {
	now, err := j.Compacted(ctx)
	switch {
	case is[*NotFoundError](err) && j.start == nil:
		return nil
	case err != nil && !is[*NotFoundError](err):
		return err
	case now == nil || j.start == nil || now.Digest != j.start.Digest:
		return errOvertaken
	}
	return nil
}
