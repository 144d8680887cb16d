package bundle

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"path"
	"strconv"

	"github.com/opencontainers/go-digest"
	specs "github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/loadr-plugins/loadr/registry"
	"github.com/loadr-plugins/loadr/registry/directory"
)

// transport answers requests of the distribution specification from a bundle, for every registry that it holds plugins of.
// It makes no connection.
type transport struct{ *Bundle }

// RoundTrip implements http.RoundTripper. Its errors are those of reading the bundle.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	a, err := t.answer(directory.Parse(r))
	if err != nil {
		return nil, err
	}
	if r.Method == http.MethodHead {
		err = a.body.Close()
		a.body = http.NoBody
	}
	return &http.Response{
		Status: http.StatusText(a.status), StatusCode: a.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: a.header, Body: a.body, ContentLength: a.length, Request: r,
	}, err
}

// answer is a response before it is one.
type answer struct {
	status int
	header http.Header
	body   io.ReadCloser
	length int64
}

func (t transport) answer(r *http.Request, q directory.Request) (*answer, error) {
	if !directory.IsRead(r) {
		return refusal(http.StatusMethodNotAllowed, "UNSUPPORTED", "a bundle is never written to")
	}
	tags := t.tags(r.URL.Host, q.Repo)
	switch {
	case q.Repo == "":
		return refusal(http.StatusNotFound, "UNSUPPORTED", "no such endpoint")
	case tags == nil:
		return refusal(http.StatusNotFound, "NAME_UNKNOWN", "the bundle has no "+q.Repo)
	case q.Kind == "tags":
		return jsonAnswer(http.StatusOK, "application/json", map[string]any{"name": q.Repo, "tags": tags.list})
	case q.Kind == "manifests":
		return t.manifest(tags.find(q.Arg))
	case q.Kind == "referrers":
		return t.referrers(digest.Digest(q.Arg), r.URL.Query().Get("artifactType"))
	}
	return t.blob(digest.Digest(q.Arg), "application/octet-stream", "BLOB_UNKNOWN")
}

// tagged is one repository.
type tagged struct {
	list    []string
	indexes map[string]digest.Digest
}

// tags gives a repository by the host and path of a request; nil if the bundle has none of it.
func (t transport) tags(host, repo string) *tagged {
	var found *tagged
	for _, p := range t.plugins {
		if p.Repository.Host() != host || path.Join(p.Repository.Namespace, p.Repository.Name) != repo {
			continue
		}
		if found == nil {
			found = &tagged{indexes: map[string]digest.Digest{}}
		}
		found.list = append(found.list, p.Version)
		found.indexes[p.Version] = p.Index
	}
	return found
}

// find gives what a tag or digest names; a tag that there isn't is a digest that there isn't.
func (t *tagged) find(tagOrDigest string) digest.Digest {
	if d, ok := t.indexes[tagOrDigest]; ok {
		return d
	}
	return digest.Digest(tagOrDigest)
}

// manifest answers with a manifest, whose media type is what index.json says, else what its content must be. What is
// damaged has none, and is sent all the same: whoever asks for it sees that it is not what its digest says.
func (t transport) manifest(d digest.Digest) (*answer, error) {
	mediaType := t.mediaTypes[d]
	if mediaType == "" {
		h, err := t.readHead(d)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		mediaType = h.mediaType()
	}
	return t.blob(d, mediaType, "MANIFEST_UNKNOWN")
}

func (t transport) blob(d digest.Digest, mediaType, unknown string) (*answer, error) {
	f, size, err := t.openBlob(d)
	if errors.Is(err, fs.ErrNotExist) {
		return refusal(http.StatusNotFound, unknown, d.String()+" is not in the bundle")
	}
	if err != nil {
		return nil, err
	}
	header := http.Header{"Content-Type": {mediaType}, "Content-Length": {strconv.FormatInt(size, 10)}, "Docker-Content-Digest": {d.String()}}
	return &answer{http.StatusOK, header, f, size}, nil
}

