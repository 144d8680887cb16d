package install_test

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/loadr-plugins/loadr/internal/install"
	"github.com/loadr-plugins/loadr/registry"
)

// upgrade is a change of every kind: a plugin that is replaced, one that is new, one that stays.
type upgrade struct {
	registry string
	client   *registry.Client
}

func newUpgrade(t *testing.T) *upgrade {
	u := &upgrade{registry: t.TempDir()}
	u.client = newClient(t, registry.Options{Dir: u.registry})
	publishTo(t, u.client, "local/plugins", spec{name: "echo"}, spec{name: "echo", version: "2.0.0"}, spec{name: "kafka"}, spec{name: "smtp"})
	return u
}

var (
	upgradeOld  = map[string]string{"echo": "1.0.0", "smtp": "1.0.0"}
	upgradeNew  = map[string]string{"echo": "2.0.0", "kafka": "1.0.0", "smtp": "1.0.0"}
	upgradeWant = []string{"echo@^2", "kafka"}
)

// begin makes the state before it.
func (u *upgrade) begin(t *testing.T) *project {
	p := newProject(t, u.client, "local/plugins")
	p.install("echo@^1", "smtp")
	if err := install.SetEnabled(t.Context(), p.workspace(), []string{"echo"}, false); err != nil {
		t.Fatal(err)
	}
	p.cache = t.TempDir()
	return p
}

// wantOneOf says that everything is as before the upgrade, or that everything is as after it; which is returned.
func wantOneOf(t *testing.T, p *project) (done bool) {
	t.Helper()
	got := p.versions()
	done = maps.Equal(got, upgradeNew)
	if want := upgradeOld; !done && !maps.Equal(got, want) {
		t.Errorf("installed %v, expected %v or %v", got, want, upgradeNew)
	}
	wantVersions(t, "the lock", p.locked(), got)
	if strings.Contains(p.read("loadr.toml"), "kafka") != done {
		t.Errorf("loadr.toml is not of the same state as the plugins:\n%s", p.read("loadr.toml"))
	}
	if _, err := os.Stat(filepath.Join(p.workspace().Plugins, "echo", "disabled")); err != nil {
		t.Errorf("echo is no longer disabled: %v", err)
	}
	p.wantSound()
	return done
}

// finish runs the upgrade again, which must then be complete.
func (u *upgrade) finish(t *testing.T, p *project) {
	t.Helper()
	p.install(upgradeWant...)
	if !wantOneOf(t, p) {
		t.Error("the next command did not complete the change")
	}
	p.wantNoTemps()
}

// TestCancelledAtEveryStep ends the context at each callback and each step: an error means the old state, and none
// the new one.
func TestCancelledAtEveryStep(t *testing.T) {
	t.Parallel()
	u := newUpgrade(t)
	completed, cancelled := 0, 0
	for n := int64(1); ; n += stride {
		p := u.begin(t)
		ctx, cancel := context.WithCancel(t.Context())
		var count atomic.Int64
		step := func(string) {
			if count.Add(1) == n {
				cancel()
			}
		}
		p.events = everyEvent(step)
		in := p.installer()
		in.OnStep(step)
		report, err := in.Install(ctx, install.Options{Want: references(t, upgradeWant...)})
		cancel()
		done := wantOneOf(t, p)
		p.wantNoTemps()
		switch {
		case err == nil && done && report != nil:
			completed++
		case errors.Is(err, context.Canceled) && !done && report == nil:
			cancelled++
		default:
			t.Fatalf("cancelled at step %d: done %v, error %v", n, done, err)
		}
		p.events = nil
		u.finish(t, p)
		if t.Failed() {
			t.Fatalf("cancelled at step %d", n)
		}
		if count.Load() < n {
			break
		}
	}
	if cancelled < 8/stride || completed < 5/stride {
		t.Errorf("%d runs cancelled, %d complete: the steps do not cover both", cancelled, completed)
	}
}

// TestKilledAtEveryStep ends a process as kill -9 does, at each callback and each step of activation. The next command,
// whatever it is, finds all of the old state or all of the new one.
func TestKilledAtEveryStep(t *testing.T) {
	t.Parallel()
	u := newUpgrade(t)
	olds, news := 0, 0
	for n := 1; ; n += stride {
		p := u.begin(t)
		o := p.order(t, u.registry)
		o.Want, o.Kill = upgradeWant, n
		out, killed := o.start(t)
		p.run(install.Options{}) // a command that has nothing to do but to recover
		if wantOneOf(t, p) {
			news++
		} else {
			olds++
		}
		u.finish(t, p)
		if t.Failed() {
			t.Fatalf("killed at step %d: %s", n, out)
		}
		if !killed {
			break
		}
	}
	if olds < 8/stride || news < 5/stride {
		t.Errorf("%d times the old state, %d times the new one: the steps do not cover both", olds, news)
	}
}

// TestKilledWhileRemoving is the same for remove.
func TestKilledWhileRemoving(t *testing.T) {
	t.Parallel()
	u := newUpgrade(t)
	for n := 1; ; n += stride {
		p := u.begin(t)
		o := p.order(t, u.registry)
		o.Remove, o.Kill = []string{"echo"}, n
		out, killed := o.start(t)
		p.run(install.Options{})
		got := p.versions()
		if _, there := got["echo"]; there != strings.Contains(p.read("loadr.toml"), "echo") || len(got) > 2 || got["smtp"] == "" {
			t.Errorf("installed %v, loadr.toml:\n%s", got, p.read("loadr.toml"))
		}
		wantVersions(t, "the lock", p.locked(), got)
		p.wantSound()
		if t.Failed() {
			t.Fatalf("killed at step %d: %s", n, out)
		}
		if !killed {
			wantVersions(t, "removed", got, map[string]string{"smtp": "1.0.0"})
			break
		}
	}
}

// TestProcessesLoseNothing has many processes install different plugins into one project, and into one cache.
func TestProcessesLoseNothing(t *testing.T) {
	t.Parallel()
	names := []string{"amqp", "echo", "grpc", "kafka", "mqtt", "redis", "smtp", "udp"}
	dir := t.TempDir()
	client := newClient(t, registry.Options{Dir: dir})
	want := map[string]string{}
	for _, name := range names {
		publishTo(t, client, "local/plugins", spec{name: name})
		want[name] = "1.0.0"
	}
	p := newProject(t, client, "local/plugins")
	var ready, done sync.WaitGroup
	begin := make(chan struct{})
	for _, name := range names {
		o := p.order(t, dir)
		o.Want, o.Wait = []string{name}, true
		cmd := o.command(t)
		stdin, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out := &readyWriter{ready: ready.Done}
		ready.Add(1)
		cmd.Stdout, cmd.Stderr = out, out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		done.Go(func() {
			<-begin
			stdin.Close()
			if err := cmd.Wait(); err != nil {
				t.Errorf("%s: %v\n%s", name, err, out.text())
			}
		})
	}
	ready.Wait()
	close(begin)
	done.Wait()
	wantVersions(t, "installed", p.versions(), want)
	wantVersions(t, "locked", p.locked(), want)
	for _, name := range names {
		if !strings.Contains(p.read("loadr.toml"), name) {
			t.Errorf("loadr.toml lost %s", name)
		}
	}
	p.wantSound()
}

// readyWriter keeps what a child prints, and tells when it has printed something.
type readyWriter struct {
	mu    sync.Mutex
	ready func()
	once  sync.Once
	kept  strings.Builder
}

func (w *readyWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.once.Do(w.ready)
	return w.kept.Write(b)
}

func (w *readyWriter) text() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.kept.String()
}
