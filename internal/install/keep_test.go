package install_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/loadr-plugins/loadr/cache"
	"github.com/loadr-plugins/loadr/internal/install"
	"github.com/loadr-plugins/loadr/registry"
)

func (p *project) prune() *cache.Pruned {
	p.t.Helper()
	pruned, err := cache.Open(p.cache).Prune(p.t.Context(), cache.PruneOptions{})
	if err != nil {
		p.t.Fatal(err)
	}
	return pruned
}

// TestPruneKeepsFiveGenerations: all that a rollback to one of the last five needs, and nothing older.
func TestPruneKeepsFiveGenerations(t *testing.T) {
	var specs []spec
	for i := range 8 {
		specs = append(specs, spec{name: "echo", version: fmt.Sprintf("1.%d.0", i)})
	}
	p, server := remote(t, specs...)
	for i := range 7 {
		p.install(fmt.Sprintf("echo@1.%d.0", i))
	}
	if n := len(p.prune().Removed); n != 4 { // a config and a library of each of the first two
		t.Errorf("%d blobs removed", n)
	}
	// Neither commands without work nor repairs change what is kept.
	p.run(install.Options{})
	p.run(install.Options{Force: true, Prune: true})
	if n := len(p.prune().Removed); n != 0 {
		t.Errorf("%d blobs removed", n)
	}
	server.Take()
	for _, n := range []int{3, 4, 5, 6, 7} {
		p.rollback(n)
	}
	wantRequests(t, server, "rollbacks")
	if n := len(p.prune().Removed); n != 0 {
		t.Errorf("%d blobs removed", n)
	}
	p.install("echo@1.7.0")
	if n := len(p.prune().Removed); n != 2 { // 1.2.0 was the first of the five rollbacks
		t.Errorf("%d blobs removed", n)
	}
	// A sync of a lock that came from elsewhere is a generation too, and an edit of loadr.toml does not count twice.
	p.edit("loadr.toml", "[plugins]", "# mine\n[plugins]")
	p.run(install.Options{Prune: true})
	if n := len(p.prune().Removed); n != 0 {
		t.Errorf("%d blobs removed", n)
	}
	p.wantSound()
}

// TestNothingIsPrunedDuringAnInstall: from the first byte that is fetched.
func TestNothingIsPrunedDuringAnInstall(t *testing.T) {
	p, _ := remote(t, spec{name: "echo"}, spec{name: "kafka"})
	tried, again := 0, sync.Mutex{}
	attempt := func(step string) {
		again.Lock()
		defer again.Unlock()
		tried++
		_, err := cache.Open(p.cache).Prune(context.Background(), cache.PruneOptions{UseOptions: cache.UseOptions{NoWait: true}})
		if !errors.As(err, new(*cache.BusyError)) {
			t.Errorf("%s: %v", step, err)
		}
	}
	p.events = everyEvent(attempt)
	in := p.installer()
	in.OnStep(attempt)
	if _, err := in.Install(t.Context(), install.Options{Want: references(t, "echo", "kafka")}); err != nil {
		t.Fatal(err)
	}
	if tried < 10 {
		t.Errorf("only %d attempts", tried)
	}
	if n := len(p.prune().Removed); n != 0 {
		t.Errorf("%d blobs removed", n)
	}
	p.wantSound()
}

// TestBusyCache: a command that needs the cache says so, or waits for whoever prunes it; one that does not goes on.
func TestBusyCache(t *testing.T) {
	p := local(t, spec{name: "echo"}, spec{name: "kafka"})
	p.install("echo")
	hold := filepath.Join(p.cache, "use.lock")
	unlock := holdAlone(t, hold)
	before := p.snapshot()
	_, err := p.try(install.Options{Want: references(t, "kafka"), NoWait: true})
	wantError[*cache.BusyError](t, "an install while the cache is pruned", err)
	p.wantUnchanged(before)
	if _, err := p.try(install.Options{NoWait: true}); err != nil {
		t.Error(err)
	}
	p.events = &install.Events{Pruning: func(string) { unlock() }}
	p.install("kafka")
	p.wantSound()
}

// TestCacheThatCannotBeWritten is told, where it is not by intention, and stops nothing that needs no blob.
func TestCacheThatCannotBeWritten(t *testing.T) {
	p := local(t, spec{name: "echo"}, spec{name: "kafka"})
	p.install("echo", "kafka")
	p.cache = filepath.Join(p.dir, "loadr.toml", "cache")
	report, err := p.installer().Remove(t.Context(), []string{"kafka"}, install.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Warnings) != 1 {
		t.Errorf("%q", report.Warnings)
	}
	p.run(install.Options{Prune: true})
}

// TestPruneBesideInstalls has processes install into projects of their own while others prune the cache that they share.
// Afterwards each project can go back without a request.
func TestPruneBesideInstalls(t *testing.T) {
	t.Parallel()
	dir, shared := t.TempDir(), t.TempDir()
	client := newClient(t, registry.Options{Dir: dir})
	publishTo(t, client, "local/plugins", spec{name: "echo"}, spec{name: "echo", version: "1.1.0"}, spec{name: "kafka"})
	const projects = 4
	var installs, prunes sync.WaitGroup
	all := make([]*project, projects)
	stop := make(chan struct{})
	for range 2 {
		prunes.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := cache.Open(shared).Prune(context.Background(), cache.PruneOptions{}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for i := range all {
		p := newProject(t, client, "local/plugins")
		p.cache = shared
		all[i] = p
		installs.Go(func() {
			for _, want := range [][]string{{"echo@~1.0"}, {"echo@~1.1", "kafka"}} {
				o := p.order(t, dir)
				o.Want = want
				o.start(t)
			}
		})
	}
	installs.Wait()
	close(stop)
	prunes.Wait()
	all[0].prune()
	if t.Failed() {
		return
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		p.rollback(0)
		wantVersions(t, "gone back to", p.versions(), map[string]string{"echo": "1.0.0"})
		p.wantSound()
	}
	users, err := cache.Open(shared).Users()
	if err != nil || len(users) != projects || !slices.ContainsFunc(users, func(u cache.User) bool { return u.Path == all[0].dir }) {
		t.Errorf("%+v, %v", users, err)
	}
}