// openBlob gives a blob and its length; fs.ErrNotExist also for what is no digest.
func (b *Bundle) openBlob(d digest.Digest) (io.ReadCloser, int64, error) {
	if d.Validate() != nil || d.Algorithm() != digest.SHA256 {
		return nil, 0, fs.ErrNotExist
	}
	f, size, err := b.files.open(path.Join(v1.ImageBlobsDir, "sha256", d.Encoded()))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		err = b.unreadable("blob "+d.String(), err)
	}
	return f, size, err
}

// head is what there is to know of a manifest from outside.
type head struct {
	ArtifactType string            `json:"artifactType"`
	Config       *v1.Descriptor    `json:"config"`
	Manifests    json.RawMessage   `json:"manifests"`
	Subject      *v1.Descriptor    `json:"subject"`
	Annotations  map[string]string `json:"annotations"`
}

func (h head) mediaType() string {
	if h.Manifests != nil {
		return v1.MediaTypeImageIndex
	}
	return v1.MediaTypeImageManifest
}

// readHead reads a manifest without verifying it: whoever asks for it does that. What is none gives an empty head.
func (b *Bundle) readHead(d digest.Digest) (h head, err error) {
	f, size, err := b.openBlob(d)
	if err != nil {
		return h, err
	}
	defer f.Close()
	if size > registry.MaxManifest {
		return h, nil
	}
	text, err := io.ReadAll(f)
	if err != nil {
		return h, err
	}
	if json.Unmarshal(text, &h) != nil {
		return head{}, nil
	}
	return h, nil
}

// readReferrers finds what refers to what, once: of all manifests that index.json lists without a name, the subjects.
func (b *Bundle) readReferrers() (map[digest.Digest][]v1.Descriptor, error) {
	found := map[digest.Digest][]v1.Descriptor{}
	for _, d := range b.unnamed {
		h, err := b.readHead(d.Digest)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, b.bad(v1.ImageIndexFile, "lists %s, which is missing", d.Digest)
		}
		if err != nil {
			return nil, err
		}
		if h.Subject != nil {
			found[h.Subject.Digest] = append(found[h.Subject.Digest], v1.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size})
		}
	}
	return found, nil
}

// referrers lists what refers to a manifest as a registry does, with the types and annotations that the manifests state.
func (t transport) referrers(subject digest.Digest, artifactType string) (*answer, error) {
	known, err := t.referrer()
	if err != nil {
		return nil, err
	}
	list, total := []v1.Descriptor{}, 0
	for _, d := range known[subject] {
		h, err := t.readHead(d.Digest)
		if err != nil {
			return nil, err
		}
		d.ArtifactType, d.Annotations = h.artifactType(), h.Annotations
		for key, value := range h.Annotations {
			total += len(key) + len(value)
		}
		if total > maxIndex {
			return nil, t.bad(v1.ImageIndexFile, "the annotations of what refers to %s are more than %d bytes", subject, maxIndex)
		}
		if artifactType == "" || artifactType == d.ArtifactType {
			list = append(list, d)
		}
	}
	return jsonAnswer(http.StatusOK, v1.MediaTypeImageIndex,
		v1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageIndex, Manifests: list})
}

// artifactType is the config's type in manifests that state none, as the image specification says.
func (h head) artifactType() string {
	if h.ArtifactType == "" && h.Config != nil {
		return h.Config.MediaType
	}
	return h.ArtifactType
}

func jsonAnswer(status int, mediaType string, value any) (*answer, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	header := http.Header{"Content-Type": {mediaType}, "Content-Length": {strconv.Itoa(len(text))}}
	return &answer{status, header, io.NopCloser(bytes.NewReader(text)), int64(len(text))}, nil
}

// refusal answers with an error of the distribution specification, "Error codes".
func refusal(status int, code, message string) (*answer, error) {
	type entry struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	return jsonAnswer(status, "application/json", map[string][]entry{"errors": {{code, message}}})
}
