package bundle

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"
	specs "github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/loadr-plugins/loadr/internal/fsx"
	"github.com/loadr-plugins/loadr/registry"
)

// Write makes a bundle at path: a tar file where the name ends in .tar, else a folder. fill puts everything into it. The
// bundle appears when all of it is there, in place of an earlier one; after an error nothing has changed. The same
// content gives the same bytes, in whatever order it came.
//
// What else is at path is kept, an *ExistsError, unless it is a file or an OCI image layout and force is set.
func Write(ctx context.Context, path string, force bool, fill func(*Writer) error) (err error) {
	if err := replaceable(path, force); err != nil {
		return err
	}
	path = filepath.Clean(path)
	if err := fsx.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	staging, remove, err := stage(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	w := &Writer{dir: filepath.Join(staging, "layout"), blobs: map[digest.Digest]int64{}, locations: map[string]digest.Digest{}}
	if err := fsx.MkdirAll(w.blobDir(), 0o755); err != nil {
		return err
	}
	if err := fill(w); err != nil {
		return err
	}
	if err := errors.Join(w.finish(), ctx.Err()); err != nil {
		return err
	}
	if isTar(path) {
		return writeTar(ctx, w, path)
	}
	return replaceFolder(w.dir, path, filepath.Join(staging, "old"))
}

func isTar(path string) bool { return strings.HasSuffix(path, ".tar") }

// replaceable says whether a bundle may be written to path.
func replaceable(path string, force bool) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.IsDir() == isTar(path) {
		return &ExistsError{path, "a " + map[bool]string{true: "folder", false: "file"}[info.IsDir()], true}
	}
	if earlier, err := Open(path); err == nil {
		return earlier.Close()
	}
	if !info.IsDir() {
		if force {
			return nil
		}
		return &ExistsError{path, "another file", false}
	}
	entries, err := os.ReadDir(path)
	if err != nil || len(entries) == 0 {
		return err
	}
	// Not even by force: a folder of anything else is too easily named by mistake.
	if _, err := os.Stat(filepath.Join(path, v1.ImageLayoutFile)); err != nil {
		return &ExistsError{path, "a folder that is no OCI image layout", true}
	}
	if !force {
		return &ExistsError{path, "another OCI image layout", false}
	}
	return nil
}

// Writer fills a bundle in the making. Its methods are safe for concurrent use.
type Writer struct {
	dir string

	mu        sync.Mutex
	entries   []v1.Descriptor
	blobs     map[digest.Digest]int64  // those that are there, with their length
	locations map[string]digest.Digest // the manifests of the archives from there
}

func (w *Writer) blobDir() string { return filepath.Join(w.dir, v1.ImageBlobsDir, "sha256") }

func (w *Writer) blobPath(d digest.Digest) string { return filepath.Join(w.blobDir(), d.Encoded()) }

// Release puts a release's index and platform manifests into the bundle, under the name that it has in repo.
func (w *Writer) Release(ctx context.Context, repo registry.Repository, a *registry.Artifact) error {
	for _, doc := range append(slices.Clone(a.Platforms), a.Index) {
		if err := w.text(ctx, doc); err != nil {
			return err
		}
	}
	entry := a.Index.Descriptor
	entry.ArtifactType = a.Index.Type
	entry.Annotations = map[string]string{v1.AnnotationRefName: refName(repo, a.Release.Version)}
	w.list(entry)
	return nil
}

// Attached puts a manifest that refers to another one into the bundle, or one that such a manifest lists.
func (w *Writer) Attached(ctx context.Context, doc registry.Document) error {
	if err := w.text(ctx, doc); err != nil {
		return err
	}
	if doc.Subject == "" {
		return nil
	}
	entry := doc.Descriptor
	entry.ArtifactType = doc.Type
	w.list(entry)
	return nil
}

func (w *Writer) text(ctx context.Context, doc registry.Document) error {
	return w.Blob(ctx, doc.Descriptor, func(_ context.Context, out io.Writer) error {
		_, err := out.Write(doc.Text)
		return err
	})
}

func (w *Writer) list(entry v1.Descriptor) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.entries = append(w.entries, entry)
}

