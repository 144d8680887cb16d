package install_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loadr-plugins/loadr/internal/install"
	"github.com/loadr-plugins/loadr/internal/testregistry"
	"github.com/loadr-plugins/loadr/manifest"
	"github.com/loadr-plugins/loadr/registry"
	"github.com/loadr-plugins/loadr/resolve"
)

func (p *project) update(names ...string) *install.UpdateReport {
	p.t.Helper()
	report, err := p.tryUpdate(install.UpdateOptions{Options: install.Options{Want: references(p.t, names...)}})
	if err != nil {
		p.t.Fatal(err)
	}
	return report
}

func (p *project) tryUpdate(o install.UpdateOptions) (*install.UpdateReport, error) {
	return p.installer().Update(context.Background(), o)
}

// moves are what an update says of each plugin: "action from to".
func moves(r *install.UpdateReport) map[string]string {
	out := map[string]string{}
	for _, u := range r.Updates {
		out[u.Name] = string(u.Action) + " " + u.From + " " + u.To
	}
	return out
}

// older is a registry as it was when the project was locked; publishTo adds what came later.
func older(t *testing.T) (*project, *testregistry.Registry) {
	t.Helper()
	p, server := remote(t,
		spec{name: "kafka", plugins: map[string]string{"tokens": "^1"}}, spec{name: "broker", plugins: map[string]string{"tokens": "*"}},
		spec{name: "tokens"}, spec{name: "smtp"})
	return p, server
}

func (p *project) later() {
	p.t.Helper()
	publishTo(p.t, p.client, p.namespaces[0],
		spec{name: "kafka", version: "1.1.0", plugins: map[string]string{"tokens": "^2"}}, spec{name: "tokens", version: "1.1.0"},
		spec{name: "tokens", version: "2.0.0"}, spec{name: "smtp", version: "1.1.0"})
}

// TestUpdateOfOne: a plugin moves with what only it requires, as far as it has to, and with nothing else.
func TestUpdateOfOne(t *testing.T) {
	for name, test := range map[string]struct {
		install, update []string
		want            map[string]string
		why             map[string]string // against a version, by plugin
	}{
		"by itself":                       {[]string{"kafka@^1", "smtp@^1"}, []string{"smtp"}, map[string]string{"smtp": "updated 1.0.0 1.1.0"}, nil},
		"what it requires moves along":    {[]string{"kafka@^1", "smtp@^1"}, []string{"kafka"}, map[string]string{"kafka": "updated 1.0.0 1.1.0", "tokens": "updated 1.0.0 2.0.0"}, nil},
		"a required one, within reach":    {[]string{"kafka@^1"}, []string{"tokens"}, map[string]string{"tokens": "updated 1.0.0 1.1.0"}, map[string]string{"tokens": "outside ^1, which kafka 1.0.0 requires"}},
		"one that others require as well": {[]string{"kafka@^1", "broker@^1"}, []string{"kafka"}, map[string]string{"kafka": "updated 1.0.0 1.1.0", "tokens": "updated 1.0.0 2.0.0"}, nil},
		"one that is asked for stays":     {[]string{"kafka@^1", "tokens@*"}, []string{"kafka"}, map[string]string{"kafka": "kept 1.0.0 1.0.0"}, map[string]string{"kafka": "requires tokens ^2, but 1.0.0 was chosen"}},
		"unless it is named too":          {[]string{"kafka@^1", "tokens@*"}, []string{"kafka", "tokens"}, map[string]string{"kafka": "updated 1.0.0 1.1.0", "tokens": "updated 1.0.0 2.0.0"}, nil},
		"all": {
			[]string{"kafka@^1", "tokens@*", "smtp@^1"}, nil,
			map[string]string{"kafka": "updated 1.0.0 1.1.0", "tokens": "updated 1.0.0 2.0.0", "smtp": "updated 1.0.0 1.1.0"}, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, _ := older(t)
			p.install(test.install...)
			p.later()
			toml := p.read("loadr.toml")
			report := p.update(test.update...)
			wantVersions(t, "updates", moves(report), test.want)
			for plugin, want := range test.why {
				for _, u := range report.Updates {
					if u.Name == plugin && (len(u.Reasons) == 0 || u.Reasons[0].Detail != want) {
						t.Errorf("%s: %+v, expected %q", plugin, u.Reasons, want)
					}
				}
			}
			wantVersions(t, "installed", p.versions(), p.locked())
			wantText(t, "loadr.toml", p.read("loadr.toml"), toml)
			p.wantSound()
		})
	}
}

