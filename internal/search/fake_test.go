package search

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/registry"
	"github.com/loadr-plugins/loadr/registry/catalogue"
)

// fake is a registry that holds one catalogue and whatever a test makes it say. It lists all tags on one page.
type fake struct {
	manifests map[string]string // by tag
	blobs     map[string][]byte // by digest
	existing  bool              // a list may begin behind existing tags only
}

func (f *fake) start(t testing.TB) (source string) {
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://") + "/team"
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/v2/team/catalogue.loadr/")
	kind, name, _ := strings.Cut(path, "/")
	text, ok := f.blobs[name], true
	switch {
	case kind == "tags" && f.existing && r.URL.Query().Get("last") != "":
		w.WriteHeader(http.StatusBadRequest)
		return
	case kind == "tags":
		var tags []string
		for tag := range f.manifests {
			tags = append(tags, fmt.Sprintf("%q", tag))
		}
		text = fmt.Appendf(nil, `{"tags":[%s]}`, strings.Join(tags, ","))
	case kind == "manifests":
		var manifest string
		manifest, ok = f.manifests[name]
		text = []byte(manifest)
		w.Header().Set("Content-Type", mediaType(manifest))
		w.Header().Set("Docker-Content-Digest", digest.FromString(manifest).String())
	default:
		ok = text != nil
	}
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"errors":[{"code":"MANIFEST_UNKNOWN"}]}`)
		return
	}
	_, _ = w.Write(text)
}

func mediaType(manifest string) string {
	if strings.Contains(manifest, `"manifests"`) {
		return "application/vnd.oci.image.index.v1+json"
	}
	return "application/vnd.oci.image.manifest.v1+json"
}

// compacted makes the fake hold a compacted catalogue with the given lines.
func (f *fake) compacted(generation, entries int, lines string) {
	f.compactedOf(generation, entries, compress(lines))
}

func compress(text string) []byte {
	encoder, _ := zstd.NewWriter(nil)
	return encoder.EncodeAll([]byte(text), nil)
}

func (f *fake) compactedOf(generation, entries int, blob []byte) {
	d := digest.FromBytes(blob)
	f.blobs = map[string][]byte{d.String(): blob}
	f.put(catalogue.IndexTag, fmt.Sprintf(`{"schemaVersion":2,"artifactType":%q,"config":{},"layers":[{"mediaType":%q,"digest":%q,"size":%d}],"annotations":{%q:"%d",%q:"%d"}}`,
		registry.CatalogueType, registry.MediaTypeCatalogueLines, d, len(blob), registry.AnnotationGeneration, generation, registry.AnnotationEntries, entries))
}

func (f *fake) put(tag, text string) {
	if f.manifests == nil {
		f.manifests = map[string]string{}
	}
	f.manifests[tag] = text
}

func (f *fake) entry(generation int64, name, version string) {
	e := catalogue.Entry{Name: name, Version: version, Kind: "output", Type: "native"}
	f.put(catalogue.Tag{Generation: generation, Name: name, Version: version}.String(),
		fmt.Sprintf(`{"schemaVersion":2,"artifactType":%q,"manifests":[],"annotations":{%q:%q}}`, registry.CatalogueEntryType, registry.AnnotationEntry, e.Append(nil)))
}

func line(name, version string) string {
	return string(catalogue.Entry{Name: name, Version: version, Kind: "output", Type: "native"}.Append(nil)) + "\n"
}

// TestOnePage: a registry without pages lists everything; old tags are passed over, and those of the last generation read.
func TestOnePage(t *testing.T) {
	f := &fake{}
	f.compacted(3, 2, line("a", "1.0.0")+line("b", "2.0.0"))
	f.entry(1, "gone", "1.0.0") // removed from the catalogue by its owner, say
	f.entry(2, "late", "1.0.0")
	f.entry(2, "b", "1.5.0")
	f.entry(3, "new", "1.0.0")
	f.entry(3, "a", "1.1.0")
	m := newMachine(t, f.start(t))
	for _, f.existing = range []bool{false, true} {
		r := m.wantFound("", "a 1.1.0, b 2.0.0, late 1.0.0, new 1.0.0")
		if c := r.Catalogues[0]; c.Fresh != 3 || c.Generation != 3 || c.Unread != 0 {
			t.Errorf("%+v", c)
		}
	}
}

// TestTooMany: what is written beside the compacted catalogue is bounded, and it is said that there is more.
func TestTooMany(t *testing.T) {
	f := &fake{}
	for i := range maxFresh + 500 {
		f.entry(0, fmt.Sprintf("plugin-%04d", i), "1.0.0")
	}
	f.put(catalogue.Tag{Generation: 0, Name: "a", Version: "1.0.0"}.String(), `{"schemaVersion":2,"manifests":[]}`)
	m := newMachine(t, f.start(t))
	for range 2 {
		_, r := m.find("plugin")
		if c := r.Catalogues[0]; len(r.Plugins) != 25 || r.More != maxFresh-25 || c.Unread != 501 || c.Fresh != maxFresh {
			t.Errorf("%d plugins and %d more; %+v", len(r.Plugins), r.More, c)
		}
	}
}

// TestHostile: a broken compacted catalogue is refused as a whole, with its place and without filling the disk; entries that
// are broken are passed over.
func TestHostile(t *testing.T) {
	good := line("a", "1.0.0")
	for name, test := range map[string]struct {
		entries int
		blob    []byte
		says    string
	}{
		"not zstd":          {1, []byte("nothing of the kind"), "expected zstd"},
		"no lines":          {1, compress("no lines"), "line 1"},
		"a name twice":      {2, compress(good + good), "line 2: names must be in order"},
		"no name":           {1, compress(strings.Replace(good, `"a"`, `"../a"`, 1)), "name: expected a plugin's name"},
		"steering":          {1, compress(strings.Replace(good, `"output"`, `"\u001b[2J"`, 1)), "kind: expected a word"},
		"an endless line":   {1, compress(strings.Repeat(" ", 64<<20)), "line 1: at most"},
		"another count":     {2, compress(good), "holds 1 plugins, expected 2"},
		"an altered stream": {1, nil, "expected sha256:"},
		"no blob":           {1, compress(good), "are not in the registry"},
	} {
		f := &fake{}
		f.compactedOf(1, test.entries, test.blob)
		switch {
		case name == "no blob":
			f.blobs = nil
		case test.blob == nil:
			f.compacted(1, 1, good)
			for _, blob := range f.blobs {
				blob[len(blob)-1]++
			}
		}
		m := newMachine(t, f.start(t))
		_, err := Search(t.Context(), m.Options)
		var failed *FailedError
		if !errors.As(err, &failed) || !strings.Contains(err.Error(), test.says) || len(err.Error()) > 1000 {
			t.Errorf("%s: %v, expected %q", name, err, test.says)
		}
		if files, _ := filepath.Glob(filepath.Join(m.Dir, "*", ".*")); len(files) > 0 {
			t.Errorf("%s: left %v", name, files)
		}
	}
	f := &fake{}
	f.compacted(1, 1, good)
	f.put("g0000000001.evil.1.0.0", `{"schemaVersion":2,"manifests":[]}`)
	r := newMachine(t, f.start(t)).wantFound("", "a 1.0.0")
	if r.Catalogues[0].Unread != 1 {
		t.Errorf("%+v", r.Catalogues)
	}
}

// TestKeptFiles: what is on this machine may be damaged or of another program.
func TestKeptFiles(t *testing.T) {
	f := &fake{}
	f.compacted(1, 1, line("a", "1.0.0"))
	f.entry(1, "b", "1.0.0")
	m := newMachine(t, f.start(t))
	m.wantFound("", "a 1.0.0, b 1.0.0")
	for _, text := range []string{"", "{}", `{"schema":2}`, "\x00"} {
		files, _ := filepath.Glob(filepath.Join(m.Dir, "*", "*"))
		for _, file := range files {
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		m.wantFound("", "a 1.0.0, b 1.0.0")
	}
}

func BenchmarkSearch(b *testing.B) {
	for _, n := range []int{1_000, 10_000, 100_000} {
		var lines bytes.Buffer
		for i := range n {
			e := catalogue.Entry{
				Name: fmt.Sprintf("plugin-%06d", i), Version: "1.2.3", Kind: "protocol", Type: "native",
				Description: fmt.Sprintf("Sends request number %d over one of many protocols, with TLS and metrics", i),
				Keywords:    []string{"load", "metrics"}, Targets: []string{"aarch64-apple-darwin", "x86_64-pc-windows-msvc", "x86_64-unknown-linux-gnu"},
			}
			lines.Write(append(e.Append(nil), '\n'))
		}
		f := &fake{}
		f.compacted(1, n, lines.String())
		m := newMachine(b, f.start(b))
		m.find("")
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				m.find("protocols")
			}
		})
	}
}
