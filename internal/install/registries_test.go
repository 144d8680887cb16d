package install_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"

	"github.com/loadr-plugins/loadr/internal/install"
	"github.com/loadr-plugins/loadr/internal/testregistry"
	"github.com/loadr-plugins/loadr/registry"
	"github.com/loadr-plugins/loadr/resolve"
)

// TestSeveralRegistriesAtOnce has plugins with registries of their own in loadr.toml, each with a login of its own, and one
// that is looked up: a name that two of them hold means what the project says.
func TestSeveralRegistriesAtOnce(t *testing.T) {
	store := credentials.NewMemoryStore()
	var servers []*testregistry.Registry
	var places []string
	for i := range 3 {
		user := fmt.Sprint("user", i)
		server := testregistry.New(t, testregistry.Tokens(user, "secret"))
		_ = store.Put(context.Background(), server.Host(), auth.Credential{Username: user, Password: "secret"})
		servers, places = append(servers, server), append(places, server.Host()+"/team")
		client := newClient(t, registry.Options{Credentials: store})
		publishTo(t, client, places[i], spec{name: "both", extra: fmt.Sprint("from ", i)}, spec{name: fmt.Sprint("only", i)})
		server.Take()
		server.TakeTokens()
	}
	p := newProject(t, newClient(t, registry.Options{Credentials: store}), places[0])
	p.write("loadr.toml", fmt.Sprintf("[plugins]\nboth = { version = \"^1\", registry = %q }\nonly2 = { version = \"*\", registry = %q }\nonly0 = \"^1\"\n", places[1], places[2]))
	p.run(install.Options{})
	got := map[string]string{}
	for _, e := range p.readLock().Plugins {
		got[e.Name] = e.Source
	}
	wantVersions(t, "sources", got, map[string]string{"both": places[1], "only2": places[2], "only0": places[0]})
	for _, server := range servers {
		wantRequests(t, server, "install", "GET tags", "GET manifest", "GET referrers", "GET blob")
		wantTokens(t, server, "install", 1)
	}
	// Whoever has the lock needs no namespaces.
	elsewhere := p.on(machine())
	elsewhere.namespaces = []string{"local/plugins"}
	elsewhere.run(install.Options{Mode: install.Locked})
	elsewhere.wantSound()
}

// TestRequirementsStayInTheirNamespace: what a plugin requires is looked up where the plugin comes from, and nowhere else.
func TestRequirementsStayInTheirNamespace(t *testing.T) {
	here, there := testregistry.New(t), testregistry.New(t)
	client := newClient(t, registry.Options{})
	a, b := here.Host()+"/team", there.Host()+"/team"
	publishTo(t, client, a, spec{name: "tokens", version: "1.9.0", extra: "an impostor"})
	publishTo(t, client, b, spec{name: "tokens"}, spec{name: "kafka", plugins: map[string]string{"tokens": "^1"}})
	here.Take()
	p := newProject(t, client, a, b)
	p.install(b + "/kafka")
	for _, e := range p.readLock().Plugins {
		if e.Source != b {
			t.Errorf("%s %s from %s, expected %s", e.Name, e.Version, e.Source, b)
		}
	}
	wantRequests(t, here, "the other registry")
	if strings.Contains(p.read("loadr.toml"), "tokens") {
		t.Error("loadr.toml names what nobody asked for")
	}

	// Where the namespace has none, another one's does not stand in.
	publishTo(t, client, b, spec{name: "amqp", plugins: map[string]string{"absent": "^1"}})
	publishTo(t, client, a, spec{name: "absent"})
	here.Take()
	before := p.snapshot()
	if _, err := p.try(install.Options{Want: references(t, b+"/amqp")}); !is[*resolve.ConflictError](err) && !is[*resolve.NoVersionError](err) {
		t.Errorf("error %T %v", err, err)
	}
	p.wantUnchanged(before)
	wantRequests(t, here, "the other registry")
}

// TestRequirementsFromTwoNamespaces: two plugins that require one name from two places contradict each other, until the
// project says which one is meant.
func TestRequirementsFromTwoNamespaces(t *testing.T) {
	here, there := testregistry.New(t), testregistry.New(t)
	client := newClient(t, registry.Options{})
	places := []string{here.Host() + "/team", there.Host() + "/team"}
	slices.Sort(places)
	needs := map[string]string{"tokens": "^1"}
	publishTo(t, client, places[0], spec{name: "tokens", extra: "0"}, spec{name: "kafka", plugins: needs})
	publishTo(t, client, places[1], spec{name: "tokens", extra: "1"}, spec{name: "amqp", plugins: needs})
	p := newProject(t, client, places...)
	before := p.snapshot()
	_, err := p.try(install.Options{Want: references(t, "kafka", "amqp")})
	if e := wantError[*install.AmbiguousError](t, "tokens from both", err); e != nil {
		slices.Sort(e.Sources)
		if e.Name != "tokens" || !slices.Equal(e.Sources, places) {
			t.Errorf("%+v", e)
		}
	}
	p.wantUnchanged(before)

	p.install("kafka", "amqp", places[1]+"/tokens")
	if e, ok := p.readLock().Plugin("tokens"); !ok || e.Source != places[1] {
		t.Errorf("locked %+v", e)
	}
	p.wantSound()
}

// TestUnknownIsSaidByAll: a name that no namespace knows is an error that says where it was looked for.
func TestUnknownIsSaidByAll(t *testing.T) {
	var places []string
	for range 3 {
		places = append(places, testregistry.New(t).Host()+"/team")
	}
	_, err := newProject(t, newClient(t, registry.Options{}), places...).try(install.Options{Want: references(t, "nobody")})
	var unknown *install.UnknownError
	if !errors.As(err, &unknown) || !slices.Equal(unknown.Sources, places) {
		t.Errorf("error %v, expected it to name %v", err, places)
	}
}