// TestUpdateBudget: a list of versions, the candidates that are looked at, and what is installed.
func TestUpdateBudget(t *testing.T) {
	p, server := older(t)
	p.install("smtp@^1", "tokens@^1")
	p.later()
	server.Take()
	if _, err := p.tryUpdate(install.UpdateOptions{DryRun: true}); err != nil {
		t.Fatal(err)
	}
	wantRequests(t, server, "update --dry-run", times(2, "GET tags", "GET manifest", "GET referrers")...)
	p.update("smtp")
	wantRequests(t, server, "update of one", "GET tags", "GET manifest", "GET referrers", "GET blob")
	p.update("smtp")
	wantRequests(t, server, "update of one that is up to date", "GET tags", "GET manifest", "GET referrers")
	if _, err := p.installer().Outdated(t.Context()); err != nil {
		t.Fatal(err)
	}
	// smtp: the locked version is the newest; tokens: the locked one, and the newest in range.
	wantRequests(t, server, "outdated", "GET tags", "GET manifest", "GET referrers",
		"GET tags", "GET manifest", "GET referrers", "GET manifest", "GET referrers")
	if _, err := p.installer().Why(t.Context(), "tokens", true); err != nil {
		t.Fatal(err)
	}
	if _, err := install.Tree(p.workspace()); err != nil {
		t.Fatal(err)
	}
	wantRequests(t, server, "why --offline, and tree")
}

// TestUpdateAllOrNothing: what can't be fetched leaves everything as it was, a dry run too, down to the folders.
func TestUpdateAllOrNothing(t *testing.T) {
	p, server := older(t)
	p.install("kafka@^1", "smtp@^1")
	p.later()
	before := p.snapshot()
	server.Inject(testregistry.Fault{Match: "GET blob", Status: 404})
	if _, err := p.tryUpdate(install.UpdateOptions{}); !isRegistryError(err) {
		t.Errorf("%v", err)
	}
	p.wantUnchanged(before)
	server.Heal()

	fresh := p.on(machine())
	before = fresh.snapshot()
	report, err := fresh.tryUpdate(install.UpdateOptions{DryRun: true})
	if err != nil || !report.WroteLock || report.WroteProject || len(report.Plugins) != 0 {
		t.Errorf("%+v, %v", report, err)
	}
	fresh.wantUnchanged(before)
	if _, err := os.Stat(filepath.Join(fresh.dir, ".loadr")); !os.IsNotExist(err) {
		t.Errorf("a dry run made the plugins directory: %v", err)
	}
}

// TestUpdateOfRepublished: other bytes under a locked version are refused, by whatever way they come.
func TestUpdateOfRepublished(t *testing.T) {
	p := local(t, spec{name: "smtp"})
	p.install("smtp")
	p.client = newClient(t, registry.Options{Dir: t.TempDir()})
	publishTo(t, p.client, "local/plugins", spec{name: "smtp", extra: "moved"})
	before := p.snapshot()
	_, err := p.tryUpdate(install.UpdateOptions{})
	e := wantError[*install.RepublishedError](t, "an update", err)
	if e != nil && (e.Name != "smtp" || e.Version != "1.0.0" || e.Locked != p.readLock().Plugins[0].Index || e.Found == e.Locked) {
		t.Errorf("%+v", e)
	}
	p.wantUnchanged(before)
	standings, err := p.installer().Outdated(t.Context())
	if err != nil || len(standings) != 1 || len(standings[0].Problems) != 1 || standings[0].Problems[0].Code != install.Moved {
		t.Errorf("%+v, %v", standings, err)
	}

	p.edit("loadr.lock", "abi = \"c/1.0.0\"", "abi = \"c/2.0.0\"") // so that an install has to resolve
	before = p.snapshot()
	_, err = p.try(install.Options{})
	wantError[*install.RepublishedError](t, "an install that has to resolve", err)
	p.wantUnchanged(before)
	p.install("local/plugins/smtp@" + e.Found.String())
	p.wantSound()
}

// TestUpdateKeepsWhatHasNoSuccessor: the other plugins are updated all the same.
func TestUpdateKeepsWhatHasNoSuccessor(t *testing.T) {
	p := local(t, spec{name: "kafka"}, spec{name: "smtp"})
	p.install("kafka@^1", "smtp@^1")
	p.client = newClient(t, registry.Options{Dir: t.TempDir()})
	publishTo(t, p.client, "local/plugins", spec{name: "kafka", version: "2.0.0"}, spec{name: "smtp"}, spec{name: "smtp", version: "1.1.0"})
	report := p.update()
	wantVersions(t, "updates", moves(report), map[string]string{"kafka": "kept 1.0.0 1.0.0", "smtp": "updated 1.0.0 1.1.0"})
	want := []resolve.Rejection{{Version: "2.0.0", Code: resolve.OutOfRange, Detail: "outside ^1"}, {Version: "1.0.0", Code: resolve.Gone, Detail: "locked, but no longer offered"}}
	if diff := cmp.Diff(want, report.Updates[0].Reasons); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(report.Warnings) == 0 || report.Warnings[0] != "kafka: nothing that is offered fits: kept at 1.0.0, which is locked" {
		t.Errorf("%q", report.Warnings)
	}
}

