package install_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/loadr-plugins/loadr/internal/install"
)

// TestReady looks at the records and leaves no trace of its own; the cases that people meet are in the script exec.txt.
func TestReady(t *testing.T) {
	p, server := remote(t, spec{name: "echo"}, spec{name: "kafka"})
	ready := func() error { return p.installer().Ready(t.Context()) }
	if err := ready(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(p.dir, ".loadr")); err == nil {
		t.Error("a plugins directory was made")
	}
	p.install("echo", "kafka")
	server.Take()
	before := p.snapshot()
	if err := ready(); err != nil {
		t.Error(err)
	}
	p.wantUnchanged(before)
	wantRequests(t, server, "ready")
}

// TestReadyAfterAKill: what a killed command left is finished or undone before it is judged.
func TestReadyAfterAKill(t *testing.T) {
	t.Parallel()
	u := newUpgrade(t)
	for n := 1; ; n += stride {
		p := u.begin(t)
		o := p.order(t, u.registry)
		o.Want, o.Kill = upgradeWant, n
		_, killed := o.start(t)
		if err := p.installer().Ready(t.Context()); err != nil {
			t.Errorf("killed at step %d: %v", n, err)
		}
		wantVersions(t, "what is ready", p.versions(), p.locked())
		if t.Failed() || !killed {
			break
		}
	}
}

// TestReadyBesideChanges: whoever looks while others change the directory sees it before or after, and nothing to refuse.
func TestReadyBesideChanges(t *testing.T) {
	p := local(t, spec{name: "echo"}, spec{name: "echo", version: "1.1.0"}, spec{name: "kafka"})
	p.install("echo@~1.0")
	p.install("echo@~1.1", "kafka")
	done := make(chan error)
	go func() {
		var err error
		for i := 0; i < 25 && err == nil; i++ {
			_, err = p.installer().Rollback(t.Context(), 0, install.Options{})
		}
		done <- err
	}()
	for looks := 0; ; looks++ {
		select {
		case err := <-done:
			if err != nil || looks == 0 {
				t.Errorf("%d looks, %v", looks, err)
			}
			return
		default:
		}
		if err := p.installer().Ready(t.Context()); err != nil {
			t.Error(err)
			<-done
			return
		}
	}
}
