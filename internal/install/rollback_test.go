package install_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/loadr-plugins/loadr/cache"
	"github.com/loadr-plugins/loadr/internal/install"
)

func (p *project) rollback(number int) *install.Rolled {
	p.t.Helper()
	rolled, err := p.installer().Rollback(p.t.Context(), number, install.Options{})
	if err != nil {
		p.t.Fatal(err)
	}
	return rolled
}

func (p *project) generations() []install.Generation {
	p.t.Helper()
	list, err := install.Generations(p.workspace())
	if err != nil {
		p.t.Fatal(err)
	}
	return list
}

// TestRollback: both files have the bytes of the earlier generation, the plugins are those, and nothing is asked of the
// registry.
func TestRollback(t *testing.T) {
	p, server := remote(t, spec{name: "echo"}, spec{name: "echo", version: "1.1.0"}, spec{name: "kafka"})
	p.install("echo@~1.0")
	toml, lock := p.read("loadr.toml"), p.read("loadr.lock")
	p.install("echo@~1.1", "kafka")
	server.Take()
	rolled := p.rollback(0)
	wantRequests(t, server, "rollback")
	if p.read("loadr.toml") != toml || p.read("loadr.lock") != lock {
		t.Errorf("not the earlier bytes:\n%s%s", p.read("loadr.toml"), p.read("loadr.lock"))
	}
	wantVersions(t, "installed", p.versions(), map[string]string{"echo": "1.0.0"})
	if rolled.Restored != 1 || rolled.Generation != 3 || !rolled.New || !rolled.WroteLock || !rolled.WroteProject || len(rolled.Plugins) != 2 {
		t.Errorf("%+v", rolled)
	}
	p.wantSound()
	// The project is as if the second install had never been.
	if report := p.run(install.Options{Prune: true}); report.WroteLock || report.WroteProject || report.Plugins[0].Action != install.Unchanged {
		t.Errorf("%+v", report)
	}
	// A folder that was lost meanwhile comes back with it.
	if err := os.RemoveAll(filepath.Join(p.workspace().Plugins, "echo")); err != nil {
		t.Fatal(err)
	}
	if again := p.rollback(1); again.New || again.Generation != 3 {
		t.Errorf("%+v", again)
	}
	p.wantSound()
}