// TestUpdateWithoutWhatIsRequired: neither a required plugin nor an asked one that has gone from the registry keeps the rest
// from being updated.
func TestUpdateWithoutWhatIsRequired(t *testing.T) {
	kafka := spec{name: "kafka", plugins: map[string]string{"tokens": "^1"}}
	p := local(t, kafka, spec{name: "tokens"}, spec{name: "smtp"}, spec{name: "redis"})
	p.install("kafka@^1", "smtp@^1", "redis@^1")
	p.client = newClient(t, registry.Options{Dir: t.TempDir()})
	publishTo(t, p.client, "local/plugins", kafka, spec{name: "tokens", version: "2.0.0"}, spec{name: "smtp", version: "1.1.0"})
	for _, name := range []string{"tokens", "redis"} {
		report := p.update(name)
		wantVersions(t, "update of "+name, moves(report), map[string]string{name: "kept 1.0.0 1.0.0"})
	}
	standings, err := p.installer().Outdated(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range standings {
		got = append(got, s.Name+" "+s.Compatible+" "+fmt.Sprint(len(s.Problems)))
	}
	if want := []string{"kafka 1.0.0 0", "redis  1", "smtp 1.1.0 1", "tokens  1"}; !slices.Equal(got, want) {
		t.Errorf("%q, expected %q", got, want)
	}
	report := p.update()
	wantVersions(t, "updates", moves(report), map[string]string{
		"kafka": "kept 1.0.0 1.0.0", "tokens": "kept 1.0.0 1.0.0", "redis": "kept 1.0.0 1.0.0", "smtp": "updated 1.0.0 1.1.0",
	})
	p.wantSound()
	why, err := p.installer().Why(t.Context(), "tokens", false)
	if err != nil || why.Update != "" || len(why.Rejected) == 0 {
		t.Errorf("%+v, %v", why, err)
	}
}

// TestAskingNeedsNoPlatform: a machine that the project does not list, or whose platform nobody knows, can ask.
func TestAskingNeedsNoPlatform(t *testing.T) {
	p, _ := older(t)
	p.install("kafka@^1")
	p.later()
	for _, target := range []manifest.Target{darwin, ""} {
		other := p.on(install.Machine{Target: target})
		standings, err := other.installer().Outdated(t.Context())
		if err != nil || len(standings) != 2 || standings[0].Compatible != "1.1.0" || standings[1].Newest != "2.0.0" {
			t.Errorf("%q: %+v, %v", target, standings, err)
		}
		if why, err := other.installer().Why(t.Context(), "kafka", false); err != nil || why.Update != "1.1.0" {
			t.Errorf("%q: %+v, %v", target, why, err)
		}
		_, err = other.tryUpdate(install.UpdateOptions{Options: install.Options{Target: darwin}, DryRun: true})
		wantError[*install.TargetError](t, "an update there", err)
	}
}

// TestCirclesEnd: plugins that require each other are shown once, and no chain goes through the plugin that it explains.
func TestCirclesEnd(t *testing.T) {
	p := local(t, spec{name: "a", plugins: map[string]string{"b": "*"}}, spec{name: "b", plugins: map[string]string{"c": "^1"}}, spec{name: "c", plugins: map[string]string{"a": "*"}})
	p.install("a@*")
	why, err := p.installer().Why(t.Context(), "a", true)
	if err != nil {
		t.Fatal(err)
	}
	if want := [][]install.Link{{{Name: "a", Version: "1.0.0", Range: "*"}}}; cmp.Diff(want, why.Chains) != "" {
		t.Errorf("%+v", why.Chains)
	}
	tree, err := install.Tree(p.workspace())
	if err != nil || len(tree) != 1 {
		t.Fatalf("%+v, %v", tree, err)
	}
	if last := tree[0].Requires[0].Requires[0].Requires[0]; last.Name != "a" || !last.Repeated || len(last.Requires) != 0 {
		t.Errorf("%+v", last)
	}
	up, err := install.Dependants(p.workspace(), "c")
	if err != nil || up.RequiredBy[0].Name != "b" || up.RequiredBy[0].RequiredBy[0].RequiredBy[0].Name != "loadr.toml" {
		t.Errorf("%+v, %v", up, err)
	}
}
