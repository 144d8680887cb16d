package install_test

import (
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/loadr-plugins/loadr/internal/install"
	"github.com/loadr-plugins/loadr/internal/testregistry"
	"github.com/loadr-plugins/loadr/registry"
)

// TestOneHolder: a short name means something only where exactly one namespace has it, and all of them answered.
func TestOneHolder(t *testing.T) {
	good, other := testregistry.New(t), testregistry.New(t)
	client := newClient(t, registry.Options{})
	here, there := good.Host()+"/team", other.Host()+"/team"
	publishTo(t, client, here, spec{name: "echo"}, spec{name: "both"})
	publishTo(t, client, there, spec{name: "both"}, spec{name: "elsewhere"})

	p := newProject(t, client, here, there, here)
	p.install("echo", "elsewhere")
	before := p.snapshot()

	_, err := p.try(install.Options{Want: references(t, "both")})
	if e := wantError[*install.AmbiguousError](t, "in both", err); e != nil && !slices.Equal(e.Sources, []string{here, there}) {
		t.Errorf("sources %v", e.Sources)
	}
	_, err = p.try(install.Options{Want: references(t, "nobody")})
	wantError[*install.UnknownError](t, "in none", err)
	p.wantUnchanged(before)
	p.install(there + "/both")
	if got := p.readLock().Plugins[0].Source; got != there {
		t.Errorf("named place %s, locked from %s", there, got)
	}
}

// TestAllMustAnswer: a namespace that is down might hold the plugin too, so the other one is not taken.
func TestAllMustAnswer(t *testing.T) {
	for name, test := range map[string]struct {
		fault testregistry.Fault
		want  func(error) bool
	}{
		"401":                   {testregistry.Fault{Status: http.StatusUnauthorized}, is[*registry.AuthError]},
		"403":                   {testregistry.Fault{Status: http.StatusForbidden}, is[*registry.AuthError]},
		"404 that says nothing": {testregistry.Fault{Status: http.StatusNotFound, Body: "<html>"}, is[*registry.UnavailableError]},
		"500":                   {testregistry.Fault{Status: http.StatusInternalServerError}, is[*registry.UnavailableError]},
		"silence":               {testregistry.Fault{Delay: time.Minute}, is[*registry.UnavailableError]},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			good, down := testregistry.New(t), testregistry.New(t)
			publishTo(t, newClient(t, registry.Options{}), good.Host()+"/team", spec{name: "echo"})
			down.Inject(test.fault)
			namespaces := []string{good.Host() + "/team", down.Host() + "/team"}
			for _, order := range []string{"the good one first", "the good one last"} {
				p := newProject(t, newClient(t, registry.Options{Idle: 300 * time.Millisecond}), slices.Clone(namespaces)...)
				t.Run(order, func(t *testing.T) {
					t.Parallel()
					before := p.snapshot()
					_, err := p.try(install.Options{Want: references(t, "echo")})
					if !test.want(err) {
						t.Errorf("error %T %v", err, err)
					}
					p.wantUnchanged(before)
				})
				slices.Reverse(namespaces)
			}
		})
	}
}

func is[E error](err error) bool {
	var e E
	return errors.As(err, &e)
}

// TestPluginsStayWhereTheyBelong: namespaces that are configured later do not redirect what is locked.
func TestPluginsStayWhereTheyBelong(t *testing.T) {
	first, second := testregistry.New(t), testregistry.New(t)
	client := newClient(t, registry.Options{})
	publishTo(t, client, first.Host()+"/team", spec{name: "echo"}, spec{name: "echo", version: "2.0.0"})
	publishTo(t, client, second.Host()+"/team", spec{name: "echo", version: "2.1.0", extra: "an impostor"})
	p := newProject(t, client, first.Host()+"/team")
	p.write("loadr.toml", "[plugins]\necho = \"^1\"\n")
	p.run(install.Options{})

	p.namespaces = []string{second.Host() + "/team"}
	second.Take()
	p.edit("loadr.toml", "^1", "^2")
	p.run(install.Options{})
	if e := p.readLock().Plugins[0]; e.Version != "2.0.0" || e.Source != first.Host()+"/team" {
		t.Errorf("locked %s from %s", e.Version, e.Source)
	}
	p.install("echo")
	p.install("echo@^2")
	wantRequests(t, second, "the other namespace")
	p.install(second.Host() + "/team/echo")
	if e := p.readLock().Plugins[0]; e.Version != "2.1.0" || e.Source != second.Host()+"/team" {
		t.Errorf("after naming the place: locked %s from %s", e.Version, e.Source)
	}
}
