package install_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/loadr-plugins/loadr/internal/publish"
	"github.com/loadr-plugins/loadr/internal/testregistry"
)

// artifact is a release for one target in its parts, to be falsified and pushed by hand: our own client refuses to.
type artifact struct {
	index    v1.Index
	platform v1.Manifest
	config   []byte
	library  []byte // compressed
}

// takeApart packs a plugin and reads the pack's parts.
func takeApart(t *testing.T, s spec) *artifact {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "pack")
	pack, _, err := publish.Pack(t.Context(), publish.PackOptions{Dir: s.folder(t), Output: dir})
	if err != nil {
		t.Fatal(err)
	}
	blob := func(d digest.Digest) []byte {
		text, err := os.ReadFile(filepath.Join(dir, "blobs", "sha256", d.Encoded()))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	a, target := &artifact{}, pack.Release().Targets[0]
	a.config, a.library = blob(target.ConfigDescriptor.Digest), blob(target.Library.Digest)
	for d, into := range map[digest.Digest]any{pack.Digest(): &a.index, target.Manifest.Digest: &a.platform} {
		if err := json.Unmarshal(blob(d), into); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

// replace changes text of the config, which stays canonical JSON.
func (a *artifact) replace(t *testing.T, from, to string) {
	t.Helper()
	if !bytes.Contains(a.config, []byte(from)) {
		t.Fatalf("the config has no %s:\n%s", from, a.config)
	}
	a.config = bytes.ReplaceAll(a.config, []byte(from), []byte(to))
}

// push makes all digests fit and uploads everything to repository, in the order in which a registry wants it.
func (a *artifact) push(t *testing.T, server *testregistry.Registry, repository, tag string) {
	t.Helper()
	describe := func(d *v1.Descriptor, content []byte) {
		d.Digest, d.Size = digest.FromBytes(content), int64(len(content))
		if d.Data != nil {
			d.Data = content
		}
	}
	describe(&a.platform.Config, a.config)
	describe(&a.platform.Layers[0], a.library)
	platform := encode(t, a.platform)
	describe(&a.index.Manifests[0], platform)
	base := "http://" + server.Host() + "/v2/" + repository
	for _, content := range [][]byte{a.config, a.library} {
		resp := send(t, http.MethodPost, base+"/blobs/uploads/", "", nil)
		location := resp.Header.Get("Location")
		if strings.HasPrefix(location, "/") {
			location = "http://" + server.Host() + location
		}
		separator := "?"
		if strings.Contains(location, "?") {
			separator = "&"
		}
		send(t, http.MethodPut, location+separator+"digest="+digest.FromBytes(content).String(), "application/octet-stream", content)
	}
	send(t, http.MethodPut, base+"/manifests/"+digest.FromBytes(platform).String(), v1.MediaTypeImageManifest, platform)
	send(t, http.MethodPut, base+"/manifests/"+tag, v1.MediaTypeImageIndex, encode(t, a.index))
	server.Take()
}

func encode(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func send(t *testing.T, method, url, mediaType string, body []byte) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if mediaType != "" {
		req.Header.Set("Content-Type", mediaType)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		t.Fatalf("%s %s: %s", method, url, resp.Status)
	}
	return resp
}

// compressed gives zstd of n zeros, of which a few bytes stand for many.
func zeros(t *testing.T, n int) []byte {
	t.Helper()
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return enc.EncodeAll(make([]byte, n), nil)
}

// falsify lets change alter a sound release, and publishes the result as plugin echo 1.0.0 under name.
func falsify(t *testing.T, name string, change func(*artifact)) (*project, *testregistry.Registry) {
	t.Helper()
	p, server := remote(t)
	a := takeApart(t, spec{name: "echo"})
	change(a)
	a.push(t, server, "team/"+name, "1.0.0")
	return p, server
}

// annotated names a target's annotation in an index.
func (a *artifact) annotate(key, value string) { a.index.Manifests[0].Annotations[key] = value }

func quoted(format string, args ...any) string {
	return fmt.Sprintf("%q", fmt.Sprintf(format, args...))
}
