package registry_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/internal/testregistry"
	"github.com/loadr-plugins/loadr/registry"
	"github.com/loadr-plugins/loadr/registry/catalogue"
)

// shelf is a registry/namespace with a client that writes there.
type shelf struct {
	*registry.Client
	source string
}

// onEveryRegistry runs a test on the embedded server, on Debian's docker-registry and on a directory.
func onEveryRegistry(t *testing.T, test func(t *testing.T, s shelf)) {
	t.Run("remote", func(t *testing.T) {
		test(t, shelf{newClient(t, registry.Options{}), testregistry.New(t).Host() + "/team"})
	})
	t.Run("docker-registry", func(t *testing.T) {
		test(t, shelf{newClient(t, registry.Options{}), testregistry.Debian(t) + "/team"})
	})
	t.Run("directory", func(t *testing.T) {
		test(t, shelf{newClient(t, registry.Options{Dir: t.TempDir()}), registry.Local + "/team"})
	})
}

func (s shelf) publish(t *testing.T, name, version string) {
	t.Helper()
	host, namespace, _ := registry.ParseNamespace(s.source)
	pack := testregistry.Pack(t, testregistry.Spec{Name: name, Version: version, Keywords: []string{"Echo", version}})
	r, err := s.Push(t.Context(), registry.Repository{Registry: host, Namespace: namespace, Name: name}, pack)
	if err = errors.Join(err, r.Unlisted); err != nil {
		t.Errorf("publishing %s %s: %v", name, version, err)
	}
}