// Blob puts a blob into the bundle, whose bytes fill writes; nothing is asked of fill when it is there already. Bytes that
// are not the blob's are a *registry.IntegrityError, and leave nothing.
func (w *Writer) Blob(ctx context.Context, blob v1.Descriptor, fill func(context.Context, io.Writer) error) error {
	w.mu.Lock()
	_, there := w.blobs[blob.Digest]
	w.mu.Unlock()
	if there {
		return nil
	}
	temp, err := fsx.Create(w.blobPath(blob.Digest), 0o644)
	if err != nil {
		return err
	}
	defer temp.Discard()
	check := newChecker(temp, blob)
	if err := fill(ctx, check); err != nil {
		return err
	}
	if err := check.verdict(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := temp.Commit(); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.blobs[blob.Digest] = blob.Size
	return nil
}

// checker passes bytes on while it counts and hashes them.
type checker struct {
	to   io.Writer
	want v1.Descriptor
	hash hash.Hash
	size int64
}

func newChecker(to io.Writer, want v1.Descriptor) *checker {
	return &checker{to: to, want: want, hash: sha256.New()}
}

func (c *checker) Write(p []byte) (int, error) {
	if c.size += int64(len(p)); c.size > c.want.Size {
		return 0, c.differs(fmt.Sprint(c.want.Size, " bytes"), "more")
	}
	c.hash.Write(p) // a hash never fails
	return c.to.Write(p)
}

func (c *checker) verdict() error {
	if c.size > c.want.Size {
		return c.differs(fmt.Sprint(c.want.Size, " bytes"), "more")
	}
	if c.size < c.want.Size {
		return c.differs(fmt.Sprint(c.want.Size, " bytes"), fmt.Sprint(c.size, " bytes"))
	}
	if got := digest.NewDigest(digest.SHA256, c.hash); got != c.want.Digest {
		return c.differs(c.want.Digest.String(), got.String())
	}
	return nil
}

func (c *checker) differs(want, got string) error {
	return &registry.IntegrityError{Object: "blob " + c.want.Digest.String(), Want: want, Got: got}
}

// Size says how many blobs and bytes of them the bundle has so far.
func (w *Writer) Size() (blobs int, bytes int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, size := range w.blobs {
		bytes += size
	}
	return len(w.blobs), bytes
}

// finish writes the layout's two files: releases and archives in the order of their names, then what refers to them by digest.
func (w *Writer) finish() error {
	if len(w.entries) == 0 {
		return errors.New("bundle: nothing was put into it")
	}
	slices.SortFunc(w.entries, func(a, b v1.Descriptor) int {
		return strings.Compare(sortKey(a), sortKey(b))
	})
	entries := slices.CompactFunc(w.entries, func(a, b v1.Descriptor) bool { return sortKey(a) == sortKey(b) })
	index := v1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageIndex, Manifests: entries}
	if err := w.json(v1.ImageIndexFile, index); err != nil {
		return err
	}
	return w.json(v1.ImageLayoutFile, v1.ImageLayout{Version: v1.ImageLayoutVersion})
}

// sortKey has the names before the digests: a name begins with a letter, a digit or a bracket.
func sortKey(d v1.Descriptor) string {
	if name := d.Annotations[v1.AnnotationRefName]; name != "" {
		return name
	}
	return "~" + d.Digest.String()
}

func (w *Writer) json(name string, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	if name == v1.ImageIndexFile && len(text) > maxIndex {
		return fmt.Errorf("bundle: %s of %d bytes, at most %d are read", name, len(text), maxIndex)
	}
	return fsx.WriteFile(filepath.Join(w.dir, name), append(bytes.TrimSpace(text), '\n'), 0o644)
}

// replaceFolder gives dir's name to made. An earlier folder changes places with it, or steps aside where the system
// can't do that, and steps back if the second rename fails.
func replaceFolder(made, dir, aside string) error {
	err := fsx.Exchange(made, dir)
	switch {
	case err == nil:
		return fsx.SyncDir(filepath.Dir(dir))
	case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errors.ErrUnsupported):
		return err
	}
	earlier := fsx.Rename(dir, aside)
	if earlier != nil && !errors.Is(earlier, fs.ErrNotExist) {
		return earlier
	}
	if err := fsx.Rename(made, dir); err != nil {
		if earlier == nil {
			err = errors.Join(err, fsx.Rename(aside, dir))
		}
		return err
	}
	return fsx.SyncDir(filepath.Dir(dir))
}
