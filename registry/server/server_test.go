package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.uber.org/goleak"

	"github.com/loadr-plugins/loadr/registry/directory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// place is a handler and what to ask it.
type place struct {
	t       *testing.T
	handler http.Handler
	header  http.Header
}

func newWriter(t *testing.T, root string) *Writer {
	t.Helper()
	w, err := OpenWriter(context.Background(), root, WriterOptions{Note: "a test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (p place) do(method, target, mediaType, body string) (status int, text string, header http.Header) {
	p.t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if mediaType != "" {
		r.Header.Set("Content-Type", mediaType)
	}
	for k, v := range p.header {
		r.Header[k] = v
	}
	w := httptest.NewRecorder()
	p.handler.ServeHTTP(w, r)
	return w.Code, w.Body.String(), w.Header()
}

func (p place) expect(status int, method, target, mediaType, body string) string {
	p.t.Helper()
	got, text, _ := p.do(method, target, mediaType, body)
	if got != status {
		p.t.Errorf("%s %s: status %d, expected %d: %s", method, target, got, status, text)
	}
	return text
}

// image is a small manifest that differs by its note; its config is uploaded.
func (p place) image(repo, note string) string {
	p.t.Helper()
	config := "{}"
	d := digest.FromString(config)
	p.expect(http.StatusCreated, "POST", "/v2/"+repo+"/blobs/uploads/?digest="+d.String(), "application/octet-stream", config)
	return fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"application/json","digest":%q,"size":2},"layers":[],"annotations":{"note":%q}}`,
		v1.MediaTypeImageManifest, d, note)
}

func (p place) index(children ...string) string {
	var list []string
	for _, c := range children {
		list = append(list, fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d}`, v1.MediaTypeImageManifest, digest.FromString(c), len(c)))
	}
	return fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"manifests":[%s]}`, v1.MediaTypeImageIndex, strings.Join(list, ","))
}

// TestVersionsNeverChange goes through the ways in which a client could change or remove a published version.
func TestVersionsNeverChange(t *testing.T) {
	p := place{t: t, handler: newWriter(t, t.TempDir())}
	const repo, image, index = "team/echo", v1.MediaTypeImageManifest, v1.MediaTypeImageIndex
	at := func(ref string) string { return "/v2/" + repo + "/manifests/" + ref }
	child, other := p.image(repo, "child"), p.image(repo, "other")
	p.expect(201, "PUT", at(digest.FromString(child).String()), image, child)
	top := p.index(child)
	p.expect(201, "PUT", at("1.0.0"), index, top)
	d := digest.FromString(top).String()

	p.expect(201, "PUT", at("1.0.0"), index, top)
	p.expect(201, "PUT", at(d+"?tag=1.0.0"), index, top)
	refused := map[string][3]string{
		"put by tag":               {"PUT", at("1.0.0"), other},
		"put by digest and tag":    {"PUT", at(digest.FromString(other).String() + "?tag=1.0.0"), other},
		"put by digest, two tags":  {"PUT", at(digest.FromString(other).String() + "?tag=new&tag=1.0.0"), other},
		"put by an unclean path":   {"PUT", "/v2/team/./echo//manifests/1.0.0/", other},
		"put by an escaped path":   {"PUT", "/v2/team%2Fecho/manifests/1%2E0.0", other},
		"another digest algorithm": {"PUT", at(digest.SHA512.FromString(other).String() + "?tag=1.0.0"), other},
		"delete by tag":            {"DELETE", at("1.0.0"), ""},
		"delete by digest":         {"DELETE", at(d), ""},
		"delete a child":           {"DELETE", at(digest.FromString(child).String()), ""},
		"delete a blob":            {"DELETE", "/v2/" + repo + "/blobs/" + digest.FromString("{}").String(), ""},
	}
	for name, r := range refused {
		status, text, _ := p.do(r[0], r[1], image, r[2])
		if status != http.StatusConflict && status != http.StatusMethodNotAllowed {
			t.Errorf("%s: status %d: %s", name, status, text)
		}
		if got := p.expect(200, "GET", at("1.0.0"), "", ""); got != top {
			t.Fatalf("%s: the version is now %s", name, got)
		}
	}
	p.expect(404, "GET", at("new"), "", "")
	for _, tag := range []string{"latest", "sha256-" + strings.Repeat("0", 64), "index", "v1.0.0"} {
		p.expect(201, "PUT", at(tag), index, top)
		p.expect(201, "PUT", at(tag), image, other)
		if got := p.expect(200, "GET", at(tag), "", ""); got != other {
			t.Errorf("tag %s did not move", tag)
		}
	}
	p.expect(202, "DELETE", at("latest"), "", "")
	p.expect(413, "PUT", at("9.0.0"), image, strings.Repeat(" ", maxManifest+1))
	p.expect(405, "POST", at("1.0.0"), image, other)
}

// TestRivals has many clients publish one version with different content at the same moment: one of them does.
func TestRivals(t *testing.T) {
	p := place{t: t, handler: newWriter(t, t.TempDir())}
	var contents []string
	for i := range 8 {
		contents = append(contents, p.image("team/echo", fmt.Sprint(i)))
	}
	for round := range 10 {
		version := fmt.Sprintf("1.%d.0", round)
		var created atomic.Int32
		var wait sync.WaitGroup
		start := make(chan struct{})
		for _, content := range contents {
			wait.Go(func() {
				<-start
				if status, _, _ := p.do("PUT", "/v2/team/echo/manifests/"+version, v1.MediaTypeImageManifest, content); status == 201 {
					created.Add(1)
				}
			})
		}
		close(start)
		wait.Wait()
		if created.Load() != 1 {
			t.Errorf("%d of %d rivals published %s", created.Load(), len(contents), version)
		}
	}
}

func TestReader(t *testing.T) {
	root := t.TempDir()
	reader := place{t: t, handler: directory.NewReader(root)}
	absent := place{t: t, handler: directory.NewReader(filepath.Join(root, "absent"))}
	for _, path := range []string{"/v2/team/echo/tags/list", "/v2/team/echo/manifests/1.0.0", "/v2/team/echo/referrers/" + digest.FromString("").String()} {
		for _, p := range []place{reader, absent} {
			if text := p.expect(404, "GET", path, "", ""); !strings.Contains(text, "NAME_UNKNOWN") {
				t.Errorf("%s: %s", path, text)
			}
		}
	}
	reader.expect(200, "GET", "/v2/", "", "")
	reader.expect(404, "GET", "/v2/../../etc/passwd", "", "")
	reader.expect(404, "GET", "/elsewhere", "", "")
	for _, method := range []string{"PUT", "POST", "PATCH", "DELETE"} {
		reader.expect(405, method, "/v2/team/echo/manifests/1.0.0", "", "")
	}
	if entries, _ := os.ReadDir(root); len(entries) > 0 {
		t.Errorf("reading wrote %v", entries)
	}
	writer := place{t: t, handler: newWriter(t, root)}
	for _, version := range []string{"1.0.0", "1.1.0"} {
		writer.expect(201, "PUT", "/v2/team/echo/manifests/"+version, v1.MediaTypeImageManifest, writer.image("team/echo", version))
		if text := reader.expect(200, "GET", "/v2/team/echo/tags/list", "", ""); !strings.Contains(text, version) {
			t.Errorf("after publishing %s the reader says %s", version, text)
		}
	}
}

// TestBrokenIndex has an index.json that cannot be read. olareg takes that for an empty repository, and would write a
// new one over it.
func TestBrokenIndex(t *testing.T) {
	root := t.TempDir()
	writer := place{t: t, handler: newWriter(t, root)}
	image := writer.image("team/echo", "")
	writer.expect(201, "PUT", "/v2/team/echo/manifests/1.0.0", v1.MediaTypeImageManifest, image)
	path := filepath.Join(root, "team", "echo", "index.json")
	if err := os.WriteFile(path+".new", []byte(`{"manifests":[`), 0o644); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	for _, p := range []place{writer, {t: t, handler: directory.NewReader(root)}} {
		if text := p.expect(500, "GET", "/v2/team/echo/tags/list", "", ""); !strings.Contains(text, "index.json") {
			t.Errorf("the answer does not name the file: %s", text)
		}
	}
	writer.expect(500, "PUT", "/v2/team/echo/manifests/2.0.0", v1.MediaTypeImageManifest, image)
	writer.expect(500, "POST", "/v2/team/echo/blobs/uploads/", "", "")
	if text, err := os.ReadFile(path); err != nil || string(text) != `{"manifests":[` {
		t.Errorf("the broken index became %q, %v", text, err)
	}
	if err := os.WriteFile(path, good, 0o644); err != nil { // so that closing finds a sound directory
		t.Fatal(err)
	}
}

// TestForeignLayout reads a layout that another tool made, with the list of referrers under a tag.
func TestForeignLayout(t *testing.T) {
	root := t.TempDir()
	p := place{t: t, handler: newWriter(t, root)}
	image := p.image("team/echo", "")
	p.expect(201, "PUT", "/v2/team/echo/manifests/1.0.0", v1.MediaTypeImageManifest, image)
	referrer := strings.TrimSuffix(p.image("team/echo", "a signature"), "}") +
		fmt.Sprintf(`,"subject":{"mediaType":%q,"digest":%q,"size":%d}}`, v1.MediaTypeImageManifest, digest.FromString(image), len(image))
	p.expect(201, "PUT", "/v2/team/echo/manifests/signature", v1.MediaTypeImageManifest, referrer)
	list := p.index(referrer) // without what a list of referrers says about each
	p.expect(201, "PUT", "/v2/team/echo/manifests/other", v1.MediaTypeImageIndex, list)
	path := filepath.Join(root, "team", "echo", "index.json")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	foreign := strings.NewReplacer(`"org.opencontainers.image.ref.name":"other"`, `"org.opencontainers.image.ref.name":"sha256-`+digest.FromString(image).Encoded()+`"`,
		`"org.olareg.referrer.convert":"true"`, `"x":"y"`).Replace(string(text))
	foreignRoot := filepath.Join(t.TempDir(), "root")
	if err := os.CopyFS(foreignRoot, os.DirFS(root)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(foreignRoot, "team", "echo", "index.json"), []byte(foreign), 0o644); err != nil {
		t.Fatal(err)
	}
	reader := place{t: t, handler: directory.NewReader(foreignRoot)}
	if text := reader.expect(200, "GET", "/v2/team/echo/tags/list", "", ""); !strings.Contains(text, `"1.0.0"`) {
		t.Error(text)
	}
	if text := reader.expect(200, "GET", "/v2/team/echo/referrers/"+digest.FromString(image).String(), "", ""); !strings.Contains(text, digest.FromString(referrer).String()) {
		t.Error(text)
	}
	if strings.Contains(foreign, "convert") || !strings.Contains(foreign, `"sha256-`) {
		t.Fatalf("the test's replacements missed: %s", foreign)
	}
}

func TestOneWriter(t *testing.T) {
	root := t.TempDir()
	first := newWriter(t, root)
	_, err := OpenWriter(t.Context(), root, WriterOptions{})
	var busy *directory.BusyError
	if !errors.As(err, &busy) || busy.Holder != "a test" || busy.Dir != root {
		t.Errorf("second writer: %v", err)
	}
	_ = first
	if err := Serve(t.Context(), Options{Root: root, Addr: "127.0.0.1:0"}); !errors.As(err, &busy) {
		t.Errorf("server beside a writer: %v", err)
	}
}

// TestSweep leaves what a killed process would: half an upload, half an index.
func TestSweep(t *testing.T) {
	root := t.TempDir()
	p := place{t: t, handler: newWriter(t, root)}
	p.expect(201, "PUT", "/v2/team/echo/manifests/1.0.0", v1.MediaTypeImageManifest, p.image("team/echo", ""))
	litter := []string{"_uploads/upload.1", "index.json.2"}
	for _, name := range litter {
		path := filepath.Join(root, "team", "other", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("half"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.handler.(*Writer).SweepAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, name := range litter {
		if _, err := os.Stat(filepath.Join(root, "team", "other", name)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there: %v", name, err)
		}
	}
	p.expect(200, "GET", "/v2/team/echo/manifests/1.0.0", "", "")
}
