package search

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"

	"github.com/loadr-plugins/loadr/internal/testregistry"
	"github.com/loadr-plugins/loadr/registry"
	"github.com/loadr-plugins/loadr/registry/catalogue"
)

// machine is a user with one namespace.
type machine struct {
	Options
	t testing.TB
}

func newMachine(t testing.TB, sources ...string) *machine {
	t.Helper()
	client := registry.New(registry.Options{})
	t.Cleanup(func() { client.Close() })
	return &machine{Options{Client: client, Dir: t.TempDir(), Sources: sources, Query: catalogue.Query{Limit: 25}}, t}
}

func (m *machine) publish(name, version string) {
	m.t.Helper()
	host, namespace, _ := registry.ParseNamespace(m.Sources[0])
	repo := registry.Repository{Registry: host, Namespace: namespace, Name: name}
	r, err := m.Client.Push(context.Background(), repo, testregistry.Pack(m.t, testregistry.Spec{Name: name, Version: version}))
	if err = errors.Join(err, r.Unlisted); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) compact() {
	m.t.Helper()
	if _, err := m.Client.CompactCatalogue(context.Background(), m.Sources[0]); err != nil {
		m.t.Fatal(err)
	}
}

// find gives what is found for a term, as "name version" separated by commas.
func (m *machine) find(term string) (string, *Result) {
	m.t.Helper()
	m.Query.Terms = []string{term}
	r, err := Search(context.Background(), m.Options)
	if err != nil {
		m.t.Fatal(err)
	}
	var words []string
	for _, p := range r.Plugins {
		words = append(words, p.Name+" "+p.Version)
	}
	return strings.Join(words, ", "), r
}

func (m *machine) wantFound(term, want string) *Result {
	m.t.Helper()
	got, r := m.find(term)
	if got != want {
		m.t.Errorf("%s: found %q, expected %q; %+v", term, got, want, r.Catalogues)
	}
	return r
}

// TestRequests: a search asks which compacted catalogue is current and what was written since; everything else is read once.
func TestRequests(t *testing.T) {
	server := testregistry.New(t)
	m := newMachine(t, server.Host()+"/team")
	want := func(what string, want ...string) {
		t.Helper()
		got := server.Take()
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("requests of %s: %v, expected %v", what, got, want)
		}
	}
	m.publish("redis", "1.0.0")
	m.publish("kafka", "1.0.0")
	server.Take()
	m.wantFound("redis", "redis 1.0.0")
	want("a first search", "GET manifest", "GET tags", "GET manifest", "GET manifest")
	m.wantFound("kafka", "kafka 1.0.0")
	want("a second search", "GET manifest", "GET tags")
	m.compact()
	other := newMachine(t, m.Sources[0])
	server.Take()
	other.wantFound("redis", "redis 1.0.0")
	want("a first search after a compaction", "GET manifest", "GET tags", "GET blob")
	other.wantFound("redis", "redis 1.0.0")
	want("a second search after a compaction", "GET manifest", "GET tags")
	m.publish("redis", "2.0.0")
	server.Take()
	other.wantFound("redis", "redis 2.0.0")
	want("a search after a publish", "GET manifest", "GET tags", "GET manifest")
	m.compact()
	server.Take()
	other.wantFound("redis", "redis 2.0.0")
	want("a search after another compaction", "GET manifest", "GET tags", "GET blob")
	other.Offline = true
	other.wantFound("redis", "redis 2.0.0")
	want("a search offline")
	if files, _ := filepath.Glob(filepath.Join(other.Dir, "*", "*")); len(files) != 3 {
		t.Errorf("kept %v, expected one state and one table", files)
	}
}

// TestFailures: what fails is told beside what was found, and is an error where nothing could be searched.
func TestFailures(t *testing.T) {
	server := testregistry.New(t)
	good, absent, down := server.Host()+"/team", server.Host()+"/nobody", "127.0.0.1:1/team"
	m := newMachine(t, good, absent, down)
	m.publish("echo", "1.0.0")
	r := m.wantFound("echo", "echo 1.0.0")
	states := []State{r.Catalogues[0].State, r.Catalogues[1].State, r.Catalogues[2].State}
	if !slices.Equal(states, []State{Searched, Absent, Failed}) || r.Catalogues[2].Problem == "" {
		t.Errorf("%+v", r.Catalogues)
	}
	m.Sources = []string{absent}
	m.wantFound("echo", "")
	m.Sources = []string{absent, down}
	_, err := Search(t.Context(), m.Options)
	var failed *FailedError
	var unavailable *registry.UnavailableError
	if !errors.As(err, &failed) || len(failed.Failures) != 1 || !errors.As(err, &unavailable) {
		t.Errorf("all but an absent one failed: %v", err)
	}
	m.Sources, m.Offline = []string{down}, true
	var notKept *NotKeptError
	if _, err := Search(t.Context(), m.Options); !errors.As(err, &notKept) {
		t.Errorf("offline, never seen: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Search(ctx, m.Options); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestOneToken: the catalogues of one registry cost one token.
func TestOneToken(t *testing.T) {
	server := testregistry.New(t, testregistry.Tokens("ann", "secret"))
	store := credentials.NewMemoryStore()
	if err := store.Put(t.Context(), server.Host(), auth.Credential{Username: "ann", Password: "secret"}); err != nil {
		t.Fatal(err)
	}
	m := newMachine(t, server.Host()+"/a", server.Host()+"/b")
	m.Client = registry.New(registry.Options{Credentials: store})
	m.publish("redis", "1.0.0")
	m.Sources = []string{m.Sources[1], m.Sources[0]}
	m.publish("kafka", "1.0.0")
	server.TakeTokens()
	m.Client = registry.New(registry.Options{Credentials: store})
	m.wantFound("", "kafka 1.0.0, redis 1.0.0")
	if got := server.TakeTokens(); got != 1 {
		t.Errorf("%d tokens, expected 1", got)
	}
}

// TestManyAtOnce: searches on one machine share what is kept while publishes and compactions go on.
func TestManyAtOnce(t *testing.T) {
	m := newMachine(t, testregistry.New(t).Host()+"/team")
	m.publish("echo", "1.0.0")
	done := make(chan struct{})
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			own := *m
			own.Query.Terms = []string{"echo"}
			for searching := true; searching; {
				select {
				case <-done:
					searching = false
				default:
				}
				r, err := Search(context.Background(), own.Options)
				if err != nil || !slices.ContainsFunc(r.Plugins, func(p Plugin) bool { return p.Name == "echo" }) {
					t.Errorf("%+v, %v", r, err)
				}
			}
		})
	}
	for i := range 6 {
		m.publish(fmt.Sprint("plugin-", i), "1.0.0")
		m.compact()
	}
	close(done)
	wait.Wait()
	if got, _ := m.find("plugin-"); strings.Count(got, ",") != 5 {
		t.Errorf("found %q", got)
	}
}

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