func (s shelf) catalogue(t *testing.T) *registry.Catalogue {
	t.Helper()
	k, err := s.Catalogue(s.source)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (s shelf) compact(t *testing.T) *registry.Compaction {
	t.Helper()
	r, err := s.CompactCatalogue(t.Context(), s.source)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// entries gives the compacted entries and, as a list of tags, what is beside them for a search at this generation.
func (s shelf) entries(t *testing.T) (map[string]catalogue.Entry, []string) {
	t.Helper()
	k, out, tags, generation := s.catalogue(t), map[string]catalogue.Entry{}, []string{}, int64(0)
	compacted, err := k.Compacted(t.Context())
	if notFound := (*registry.NotFoundError)(nil); err != nil && !errors.As(err, &notFound) {
		t.Fatal(err)
	}
	if compacted != nil {
		var text bytes.Buffer
		if err := k.Lines(t.Context(), compacted, &text); err != nil {
			t.Fatal(err)
		}
		err := catalogue.ReadLines(&text, func(e catalogue.Entry, _ []byte) error {
			out[e.Name] = e
			return nil
		})
		if err != nil || len(out) != compacted.Entries {
			t.Fatalf("%d entries of %d, %v", len(out), compacted.Entries, err)
		}
		generation = compacted.Generation
	}
	err = k.Tags(t.Context(), generation, func(tag catalogue.Tag) error {
		tags = append(tags, tag.String())
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(tags)
	return out, tags
}

// TestCatalogue: publishes write entries, compactions take them in, and remove them when the one before has taken them in.
func TestCatalogue(t *testing.T) {
	onEveryRegistry(t, func(t *testing.T, s shelf) {
		k := s.catalogue(t)
		_, err := k.Compacted(t.Context())
		expectError[*registry.NotFoundError](t, "no catalogue", err)
		_, err = s.CompactCatalogue(t.Context(), s.source)
		expectError[*registry.NoCatalogueError](t, "compacting no catalogue", err)

		s.publish(t, "echo", "2.0.0")
		s.publish(t, "echo", "1.0.1") // a fix of an old version is not the latest
		s.publish(t, "kafka", "0.1.0")
		e, err := k.Entry(t.Context(), catalogue.Tag{Name: "echo", Version: "1.0.1"})
		if err != nil || e.Kind != "protocol" || e.Type != "native" || e.License != "Apache-2.0" || e.Description != `Echoes <what> it & "everyone" gets` ||
			!slices.Equal(e.Keywords, []string{"Echo", "1.0.1"}) || !slices.Equal(e.Schemes, []string{"echo", "echos"}) ||
			!slices.Equal(e.Targets, []string{string(testregistry.Linux)}) || !slices.Equal(e.ABI, []string{"c/1.0.0"}) {
			t.Errorf("entry %+v, %v", e, err)
		}
		first := s.compact(t)
		if !first.Changed || first.Generation != 1 || first.Plugins != 2 || first.Read != 3 || first.Removed != 0 {
			t.Errorf("first compaction: %+v", first)
		}
		entries, _ := s.entries(t)
		if len(entries) != 2 || entries["echo"].Version != "2.0.0" || entries["kafka"].Version != "0.1.0" {
			t.Errorf("compacted: %+v", entries)
		}

		s.publish(t, "echo", "3.0.0-rc.1")
		s.publish(t, "redis", "1.0.0")
		if _, tags := s.entries(t); !slices.Contains(tags, "g0000000001.redis.1.0.0") || !slices.Contains(tags, "g0000000001.echo.3.0.0-rc.1") {
			t.Errorf("a search at generation 1 sees %v", tags)
		}
		second := s.compact(t)
		if !second.Changed || second.Generation != 2 || second.Plugins != 3 || second.Read != 2 || second.Removed != 3 {
			t.Errorf("second compaction: %+v", second)
		}
		third, fourth := s.compact(t), s.compact(t)
		if third.Changed || third.Digest != second.Digest || third.Generation != 2 || third.Removed != 2 || fourth.Removed != 0 || fourth.Changed {
			t.Errorf("with nothing new: %+v, %+v", third, fourth)
		}
		entries, tags := s.entries(t)
		if e := entries["echo"]; e.Version != "2.0.0" || e.Preview != "3.0.0-rc.1" || len(entries) != 3 || len(tags) != 0 {
			t.Errorf("compacted: %+v beside %v", entries, tags)
		}
	})
}

// TestCatalogueLosesNothing: plugins, versions of one plugin and compactions, all at once.
func TestCatalogueLosesNothing(t *testing.T) {
	onEveryRegistry(t, func(t *testing.T, s shelf) {
		const plugins, versions = 8, 4
		var publishing, compacting sync.WaitGroup
		done := make(chan struct{})
		for i := range plugins {
			publishing.Go(func() {
				s.publish(t, fmt.Sprint("plugin-", i), "1.0.0")
				if i < versions {
					s.publish(t, "same", fmt.Sprintf("1.%d.0", i))
				}
			})
		}
		for range 2 {
			compacting.Go(func() { compactUntil(t, s, done) })
		}
		publishing.Wait()
		close(done)
		compacting.Wait()
		s.compact(t)
		entries, _ := s.entries(t)
		if len(entries) != plugins+1 || entries["same"].Version != fmt.Sprintf("1.%d.0", versions-1) {
			t.Errorf("%d plugins, expected %d: %v", len(entries), plugins+1, slices.Sorted(maps.Keys(entries)))
		}
	})
}

// compactUntil compacts until done, with pauses in which others get to write a directory.
func compactUntil(t *testing.T, s shelf, done <-chan struct{}) {
	for {
		_, err := s.CompactCatalogue(t.Context(), s.source)
		if notFound, changed := (*registry.NoCatalogueError)(nil), (*registry.CatalogueChangedError)(nil); err != nil && !errors.As(err, &notFound) && !errors.As(err, &changed) {
			t.Errorf("compacting: %v", err)
			return
		}
		select {
		case <-done:
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// TestOvertakenCompaction: while one compaction is about to write, another takes in a new entry, and a third removes that.
func TestOvertakenCompaction(t *testing.T) {
	source := testregistry.New(t).Host() + "/team"
	others := shelf{newClient(t, registry.Options{}), source}
	others.publish(t, "old", "1.0.0")
	others.compact(t)
	others.publish(t, "first", "1.0.0")
	slow := shelf{newClient(t, registry.Options{Transport: &interrupted{method: http.MethodPost, do: func() {
		others.publish(t, "second", "1.0.0")
		others.compact(t)
		others.compact(t)
	}}}), source}
	if r := slow.compact(t); r.Plugins != 3 || r.Generation != 2 || r.Changed {
		t.Errorf("the overtaken compaction: %+v", r)
	}
	if entries, tags := others.entries(t); len(entries) != 3 || len(tags) != 0 {
		t.Errorf("%v beside %v", slices.Sorted(maps.Keys(entries)), tags)
	}
}

// TestLostUpload: a registry that lost what two compactions uploaded at once is given it again.
func TestLostUpload(t *testing.T) {
	server := testregistry.New(t)
	s := shelf{newClient(t, registry.Options{}), server.Host() + "/team"}
	s.publish(t, "echo", "1.0.0")
	server.Inject(testregistry.Fault{Match: "PUT manifest", Status: http.StatusBadRequest, Times: 1, Body: `{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN"}]}`})
	if r := s.compact(t); !r.Changed || r.Plugins != 1 || r.Generation != 1 {
		t.Errorf("%+v", r)
	}
}

// interrupted does something before the first request of a method.
type interrupted struct {
	method string
	do     func()
	once   sync.Once
}

func (i *interrupted) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == i.method {
		i.once.Do(i.do)
	}
	return http.DefaultTransport.RoundTrip(r)
}

// TestCompactionOrder: the same releases give the same bytes, whatever was published and compacted when.
func TestCompactionOrder(t *testing.T) {
	var digests []digest.Digest
	for _, order := range [][]string{{"a 1.0.0", "b 1.0.0", "|", "a 2.0.0-rc.1", "a 1.1.0"}, {"a 1.1.0", "|", "a 1.0.0", "a 2.0.0-rc.1", "|", "b 1.0.0"}} {
		s := shelf{newClient(t, registry.Options{}), testregistry.New(t).Host() + "/team"}
		for _, step := range append(order, "|") {
			if name, version, ok := strings.Cut(step, " "); ok {
				s.publish(t, name, version)
			} else {
				s.compact(t)
			}
		}
		compacted, err := s.catalogue(t).Compacted(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		digests = append(digests, compacted.Content.Digest)
	}
	if digests[0] != digests[1] {
		t.Errorf("the same plugins in two orders: %v", digests)
	}
}

// TestTooManyEntries: one compaction reads a bounded part, and the next ones the rest.
func TestTooManyEntries(t *testing.T) {
	s := shelf{newClient(t, registry.Options{}), testregistry.New(t).Host() + "/team"}
	const plugins = 40
	for i := range plugins {
		s.publish(t, fmt.Sprint("plugin-", i), "1.0.0")
	}
	registry.SetMaxFreshBytes(t, 1)
	first := s.compact(t)
	if first.Left == 0 || first.Read == 0 || first.Read+first.Left != plugins || first.Plugins != first.Read {
		t.Errorf("%+v", first)
	}
	for range plugins {
		if s.compact(t).Left == 0 {
			break
		}
	}
	if entries, _ := s.entries(t); len(entries) != plugins {
		t.Errorf("%d plugins, expected %d", len(entries), plugins)
	}
}

// TestUnlisted: a catalogue that can't be written fails no publish, and publishing again repairs it.
func TestUnlisted(t *testing.T) {
	server := testregistry.New(t)
	s := shelf{newClient(t, registry.Options{}).Impatient(), server.Host() + "/team"}
	repo, pack := repoIn(server.Host()), testregistry.Pack(t, testregistry.Spec{})
	if _, err := s.Push(t.Context(), repo, pack); err != nil { // so that only the catalogue is written from now on
		t.Fatal(err)
	}
	for _, status := range []int{http.StatusForbidden, http.StatusMethodNotAllowed, http.StatusBadRequest, http.StatusInternalServerError} {
		server.Inject(testregistry.Fault{Match: "PUT manifest", Status: status})
		r, err := s.Push(t.Context(), repo, pack)
		if err != nil || !r.Already || r.Unlisted == nil {
			t.Errorf("status %d: %+v, %v", status, r, err)
		}
		server.Heal()
	}
	if r, err := s.Push(t.Context(), repo, pack); err != nil || r.Unlisted != nil {
		t.Errorf("publishing again: %+v, %v", r, err)
	}
	long := testregistry.Pack(t, testregistry.Spec{Version: "1.0.0-" + strings.Repeat("long", 20)})
	r, err := s.Push(t.Context(), repo, long)
	if err != nil {
		t.Fatal(err)
	}
	expectError[*catalogue.EntryError](t, "a version that is too long", r.Unlisted)
	if entries, tags := s.entries(t); len(entries) != 0 || !slices.Equal(tags, []string{"g0000000000.echo.1.0.0"}) {
		t.Errorf("%v beside %v", entries, tags)
	}
}

// TestNoRemoval: where nothing may be removed, compacting works, and says what stays.
func TestNoRemoval(t *testing.T) {
	server := testregistry.New(t)
	s := shelf{newClient(t, registry.Options{}), server.Host() + "/team"}
	s.publish(t, "a", "1.0.0")
	s.publish(t, "b", "1.0.0")
	s.compact(t)
	server.Inject(testregistry.Fault{Match: "DELETE manifest", Status: http.StatusMethodNotAllowed})
	if r := s.compact(t); r.Kept != 2 || r.Removed != 0 || r.Changed {
		t.Errorf("%+v", r)
	}
	server.Take()
	s.publish(t, "c", "1.0.0")
	server.Take()
	if r := s.compact(t); r.Kept != 2 || r.Read != 1 || !r.Changed || r.Plugins != 3 {
		t.Errorf("%+v", r)
	}
	requests := server.Take()
	if reads := len(slices.DeleteFunc(requests, func(r string) bool { return r != "GET manifest" })); reads != 3 { // twice the index, one entry
		t.Errorf("%d manifests were read, expected 3: what is in the index is not read again", reads)
	}
}
