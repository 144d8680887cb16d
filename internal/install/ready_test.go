package install_test

import (
	"os"
	"path/filepath"
	"testing"
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
