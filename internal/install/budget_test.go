package install_test

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"

	"github.com/loadr-plugins/loadr/internal/install"
	"github.com/loadr-plugins/loadr/internal/testregistry"
	"github.com/loadr-plugins/loadr/registry"
)

// TestRequestBudget asserts the requests of docs/spec/artifact.md for one plugin.
func TestRequestBudget(t *testing.T) {
	p, server := remote(t, spec{name: "echo"})
	p.install("echo")
	wantRequests(t, server, "install without a lock, cold", "GET tags", "GET manifest", "GET referrers", "GET blob")

	p.install("echo")
	wantRequests(t, server, "install of what is there")

	locked := p.on(machine())
	locked.run(install.Options{})
	wantRequests(t, server, "install with a lock, cold", "GET blob", "GET blob")

	for _, o := range []install.Options{{}, {Mode: install.Locked}, {Mode: install.Frozen}} {
		cached := p.on(machine())
		cached.cache = locked.cache
		cached.run(o)
		wantRequests(t, server, fmt.Sprintf("install with a lock in mode %v, cached", o.Mode))
		cached.wantSound()
	}

	fresh := newProject(t, p.client, p.namespaces...)
	fresh.write("loadr.toml", "[plugins]\necho = \"^1\"\n")
	fresh.lock()
	wantRequests(t, server, "lock", "GET tags", "GET manifest", "GET referrers")
	fresh.run(install.Options{})
	wantRequests(t, server, "install after lock", "GET blob")
}

// TestRequestsOfCandidates has the newest versions not fit: each costs one request, the older ones none, and whether it was
// withdrawn is asked about the only one that fits.
func TestRequestsOfCandidates(t *testing.T) {
	p, server := remote(t, spec{name: "echo", version: "1.0.0"}, spec{name: "echo", version: "1.1.0"},
		spec{name: "echo", version: "1.2.0", requires: "^2"}, spec{name: "echo", version: "1.3.0", targets: darwinOnly})
	report := p.install("echo@^1")
	wantRequests(t, server, "install", "GET tags", "GET manifest", "GET manifest", "GET manifest", "GET referrers", "GET blob")
	wantVersions(t, "installed", p.versions(), map[string]string{"echo": "1.1.0"})
	var codes []string
	for _, r := range report.Choices[0].Rejected {
		codes = append(codes, r.Version+" "+string(r.Code))
	}
	if want := []string{"1.3.0 target", "1.2.0 requires-abi", "1.0.0 older"}; !slices.Equal(codes, want) {
		t.Errorf("rejected: %v, expected %v", codes, want)
	}
}

// TestRequestsOfDigest: a digest at a known place needs no list of versions.
func TestRequestsOfDigest(t *testing.T) {
	p, server := remote(t, spec{name: "echo"}, spec{name: "echo", version: "1.1.0"})
	p.install("echo@1.0.0")
	index := p.readLock().Plugins[0].Index
	server.Take()

	other := newProject(t, p.client, p.namespaces...)
	other.install(p.namespaces[0] + "/echo@" + index.String())
	wantRequests(t, server, "install of a digest", "GET manifest", "GET referrers", "GET blob")
	wantVersions(t, "installed", other.versions(), map[string]string{"echo": "1.0.0"})
	if other.read("loadr.lock") != p.read("loadr.lock") {
		t.Error("the lock by digest and the lock by version differ")
	}
}

// TestConfigAndLibraryInParallel holds each of the two requests until the other has arrived.
func TestConfigAndLibraryInParallel(t *testing.T) {
	p, server := remote(t, spec{name: "echo"})
	p.lockPlugins("echo")
	var arrived atomic.Int32
	both := make(chan struct{})
	server.Inject(testregistry.Fault{Match: "GET blob", Alter: func(body []byte) []byte {
		if arrived.Add(1) == 2 {
			close(both)
		}
		select {
		case <-both:
		case <-time.After(10 * time.Second):
			t.Error("config and library were not asked for at the same time")
		}
		return body
	}})
	p.run(install.Options{})
}

// lockPlugins writes a lock without caching anything.
func (p *project) lockPlugins(names ...string) {
	p.t.Helper()
	p.edit("loadr.toml", "", "[plugins]\n")
	for _, name := range names {
		p.edit("loadr.toml", "[plugins]\n", "[plugins]\n"+name+" = \"*\"\n")
	}
	warm := p.cache
	p.cache = p.t.TempDir()
	p.lock()
	p.cache = warm
}

// TestRequestsOfMany: n plugins cost n times what one costs, and one token.
func TestRequestsOfMany(t *testing.T) {
	t.Parallel()
	names := []string{"echo", "kafka", "redis", "smtp"}
	for name, test := range map[string]struct {
		option testregistry.Option
		tokens int
	}{
		"one token for several repositories": {testregistry.Tokens("ann", "secret"), 1},
		"a service that gives one at a time": {testregistry.TokensOneByOne("ann", "secret"), len(names) + 1},
	} {
		t.Run(name, func(t *testing.T) {
			server := testregistry.New(t, test.option)
			login := func() *registry.Client {
				store := credentials.NewMemoryStore()
				_ = store.Put(context.Background(), server.Host(), auth.Credential{Username: "ann", Password: "secret"})
				return newClient(t, registry.Options{Credentials: store})
			}
			for _, n := range names {
				publishTo(t, login(), server.Host()+"/team", spec{name: n})
			}
			server.Take()
			server.TakeTokens()

			p := newProject(t, login(), server.Host()+"/team")
			p.install(names...)
			wantRequests(t, server, "install without a lock", times(len(names), "GET tags", "GET manifest", "GET referrers", "GET blob")...)
			wantTokens(t, server, "install without a lock", test.tokens)

			for _, mode := range []install.Mode{install.Resolve, install.Locked, install.Frozen} {
				locked := p.on(machine())
				locked.client = login()
				locked.run(install.Options{Mode: mode})
				wantRequests(t, server, "install with a lock", times(len(names), "GET blob", "GET blob")...)
				wantTokens(t, server, fmt.Sprintf("install in mode %v with a lock", mode), test.tokens)
			}

			verified := *p
			verified.client = login()
			if _, err := verified.installer().Verify(t.Context(), nil, false); err != nil {
				t.Error(err)
			}
			wantRequests(t, server, "verify", times(len(names), "GET manifest", "GET referrers")...)
			wantTokens(t, server, "verify", test.tokens)
		})
	}
}

func times(n int, requests ...string) []string { return slices.Repeat(requests, n) }

func wantTokens(t *testing.T, server *testregistry.Registry, what string, want int) {
	t.Helper()
	// A service that gives one token at a time refuses the common request once for each of those made before the first
	// refusal is known.
	got := server.TakeTokens()
	if want == 1 && got != 1 || got < want || got > 2*want {
		t.Errorf("%s: %d token requests, expected %d", what, got, want)
	}
}
