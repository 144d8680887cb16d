package search

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

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
