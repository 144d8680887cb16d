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
	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/internal/fsx"
)

const (
	// stateDir holds what is not a repository: no repository's name starts with a dot.
	stateDir    = ".loadr"
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
	layouts layouts
	olareg  *olareg.Server
	unlock  func() error
	repos   sync.Map // name to *repository
}

// repository is what this process knows of one that it writes.
type repository struct {
	mu sync.Mutex // held while manifests are changed
	// ready is set after the first writing request, which comes alone: it finds the leftovers of killed processes before
	// there are uploads of its own, and it may make the repository, which olareg then looks at without a lock.
	ready atomic.Bool
}

func (w *Writer) repo(name string) *repository {
	r, _ := w.repos.LoadOrStore(name, new(repository))
	return r.(*repository)
}

// OpenWriter makes the directory root if need be and takes its exclusive lock, without waiting: the error is then a
// *BusyError.
func OpenWriter(ctx context.Context, root string, o WriterOptions) (*Writer, error) {
	if err := os.MkdirAll(filepath.Join(root, stateDir), 0o700); err != nil {
		return nil, err
	}
	unlock, err := fsx.Lock(ctx, filepath.Join(root, stateDir, lockFile), fsx.LockOptions{NoWait: true, Note: o.Note})
	if locked := (*fsx.LockedError)(nil); errors.As(err, &locked) {
		return nil, &BusyError{root, locked.Holder}
	}
	if err != nil {
		return nil, err
	}
	return &Writer{layouts: layouts{root: root}, olareg: olareg.New(storage(root, false, o.Log)), unlock: unlock}, nil
}

// Close ends the writing. No request may be in flight.
func (w *Writer) Close() error { return errors.Join(w.olareg.Close(), w.unlock()) }

// ServeHTTP lets olareg answer, after checks that olareg does not make.
func (w *Writer) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	r, q := parse(r)
	if q.repo == "" {
		w.olareg.ServeHTTP(out, r)
		return
	}
	state, err := w.layouts.get(q.repo)
	switch {
	case err != nil && !errors.Is(err, errAbsent):
		refuse(out, http.StatusInternalServerError, "UNKNOWN", err.Error())
	case isRead(r) && state == nil:
		unknown(out, q.repo)
	case isRead(r):
		serveExisting(out, r, q, w.olareg)
	default:
		w.change(out, r, q)
	}
}

// change serves the requests that write. Those that change manifests come one after another per repository, because the
// check and the change must be one step.
func (w *Writer) change(out http.ResponseWriter, r *http.Request, q request) {
	repo := w.repo(q.repo)
	if q.kind != "manifests" && repo.ready.Load() {
		w.durably(out, r, q)
		return
	}
	text, err := takeManifest(out, r, q) // before the lock: a slow client keeps nobody waiting
	if err != nil {
		refuse(out, http.StatusRequestEntityTooLarge, "MANIFEST_INVALID", fmt.Sprintf("manifest: %v", err))
		return
	}
	repo.mu.Lock()
	defer repo.mu.Unlock()
	if !repo.ready.Load() {
		w.sweep(q.repo)
		defer func() {
			_, err := w.layouts.get(q.repo)
			repo.ready.Store(err == nil)
		}()
	}
	state, err := w.layouts.get(q.repo)
	switch {
	case err != nil && !errors.Is(err, errAbsent):
		refuse(out, http.StatusInternalServerError, "UNKNOWN", err.Error())
	case q.kind != "manifests":
		w.durably(out, r, q)
	case r.Method == http.MethodPut:
		w.putManifest(out, r, q, state, text)
	case r.Method == http.MethodDelete:
		w.deleteManifest(out, r, q, state)
	default:
		refuse(out, http.StatusMethodNotAllowed, "UNSUPPORTED", "method not allowed")
	}
}

// takeManifest reads the body of a request that puts a manifest, and gives the request a copy to be read again.
func takeManifest(out http.ResponseWriter, r *http.Request, q request) ([]byte, error) {
	if q.kind != "manifests" || r.Method != http.MethodPut {
		return nil, nil
	}
	text, err := io.ReadAll(http.MaxBytesReader(out, r.Body, maxManifest))
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	return text, err
}

// putManifest lets a version be published once. Publishing the same bytes again is no change.
func (w *Writer) putManifest(out http.ResponseWriter, r *http.Request, q request, state *layout, text []byte) {
	for _, tag := range q.tagsOf(r) {
		if old := state.published(tag); old != "" && old != digestLike(old, text) {
			refuse(out, http.StatusConflict, "DENIED", fmt.Sprintf("version %s is published as %s: a published version never changes", tag, old))
			return
		}
	}
	w.durably(out, r, q)
}

// published gives what a version tag names already; empty for other tags and free versions.
func (l *layout) published(tag string) digest.Digest {
	if l == nil || !isVersion(tag) {
		return ""
	}
	return l.tag(tag)
}

func digestLike(d digest.Digest, text []byte) digest.Digest {
	if !d.Algorithm().Available() {
		return ""
	}
	return d.Algorithm().FromBytes(text)
}

// deleteManifest keeps what published versions consist of.
func (w *Writer) deleteManifest(out http.ResponseWriter, r *http.Request, q request, state *layout) {
	if state == nil {
		unknown(out, q.repo)
		return
	}
	versions, err := w.layouts.protected(q.repo, state)
	if err != nil {
		refuse(out, http.StatusInternalServerError, "UNKNOWN", err.Error())
		return
	}
	version := versions[digest.Digest(q.arg)]
	if isVersion(q.arg) {
		version = q.arg
	}
	if version != "" {
		refuse(out, http.StatusMethodNotAllowed, "DENIED", fmt.Sprintf("version %s is published: it is never deleted", version))
		return
	}
	w.durably(out, r, q)
}

// sweep removes what a killed process left of uploads and of index.json. Nobody else can be uploading: this process holds
// the lock, and sweeps before its own first upload.
func (w *Writer) sweep(repo string) {
	for _, pattern := range []string{"_uploads/upload.*", "index.json.*"} {
		left, _ := filepath.Glob(filepath.Join(w.layouts.file(repo), filepath.FromSlash(pattern)))
		for _, path := range left {
			// What stays only wastes space.
			_ = os.Remove(path)
		}
	}
}

// SweepAll removes what killed processes left in every repository. It is called before requests are served.
func (w *Writer) SweepAll(ctx context.Context) error {
	return filepath.WalkDir(w.layouts.root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		if !entry.IsDir() || path == w.layouts.root {
			return nil
		}
		if name := entry.Name(); name == "blobs" || name[0] == '.' {
			return fs.SkipDir
		}
		repo, err := filepath.Rel(w.layouts.root, path)
		w.sweep(filepath.ToSlash(repo))
		return err
	})
}