// TestGenerations: one for each command that changes the files, with what it changed; none for the others.
func TestGenerations(t *testing.T) {
	p := local(t, spec{name: "echo"}, spec{name: "echo", version: "1.1.0"}, spec{name: "kafka"})
	if list := p.generations(); len(list) != 0 {
		t.Errorf("%+v", list)
	}
	p.write("loadr.toml", "[plugins]\necho = '~1.0'\n")
	p.lock()
	p.run(install.Options{Prune: true})
	p.install("echo@~1.1")
	p.run(install.Options{})
	p.install("kafka")
	if _, err := p.installer().Remove(t.Context(), []string{"echo"}, install.Options{}); err != nil {
		t.Fatal(err)
	}
	p.edit("loadr.toml", "[plugins]", "# why not\n[plugins]")
	p.edit("loadr.toml", "kafka", "echo = '*'\nkafka")
	p.run(install.Options{Prune: true})
	p.rollback(2)
	var got []string
	for i, g := range p.generations() {
		text := g.What
		for _, c := range g.Changes {
			text += " " + strings.Join([]string{string(c.Action), c.Name, c.From, c.Version}, ":")
		}
		got = append(got, text)
		if g.Number != i+1 || g.Time.IsZero() || g.Current != (i == 5) {
			t.Errorf("%+v", g)
		}
	}
	want := []string{"lock installed:echo::1.0.0", "install replaced:echo:1.0.0:1.1.0", "install installed:kafka::1.0.0",
		"remove removed:echo:1.1.0:", "sync installed:echo::1.1.0", "rollback to 2 removed:kafka:1.0.0:"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// TestRollbackNeedsTheCache names each blob that is not there, and one that is corrupt, and changes nothing.
func TestRollbackNeedsTheCache(t *testing.T) {
	p, server := remote(t, spec{name: "echo"}, spec{name: "echo", version: "1.1.0"})
	p.install("echo@~1.0")
	target := p.readLock().Plugins[0].Targets[0]
	p.install("echo@~1.1")
	before := p.snapshot()
	server.Take()
	path := cache.Open(p.cache).Path(target.Library)
	text := []byte(readText(t, path))
	text[len(text)-1]++
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	for _, what := range []string{"gone", "corrupt"} {
		_, err := p.installer().Rollback(t.Context(), 0, install.Options{})
		e := wantError[*install.UncachedError](t, "a blob that is "+what, err)
		if e == nil || len(e.Missing) != 1 || e.Missing[0].Digest != target.Library || e.Missing[0].Part != "library" {
			t.Errorf("%s: %+v", what, e)
		}
		write(t, path, string(text))
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	p.wantUnchanged(before)
	wantRequests(t, server, "rollback")
}

// TestRollbackKeepsEdits: what no generation has is not overwritten, whichever of the two files it is in.
func TestRollbackKeepsEdits(t *testing.T) {
	p := local(t, spec{name: "echo"}, spec{name: "echo", version: "1.1.0"})
	p.install("echo@~1.0")
	old := map[string]string{"loadr.toml": p.read("loadr.toml"), "loadr.lock": p.read("loadr.lock")}
	p.install("echo@~1.1")
	for name, earlier := range old {
		now := p.read(name)
		p.write(name, now+"# mine\n")
		before := p.snapshot()
		_, err := p.installer().Rollback(t.Context(), 0, install.Options{})
		if e := wantError[*install.UnrecordedError](t, name, err); e != nil && filepath.Base(e.Path) != name {
			t.Errorf("%s: %v", name, err)
		}
		p.wantUnchanged(before)
		p.write(name, earlier)
		p.rollback(1)
		p.rollback(2)
	}
	// A file that is gone holds nothing to lose, and neither is a broken one in the way of --force.
	if err := os.Remove(filepath.Join(p.dir, "loadr.lock")); err != nil {
		t.Fatal(err)
	}
	p.rollback(1)
	p.write("loadr.toml", "<<<<<<< ours")
	p.write("loadr.lock", "broken")
	if _, err := p.installer().Rollback(t.Context(), 1, install.Options{Force: true}); err != nil {
		t.Fatal(err)
	}
	if p.read("loadr.toml") != old["loadr.toml"] || p.read("loadr.lock") != old["loadr.lock"] {
		t.Error("not the earlier bytes")
	}
}

// TestKilledWhileRollingBack: the next command finds all of the state before, or all of the one that was gone back to.
func TestKilledWhileRollingBack(t *testing.T) {
	t.Parallel()
	u := newUpgrade(t)
	shared, olds, news := fullCache(t, u), 0, 0
	for n := 1; ; n += stride {
		p := u.begin(t)
		p.cache = shared
		p.install(upgradeWant...)
		p.rollback(0)
		o := p.order(t, u.registry)
		o.Rollback, o.Kill = 2, n
		out, killed := o.start(t)
		p.run(install.Options{})
		done := wantOneOf(t, p)
		list := p.generations()
		if last := list[len(list)-1]; done != (last.What == "rollback to 2") || len(list) != 3+count(done) {
			t.Errorf("the generations do not say what was done: %v, %+v", done, list)
		}
		if done {
			news++
		} else {
			olds++
		}
		p.rollback(2)
		if !wantOneOf(t, p) {
			t.Error("a second rollback did not complete")
		}
		if t.Failed() {
			t.Fatalf("killed at step %d: %s", n, out)
		}
		if !killed {
			break
		}
	}
	if olds < 4/stride || news < 5/stride {
		t.Errorf("%d times the old state, %d times the new one: the steps do not cover both", olds, news)
	}
}

// fullCache gives a cache that has all that the upgrade needs, before and after.
func fullCache(t *testing.T, u *upgrade) string {
	p := newProject(t, u.client, "local/plugins")
	p.install("echo@^1", "smtp")
	p.install(upgradeWant...)
	return p.cache
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}
