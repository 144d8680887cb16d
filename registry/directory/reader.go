package directory

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// maxManifest bounds what is taken for a manifest, in bytes.
const maxManifest = 4 << 20

// NewReader serves the directory root for reading, as the distribution specification says. It takes no lock, writes
// nothing, and sees what other processes publish meanwhile. The directory need not exist. The handler is safe for
// concurrent use and holds no resources that would have to be released.
func NewReader(root string) http.Handler {
	return &reader{Layouts{Root: root}}
}

type reader struct{ layouts Layouts }

func (h *reader) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r, q := Parse(r)
	switch {
	case !IsRead(r):
		Refuse(w, http.StatusMethodNotAllowed, "UNSUPPORTED", "this registry is open for reading only")
	case q.Repo == "" && r.URL.Path == "/v2":
		sendJSON(w, r, "application/json", struct{}{})
	case q.Repo == "":
		Refuse(w, http.StatusNotFound, "UNSUPPORTED", "no such endpoint")
	default:
		if state, ok := h.find(w, q.Repo); ok {
			h.serve(w, r, q, state)
		}
	}
}

// find answers for repositories that do not exist or can't be read.
func (h *reader) find(w http.ResponseWriter, repo string) (*Layout, bool) {
	state, err := h.layouts.Get(repo)
	switch {
	case errors.Is(err, ErrAbsent):
		Unknown(w, repo)
	case err != nil:
		Refuse(w, http.StatusInternalServerError, "UNKNOWN", err.Error())
	}
	return state, err == nil
}

func (h *reader) serve(w http.ResponseWriter, r *http.Request, q Request, state *Layout) {
	switch q.Kind {
	case "tags":
		serveTags(w, r, q, state)
	case "manifests":
		h.serveManifest(w, r, q, state)
	case "blobs":
		h.serveBlob(w, r, q, digest.Digest(q.Arg), "application/octet-stream")
	case "referrers":
		h.serveReferrers(w, r, q, state)
	}
}

// serveTags lists tags in order, in pages where the client asks for them.
func serveTags(w http.ResponseWriter, r *http.Request, q Request, state *Layout) {
	tags := state.tags()
	if last := r.URL.Query().Get("last"); last != "" {
		i, found := slices.BinarySearch(tags, last)
		if found {
			i++
		}
		tags = tags[i:]
	}
	if n, err := strconv.Atoi(r.URL.Query().Get("n")); err == nil && n > 0 && n < len(tags) {
		tags = tags[:n]
		w.Header().Set("Link", "</v2/"+q.Repo+"/tags/list?last="+tags[n-1]+"&n="+strconv.Itoa(n)+`>; rel="next"`)
	}
	sendJSON(w, r, "application/json", map[string]any{"name": q.Repo, "tags": tags})
}

// serveManifest finds what a tag or digest names. Its media type is in the layout's index for what was tagged or
// pushed by itself, else in the manifest.
func (h *reader) serveManifest(w http.ResponseWriter, r *http.Request, q Request, state *Layout) {
	d := digest.Digest(q.Arg)
	if !strings.Contains(q.Arg, ":") {
		d = state.Tag(q.Arg)
	}
	path, ok := h.layouts.existing(q.Repo, d)
	if !ok {
		Refuse(w, http.StatusNotFound, "MANIFEST_UNKNOWN", "manifest "+q.Arg+" is not in "+q.Repo)
		return
	}
	mediaType := state.mediaType(d)
	if mediaType == "" {
		mediaType = manifestType(path)
	}
	if mediaType == "" {
		Refuse(w, http.StatusNotFound, "MANIFEST_UNKNOWN", q.Arg+" is no manifest")
		return
	}
	h.serveBlob(w, r, q, d, mediaType)
}

// manifestType gives what a manifest says of itself, or what it must be where it says nothing; empty for other content.
func manifestType(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	var head struct {
		MediaType         string
		Manifests, Layers json.RawMessage
	}
	switch err := json.NewDecoder(io.LimitReader(f, maxManifest)).Decode(&head); {
	case err != nil:
		return ""
	case head.MediaType != "":
		return head.MediaType
	case head.Manifests != nil:
		return v1.MediaTypeImageIndex
	case head.Layers != nil:
		return v1.MediaTypeImageManifest
	}
	return ""
}

// serveBlob leaves ranges, conditions and HEAD to net/http.
func (h *reader) serveBlob(w http.ResponseWriter, r *http.Request, q Request, d digest.Digest, mediaType string) {
	path, ok := h.layouts.existing(q.Repo, d)
	if !ok {
		Refuse(w, http.StatusNotFound, "BLOB_UNKNOWN", "blob "+q.Arg+" is not in "+q.Repo)
		return
	}
	f, err := os.Open(path)
	if err != nil {
		Refuse(w, http.StatusInternalServerError, "UNKNOWN", err.Error())
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		Refuse(w, http.StatusInternalServerError, "UNKNOWN", err.Error())
		return
	}
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("Docker-Content-Digest", d.String())
	w.Header().Set("ETag", `"`+d.String()+`"`)
	http.ServeContent(w, r, "", info.ModTime(), f)
}

// serveReferrers sends the list that was kept for a manifest, or an empty one: that nothing refers to a manifest is no
// error, nor is that nobody has pushed it yet.
func (h *reader) serveReferrers(w http.ResponseWriter, r *http.Request, q Request, state *Layout) {
	list := v1.Index{MediaType: v1.MediaTypeImageIndex, Manifests: []v1.Descriptor{}}
	list.SchemaVersion = 2
	if path, ok := h.layouts.existing(q.Repo, state.referrers(digest.Digest(q.Arg))); ok {
		kept, err := readLayout(path)
		if err != nil {
			Refuse(w, http.StatusInternalServerError, "UNKNOWN", err.Error())
			return
		}
		list.Manifests = append(list.Manifests, kept.index.Manifests...)
	}
	if want := r.URL.Query().Get("artifactType"); want != "" {
		list.Manifests = slices.DeleteFunc(list.Manifests, func(d v1.Descriptor) bool { return d.ArtifactType != want })
		w.Header().Set("OCI-Filters-Applied", "artifactType")
	}
	sendJSON(w, r, v1.MediaTypeImageIndex, list)
}

func sendJSON(w http.ResponseWriter, r *http.Request, mediaType string, value any) {
	text, err := json.Marshal(value)
	if err != nil {
		Refuse(w, http.StatusInternalServerError, "UNKNOWN", err.Error())
		return
	}
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	if r.Method != http.MethodHead {
		// A client that has gone away misses nothing.
		_, _ = w.Write(text)
	}
}

// existing gives the path of a blob that is there. What is no digest is no path.
func (l *Layouts) existing(repo string, d digest.Digest) (string, bool) {
	if d.Validate() != nil {
		return "", false
	}
	path := l.Blob(repo, d)
	info, err := os.Lstat(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return path, true // opening it will say what is wrong
	}
	return path, err == nil && info.Mode().IsRegular()
}
