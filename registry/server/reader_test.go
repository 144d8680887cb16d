package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/loadr-plugins/loadr/registry/directory"
)

// TestReaderAnswersLikeOlareg asks both for everything in a registry and for much that is not: to a client it must make no
// difference whether a server holds the directory.
func TestReaderAnswersLikeOlareg(t *testing.T) {
	root := t.TempDir()
	w := newWriter(t, root)
	writer := place{t: t, handler: w}
	olareg := place{t: t, handler: w.olareg}
	reader := place{t: t, handler: directory.NewReader(root)}
	image := writer.image("team/echo", "an image")
	subject := digest.FromString(image)
	for _, tag := range []string{"1.0.0", "1.1.0", "2.0.0", "latest"} {
		writer.expect(http.StatusCreated, "PUT", "/v2/team/echo/manifests/"+tag, v1.MediaTypeImageManifest, image)
	}
	index := writer.index(image)
	writer.expect(http.StatusCreated, "PUT", "/v2/team/echo/manifests/3.0.0", v1.MediaTypeImageIndex, index)
	referrer := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"artifactType":"text/x-note","config":{"mediaType":"application/json","digest":%q,"size":2},"layers":[],`+
		`"subject":{"mediaType":%q,"digest":%q,"size":%d}}`, v1.MediaTypeImageManifest, digest.FromString("{}"), v1.MediaTypeImageManifest, subject, len(image))
	writer.expect(http.StatusCreated, "PUT", "/v2/team/echo/manifests/"+digest.FromString(referrer).String(), v1.MediaTypeImageManifest, referrer)

	const base = "/v2/team/echo/"
	absent := digest.FromString("absent")
	for _, target := range []string{
		"/v2/", base + "tags/list", base + "tags/list?n=2", base + "tags/list?n=2&last=1.1.0", base + "tags/list?last=1.0.5",
		base + "tags/list?n=100", base + "tags/list?last=zzz",
		base + "manifests/1.0.0", base + "manifests/3.0.0", base + "manifests/latest", base + "manifests/nope",
		base + "manifests/" + subject.String(), base + "manifests/" + absent.String(), base + "manifests/" + digest.FromString(referrer).String(),
		base + "blobs/" + digest.FromString("{}").String(), base + "blobs/" + absent.String(),
		base + "referrers/" + subject.String(), base + "referrers/" + absent.String(),
		base + "referrers/" + subject.String() + "?artifactType=text/x-note", base + "referrers/" + subject.String() + "?artifactType=other",
	} {
		for _, method := range []string{"GET", "HEAD"} {
			compare(t, method+" "+target, reader, olareg, method, target)
		}
	}
	reader.header = http.Header{"Range": {"bytes=1-"}}
	olareg.header = reader.header
	compare(t, "range", reader, olareg, "GET", base+"blobs/"+digest.FromString("{}").String())
}

// compare leaves out what a client does not act on: the words of errors, and header fields of no meaning here.
func compare(t *testing.T, what string, reader, olareg place, method, target string) {
	t.Helper()
	status, text, header := reader.do(method, target, "", "")
	wantStatus, wantText, wantHeader := olareg.do(method, target, "", "")
	if status != wantStatus {
		t.Errorf("%s: status %d, olareg %d: %s %s", what, status, wantStatus, text, wantText)
		return
	}
	if status >= 400 {
		return
	}
	keys := []string{"Content-Type", "Docker-Content-Digest", "Link", "Content-Range", "OCI-Filters-Applied"}
	if method == http.MethodHead { // olareg writes some bodies, which net/http drops, and leaves out the filters
		text, wantText, keys = "", "", keys[:4]
	}
	if diff := cmp.Diff(wantText, text); diff != "" && !sameJSON(text, wantText) {
		t.Errorf("%s: body (-olareg +ours):\n%s", what, diff)
	}
	for _, key := range keys {
		if got, want := strings.ReplaceAll(header.Get(key), `"`, ""), wantHeader.Get(key); got != want {
			t.Errorf("%s: %s %q, olareg %q", what, key, got, want)
		}
	}
}

func sameJSON(a, b string) bool {
	var x, y any
	return json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil && cmp.Equal(x, y)
}
