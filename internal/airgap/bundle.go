package airgap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/loadr-plugins/loadr/cache"
	"github.com/loadr-plugins/loadr/internal/obtain"
	"github.com/loadr-plugins/loadr/lockfile"
	"github.com/loadr-plugins/loadr/manifest"
	"github.com/loadr-plugins/loadr/registry"
	"github.com/loadr-plugins/loadr/registry/bundle"
)

// Mover copies releases, for one command.
type Mover struct {
	// From is where the plugins are that registries have.
	From registry.Origin
	// Files is the way to those that are archives; only Bundle needs it, for locks that have some.
	Files *obtain.Fetcher
	// Cache is looked at for libraries and archives first; may be nil.
	Cache *cache.Cache
	// Concurrency bounds what is read at once; at least 1.
	Concurrency int
	// Fetching is told when a library of size bytes begins to come from From, and its result of how that goes on; may be nil.
	// It is called from several goroutines at once.
	Fetching func(name string, size int64) Progress

	texts atomic.Int64 // bytes of the manifests in memory
}

// BundleReport is what a bundle was made of.
type BundleReport struct {
	Path    string            `json:"path"`
	Targets []manifest.Target `json:"targets"` // that it has libraries for, sorted
	Plugins []Plugin          `json:"plugins"` // sorted by name
	Blobs   int               `json:"blobs"`
	Bytes   int64             `json:"bytes"`   // of the blobs
	Fetched int               `json:"fetched"` // blobs that From and Files sent; the others were in the cache, or in manifests
}

// Bundle writes what the lock names into a bundle at path: of each plugin the index and all platform manifests, the
// libraries that serve targets (none: every library), and what refers to the plugin; of one that is files, those that serve targets.
// Errors are those of bundle.Write, of From and of Files, and *TargetError.
func (m *Mover) Bundle(ctx context.Context, lock *lockfile.Lock, targets []manifest.Target, path string, force bool) (*BundleReport, error) {
	report := &BundleReport{Path: path, Plugins: []Plugin{}}
	if len(lock.Plugins) == 0 {
		return nil, &EmptyError{}
	}
	err := bundle.Write(ctx, path, force, func(w *bundle.Writer) error {
		released, files, err := split(lock, targets)
		if err != nil {
			return err
		}
		plugins, err := m.readAll(ctx, released, targets)
		if err != nil {
			return err
		}
		report.fill(plugins, files)
		if m.Cache != nil {
			release, err := m.Cache.Use(ctx, cache.UseOptions{})
			if err != nil {
				return err
			}
			defer release()
		}
		b := &bundler{Mover: m, from: m.watched(plugins), to: w, libraries: libraries(lock)}
		if err := b.all(ctx, plugins, files); err != nil {
			return err
		}
		report.Fetched = int(b.fetched.Load())
		report.Blobs, report.Bytes = w.Size()
		return nil
	})
	if err != nil {
		return nil, err
	}
	return report, nil
}

// fill names the plugins and what they are for.
func (r *BundleReport) fill(plugins []*locked, files []archived) {
	for _, l := range plugins {
		r.Plugins = append(r.Plugins, l.plugin())
	}
	for _, a := range files {
		r.Plugins = append(r.Plugins, a.Plugin)
	}
	slices.SortFunc(r.Plugins, func(a, b Plugin) int { return strings.Compare(a.Name, b.Name) })
	for _, p := range r.Plugins {
		r.Targets = append(r.Targets, p.Targets...)
	}
	slices.Sort(r.Targets)
	r.Targets = slices.Compact(r.Targets)
}

// EmptyError says that a lock names no plugin.
type EmptyError struct{}

func (e *EmptyError) Error() string { return "lock: expected plugins, found none" }

// Hint says how to get some.
func (e *EmptyError) Hint() string { return "install something first: loadr plugin install NAME" }

// readAll reads the manifests of locked plugins, in their order.
func (m *Mover) readAll(ctx context.Context, plugins []lockfile.Plugin, targets []manifest.Target) ([]*locked, error) {
	out := make([]*locked, len(plugins))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(m.Concurrency)
	for i, p := range plugins {
		group.Go(func() (err error) {
			out[i], err = m.read(ctx, p, targets)
			return err
		})
	}
	return out, group.Wait()
}

