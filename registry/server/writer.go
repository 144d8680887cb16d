package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/olareg/olareg"
	"github.com/olareg/olareg/config"
	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/internal/fsx"
	"github.com/loadr-plugins/loadr/registry/directory"
)

const (
	lockFile    = "lock"
	maxManifest = 4 << 20
	// uploadGrace is how long olareg keeps blobs that no manifest names yet.
	uploadGrace = 24 * time.Hour
)

// WriterOptions are the choices of OpenWriter. The zero value fails when another process is writing.
type WriterOptions struct {
	Note string       // what others are told about this process while it writes
	Log  *slog.Logger // of olareg; nil for silence
}

// Writer serves a directory for reading and writing. While it is open no other process can write there. Its handler is
// safe for concurrent use.
type Writer struct {
	layouts directory.Layouts
	reader  http.Handler
	olareg  *olareg.Server
	unlock  func() error
	repos   sync.Map // name to *repository
}

// repository is what this process knows of one that it writes.
type repository struct {
	// mu is held for writing while manifests are changed, and for reading while an upload begins, when olareg looks at
	// what a change of manifests sets.
	mu sync.RWMutex
	// ready is set after the first writing request, which comes alone: it finds the leftovers of killed processes before
	// there are uploads of its own, and it may make the repository, which olareg then looks at without a lock.
	ready atomic.Bool
}

func (w *Writer) repo(name string) *repository {
	r, _ := w.repos.LoadOrStore(name, new(repository))
	return r.(*repository)
}

// OpenWriter makes the directory root if need be and takes its exclusive lock, without waiting: the error is then a
// *directory.BusyError.
func OpenWriter(ctx context.Context, root string, o WriterOptions) (*Writer, error) {
	if err := os.MkdirAll(filepath.Join(root, directory.StateDir), 0o700); err != nil {
		return nil, err
	}
	unlock, err := fsx.Lock(ctx, filepath.Join(root, directory.StateDir, lockFile), fsx.LockOptions{NoWait: true, Note: o.Note})
	if locked := (*fsx.LockedError)(nil); errors.As(err, &locked) {
		return nil, &directory.BusyError{Dir: root, Holder: locked.Holder}
	}
	if err != nil {
		return nil, err
	}
	return &Writer{layouts: directory.Layouts{Root: root}, reader: directory.NewReader(root), olareg: olareg.New(storage(root, o.Log)), unlock: unlock}, nil
}

// Close ends the writing. No request may be in flight.
func (w *Writer) Close() error { return errors.Join(w.olareg.Close(), w.unlock()) }

// ServeHTTP lets olareg write, after checks that olareg does not make. Reading is left to the reader that serves the
// directory when nobody writes it: the answers are then the same, and olareg, which looks at its own state without a lock
// when it reads, is not asked while it writes.
func (w *Writer) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	clean, q := directory.Parse(r)
	switch {
	case directory.IsRead(clean) && !q.IsUpload():
		w.reader.ServeHTTP(out, r)
	case q.Repo == "" || directory.IsRead(clean):
		w.olareg.ServeHTTP(out, clean)
	default:
		if _, err := w.layouts.Get(q.Repo); err != nil && !errors.Is(err, directory.ErrAbsent) {
			directory.Refuse(out, http.StatusInternalServerError, "UNKNOWN", err.Error())
			return
		}
		w.change(out, clean, q)
	}
}

// change serves the requests that write. Those that change manifests come one after another per repository, because the
// check and the change must be one step.
func (w *Writer) change(out http.ResponseWriter, r *http.Request, q directory.Request) {
	repo := w.repo(q.Repo)
	if q.Kind != "manifests" && repo.ready.Load() {
		if r.Method == http.MethodPost {
			repo.mu.RLock()
			defer repo.mu.RUnlock()
		}
		w.durably(out, r, q)
		return
	}
	text, err := takeManifest(out, r, q) // before the lock: a slow client keeps nobody waiting
	if err != nil {
		directory.Refuse(out, http.StatusRequestEntityTooLarge, "MANIFEST_INVALID", fmt.Sprintf("manifest: %v", err))
		return
	}
	repo.mu.Lock()
	defer repo.mu.Unlock()
	if !repo.ready.Load() {
		w.sweep(q.Repo)
		defer func() {
			_, err := w.layouts.Get(q.Repo)
			repo.ready.Store(err == nil)
		}()
	}
	state, err := w.layouts.Get(q.Repo)
	switch {
	case err != nil && !errors.Is(err, directory.ErrAbsent):
		directory.Refuse(out, http.StatusInternalServerError, "UNKNOWN", err.Error())
	case q.Kind != "manifests":
		w.durably(out, r, q)
	case r.Method == http.MethodPut:
		w.putManifest(out, r, q, state, text)
	case r.Method == http.MethodDelete:
		w.deleteManifest(out, r, q, state)
	default:
		directory.Refuse(out, http.StatusMethodNotAllowed, "UNSUPPORTED", "method not allowed")
	}
}

