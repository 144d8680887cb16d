package server

import (
	"bytes"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/loadr-plugins/loadr/internal/fsx"
	"github.com/loadr-plugins/loadr/registry/directory"
)

// durably lets olareg serve a writing request, and passes its answer on when what it wrote has reached the disk: olareg
// renames files into place without syncing them, and a power cut would leave a published version empty.
func (w *Writer) durably(out http.ResponseWriter, r *http.Request, q directory.Request) {
	answer := &heldResponse{header: http.Header{}, status: http.StatusOK}
	w.olareg.ServeHTTP(answer, r)
	if answer.status == http.StatusCreated || answer.status == http.StatusAccepted && r.Method == http.MethodDelete {
		if err := w.sync(q, digest.Digest(answer.header.Get("Docker-Content-Digest"))); err != nil {
			directory.Refuse(out, http.StatusInternalServerError, "UNKNOWN", err.Error())
			return
		}
	}
	answer.send(out)
}

func (w *Writer) sync(q directory.Request, d digest.Digest) error {
	var errs []error
	if d.Validate() == nil {
		blob := w.layouts.Blob(q.Repo, d)
		errs = append(errs, syncFile(blob), fsx.SyncDir(filepath.Dir(blob)))
	}
	if q.Kind != "manifests" {
		return errors.Join(errs...)
	}
	errs = append(errs, syncFile(w.layouts.File(q.Repo, v1.ImageIndexFile)), syncFile(w.layouts.File(q.Repo, v1.ImageLayoutFile)))
	errs = append(errs, fsx.SyncDir(w.layouts.File(q.Repo, v1.ImageBlobsDir)))
	// A repository may be new, and its folders too.
	for dir := q.Repo; ; dir = parent(dir) {
		errs = append(errs, fsx.SyncDir(w.layouts.File(dir)))
		if dir == "" {
			return errors.Join(errs...)
		}
	}
}

func parent(repo string) string {
	return repo[:max(strings.LastIndex(repo, "/"), 0)]
}

func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrPermission) {
		f, err = os.Open(path)
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// heldResponse keeps a small response until it may be sent. Responses to writing requests carry no content.
type heldResponse struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (h *heldResponse) Header() http.Header         { return h.header }
func (h *heldResponse) WriteHeader(status int)      { h.status = status }
func (h *heldResponse) Write(p []byte) (int, error) { return h.body.Write(p) }

func (h *heldResponse) send(out http.ResponseWriter) {
	for k, v := range h.header {
		out.Header()[k] = v
	}
	out.WriteHeader(h.status)
	// A client that has gone away misses nothing.
	_, _ = out.Write(h.body.Bytes())
}
