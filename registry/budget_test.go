package registry_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loadr-plugins/loadr/internal/testregistry"
	"github.com/loadr-plugins/loadr/registry"
)

func repoIn(host string) registry.Repository {
	return registry.Repository{Registry: host, Namespace: "team", Name: "echo"}
}

func expectRequests(t *testing.T, r *testregistry.Registry, what string, want ...string) {
	t.Helper()
	got := r.Take()
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("requests of %s (-budget +made):\n%s", what, diff)
	}
}

// TestRequestBudget asserts the requests of docs/spec/artifact.md, one by one. None of them is a ping.
func TestRequestBudget(t *testing.T) {
	server := testregistry.New(t)
	client := newClient(t, registry.Options{})
	repo := repoIn(server.Host())
	pack := testregistry.Pack(t, testregistry.Spec{})

	if _, err := client.Push(t.Context(), repo, pack); err != nil {
		t.Fatal(err)
	}
	expectRequests(t, server, "push of one target",
		"GET manifest",                                           // is the version taken?
		"POST upload", "PUT upload", "POST upload", "PUT upload", // config, library
		"PUT manifest", "PUT manifest", // platform, index
		"GET manifest",                 // what the tag names now
		"GET manifest", "PUT manifest") // the catalogue: how often it was compacted, and the entry

	if _, err := client.Push(t.Context(), repo, pack); err != nil {
		t.Fatal(err)
	}
	expectRequests(t, server, "push of what is there", "GET manifest", "GET manifest", "PUT manifest")

	if _, err := client.Versions(t.Context(), repo); err != nil {
		t.Fatal(err)
	}
	expectRequests(t, server, "a list of versions", "GET tags")

	release, err := client.Release(t.Context(), repo, "1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Complete(t.Context(), repo, release); err != nil {
		t.Fatal(err)
	}
	expectRequests(t, server, "a release with all its targets", "GET manifest")

	readAll(t, client, repo, release.Targets[0].Library)
	expectRequests(t, server, "a fetch", "GET blob")

	subject := subjectOf(pack)
	if _, err := client.Referrers(t.Context(), repo, subject.Digest, noteType); err != nil {
		t.Fatal(err)
	}
	expectRequests(t, server, "a list of referrers", "GET referrers")

	attached, err := client.Attach(t.Context(), repo, subject, testregistry.Note("a note"))
	if err != nil {
		t.Fatal(err)
	}
	expectRequests(t, server, "an attachment",
		"POST upload", "PUT upload", "POST upload", "PUT upload", // the empty config, the layer
		"PUT manifest", "GET referrers") // is it listed?

	m, err := client.Referrer(t.Context(), repo, subject.Digest, attached)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Layer(t.Context(), repo, m.Layers[0]); err != nil {
		t.Fatal(err)
	}
	expectRequests(t, server, "a small attachment", "GET manifest")
}

// TestRequestBudgetOfDirectory counts through the socket of a server: nothing is read again there, since the registry
// itself keeps versions.
func TestRequestBudgetOfDirectory(t *testing.T) {
	dir := t.TempDir()
	counted := serveCounted(t, dir)
	client := newClient(t, registry.Options{Dir: dir})
	if _, err := client.Push(t.Context(), repoIn(registry.Local), testregistry.Pack(t, testregistry.Spec{})); err != nil {
		t.Fatal(err)
	}
	if got := counted(); got != 9 {
		t.Errorf("push of one target to the directory registry: %d requests, expected 6, the tag check and 2 for the catalogue", got)
	}
}

// TestRequestBudgetOfTokens counts token exchanges: one for all repositories of a host.
func TestRequestBudgetOfTokens(t *testing.T) {
	names := []string{"echo", "kafka", "redis", "smtp"}
	for name, test := range map[string]struct {
		option testregistry.Option
		tokens int
	}{
		"one token for several repositories": {testregistry.Tokens("ann", "secret"), 1},
		"a service that gives one at a time": {testregistry.TokensOneByOne("ann", "secret"), 1 + len(names)},
	} {
		t.Run(name, func(t *testing.T) {
			server := testregistry.New(t, test.option)
			client := newClient(t, registry.Options{Credentials: credentialsFor(server.Host(), "ann", "secret")})
			var repos []registry.Repository
			for _, n := range names {
				repo := registry.Repository{Registry: server.Host(), Namespace: "team", Name: n}
				if _, err := client.Push(t.Context(), repo, testregistry.Pack(t, testregistry.Spec{Name: n})); err != nil {
					t.Fatal(err)
				}
				repos = append(repos, repo)
			}
			server.TakeTokens()
			fresh := newClient(t, registry.Options{Credentials: credentialsFor(server.Host(), "ann", "secret")})
			ctx := registry.WithRepositories(t.Context(), repos)
			for _, repo := range repos {
				if _, err := fresh.Versions(ctx, repo); err != nil {
					t.Fatal(err)
				}
				if _, err := fresh.Release(ctx, repo, "1.0.0"); err != nil {
					t.Fatal(err)
				}
			}
			if got := server.TakeTokens(); got != test.tokens {
				t.Errorf("%d token requests for %d repositories, expected %d", got, len(names), test.tokens)
			}
		})
	}
}