// takeManifest reads the body of a request that puts a manifest, and gives the request a copy to be read again.
func takeManifest(out http.ResponseWriter, r *http.Request, q directory.Request) ([]byte, error) {
	if q.Kind != "manifests" || r.Method != http.MethodPut {
		return nil, nil
	}
	text, err := io.ReadAll(http.MaxBytesReader(out, r.Body, maxManifest))
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	return text, err
}

// putManifest lets a version be published once. Publishing the same bytes again is no change.
func (w *Writer) putManifest(out http.ResponseWriter, r *http.Request, q directory.Request, state *directory.Layout, text []byte) {
	for _, tag := range q.TagsOf(r) {
		if old := published(state, tag); old != "" && old != digestLike(old, text) {
			directory.Refuse(out, http.StatusConflict, "DENIED", fmt.Sprintf("version %s is published as %s: a published version never changes", tag, old))
			return
		}
	}
	w.durably(out, r, q)
}

// published gives what a version tag names already; empty for other tags and free versions.
func published(state *directory.Layout, tag string) digest.Digest {
	if state == nil || !directory.IsVersion(tag) {
		return ""
	}
	return state.Tag(tag)
}

func digestLike(d digest.Digest, text []byte) digest.Digest {
	if !d.Algorithm().Available() {
		return ""
	}
	return d.Algorithm().FromBytes(text)
}

// deleteManifest keeps what published versions consist of.
func (w *Writer) deleteManifest(out http.ResponseWriter, r *http.Request, q directory.Request, state *directory.Layout) {
	if state == nil {
		directory.Unknown(out, q.Repo)
		return
	}
	versions, err := w.layouts.Protected(q.Repo, state)
	if err != nil {
		directory.Refuse(out, http.StatusInternalServerError, "UNKNOWN", err.Error())
		return
	}
	version := versions[digest.Digest(q.Arg)]
	if directory.IsVersion(q.Arg) {
		version = q.Arg
	}
	if version != "" {
		directory.Refuse(out, http.StatusMethodNotAllowed, "DENIED", fmt.Sprintf("version %s is published: it is never deleted", version))
		return
	}
	w.durably(out, r, q)
}

// sweep removes what a killed process left of uploads and of index.json. Nobody else can be uploading: this process holds
// the lock, and sweeps before its own first upload.
func (w *Writer) sweep(repo string) {
	for _, pattern := range []string{"_uploads/upload.*", "index.json.*"} {
		left, _ := filepath.Glob(filepath.Join(w.layouts.File(repo), filepath.FromSlash(pattern)))
		for _, path := range left {
			// What stays only wastes space.
			_ = os.Remove(path)
		}
	}
}

// SweepAll removes what killed processes left in every repository. It is called before requests are served.
func (w *Writer) SweepAll(ctx context.Context) error {
	return filepath.WalkDir(w.layouts.Root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		if !entry.IsDir() || path == w.layouts.Root {
			return nil
		}
		if name := entry.Name(); name == "blobs" || name[0] == '.' {
			return fs.SkipDir
		}
		repo, err := filepath.Rel(w.layouts.Root, path)
		w.sweep(filepath.ToSlash(repo))
		return err
	})
}

// storage configures olareg for writing. A negative frequency switches its own garbage collection's timer off: it would
// outlive the lock.
func storage(root string, log *slog.Logger) config.Config {
	yes, no := true, false
	return config.Config{
		Storage: config.ConfigStorage{StoreType: config.StoreDir, RootDir: root, ReadOnly: &no, GC: config.ConfigGC{Frequency: -1, GracePeriod: uploadGrace}},
		API:     config.ConfigAPI{DeleteEnabled: &yes, Manifest: config.ConfigAPIManifest{Limit: maxManifest}},
		Log:     log,
	}
}