// libraries gives the locked targets by the digest of their blob: what the cache has under another one.
func libraries(lock *lockfile.Lock) map[digest.Digest]lockfile.Target {
	out := map[digest.Digest]lockfile.Target{}
	for _, p := range lock.Plugins {
		for _, t := range p.Targets {
			out[t.Blob] = t
		}
	}
	return out
}

// bundler fills one bundle.
type bundler struct {
	*Mover
	from      registry.Origin
	to        *bundle.Writer
	libraries map[digest.Digest]lockfile.Target
	fetched   atomic.Int64
}

// all puts in the manifests and then, in parallel, the blobs, each once.
func (b *bundler) all(ctx context.Context, plugins []*locked, files []archived) error {
	for _, l := range plugins {
		if err := b.documents(ctx, l); err != nil {
			return err
		}
	}
	var archives []bundle.Archive
	for _, f := range files {
		archives = append(archives, f.files...)
	}
	for _, a := range archives {
		if err := b.to.Archive(ctx, a); err != nil {
			return err
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(b.Concurrency)
	seen := map[digest.Digest]bool{}
	for _, l := range plugins {
		for _, d := range l.blobs() {
			if !seen[d.Digest] {
				seen[d.Digest] = true
				group.Go(func() error { return b.blob(ctx, l, d) })
			}
		}
	}
	for _, a := range archives {
		if !seen[a.Digest] {
			seen[a.Digest] = true
			group.Go(func() error { return b.archive(ctx, a) })
		}
	}
	return group.Wait()
}

func (b *bundler) documents(ctx context.Context, l *locked) error {
	if err := b.to.Release(ctx, l.repo, l.artifact); err != nil {
		return err
	}
	for _, doc := range l.attached {
		if err := b.to.Attached(ctx, doc); err != nil {
			return err
		}
	}
	return nil
}

// blob puts one blob into the bundle: out of a manifest, the cache, or the place that it is fetched from.
func (b *bundler) blob(ctx context.Context, l *locked, d v1.Descriptor) error {
	if d.Data != nil {
		return b.to.Blob(ctx, d, func(_ context.Context, w io.Writer) error {
			_, err := w.Write(d.Data)
			return err
		})
	}
	if t, ok := b.libraries[d.Digest]; ok && b.Cache != nil {
		done, err := b.cached(ctx, t, d)
		if done || err != nil {
			return err
		}
	}
	for {
		err := b.to.Blob(ctx, d, func(ctx context.Context, w io.Writer) error {
			b.fetched.Add(1)
			body, err := b.from.Fetch(ctx, l.repo, d)
			if err != nil {
				return err
			}
			defer body.Close()
			_, err = io.Copy(w, body)
			return err
		})
		var wrong *registry.IntegrityError
		switch {
		case err == nil:
			return nil
		case errors.As(err, &wrong) && wrong.Mirror != "":
			b.fetched.Add(-1)
			continue // each time there is one mirror less
		}
		return fmt.Errorf("plugin %q %s: %w", l.repo.Name, l.artifact.Release.Version, err)
	}
}

// cached makes a library's blob from the library in the cache. That another version of the compressor, or another one
// altogether, has made the locked blob is no error: then it is fetched.
func (b *bundler) cached(ctx context.Context, t lockfile.Target, d v1.Descriptor) (done bool, err error) {
	library := cache.Blob{Digest: t.Library, Size: t.LibrarySize}
	if !b.Cache.Has(library) {
		return false, nil
	}
	path, err := b.Cache.Verified(ctx, library)
	if errors.As(err, new(*cache.MissingError)) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	err = b.to.Blob(ctx, d, func(ctx context.Context, w io.Writer) error { return storedForm(ctx, w, path, t.MediaType) })
	if errors.As(err, new(*registry.IntegrityError)) {
		return false, nil
	}
	return err == nil, err
}

// storedForm writes a library as it is stored in registries.
func storedForm(ctx context.Context, w io.Writer, path, mediaType string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	in := reader(func(p []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		return f.Read(p)
	})
	if mediaType == registry.MediaTypeLibraryZstd {
		return registry.Compress(w, in)
	}
	_, err = io.Copy(w, in)
	return err
}

type reader func([]byte) (int, error)

func (r reader) Read(p []byte) (int, error) { return r(p) }

func joinTargets(targets []manifest.Target) string {
	words := make([]string, len(targets))
	for i, t := range targets {
		words[i] = string(t)
	}
	return strings.Join(words, ", ")
}
