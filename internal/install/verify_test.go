package install_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/loadr-plugins/loadr/internal/install"
	"github.com/loadr-plugins/loadr/internal/testregistry"
	"github.com/loadr-plugins/loadr/registry"
)

// wantFinding verifies and expects one finding, about one plugin.
func (p *project) wantFinding(name string, code install.FindingCode, offline bool, says string) {
	p.t.Helper()
	before := p.snapshot()
	verdicts, err := p.installer().Verify(context.Background(), nil, offline)
	e := wantError[*install.VerifyError](p.t, "verify", err)
	if e == nil {
		return
	}
	if len(e.Verdicts) != 1 || e.Verdicts[0].Name != name || e.Verdicts[0].OK || len(e.Verdicts[0].Problems) != 1 {
		p.t.Fatalf("verdicts %+v, expected one problem with %s", e.Verdicts, name)
	}
	if f := e.Verdicts[0].Problems[0]; f.Code != code || !strings.Contains(f.Detail, says) || !e.Has(code) {
		p.t.Errorf("finding %+v, expected code %q and %q in it", f, code, says)
	}
	sound := 0
	for _, v := range verdicts {
		if v.OK {
			sound++
		}
	}
	if sound != len(verdicts)-1 || len(verdicts) < 2 {
		p.t.Errorf("verdicts %+v", verdicts)
	}
	p.wantUnchanged(before)
}

func TestVerify(t *testing.T) {
	installed := func(t *testing.T) (*project, *testregistry.Registry) {
		p, server := remote(t, spec{name: "echo"}, spec{name: "kafka"})
		p.install("echo", "kafka")
		if verdicts, err := p.installer().Verify(t.Context(), nil, false); err != nil || len(verdicts) != 2 || !verdicts[0].OK {
			t.Fatalf("before: %+v, %v", verdicts, err)
		}
		return p, server
	}
	t.Run("altered", func(t *testing.T) {
		p, _ := installed(t)
		path := filepath.Join(p.workspace().Plugins, "echo", "libecho.so")
		good := readText(t, path)
		write(t, path, strings.Replace(good, "echo 1.0.0", "ECHO 1.0.0", 1))
		p.wantFinding("echo", install.Altered, true, "libecho.so")
		write(t, path, good)
		write(t, filepath.Join(p.workspace().Plugins, "echo", "plugin.toml"), "edited")
		p.wantFinding("echo", install.Altered, true, "plugin.toml")
	})
	t.Run("missing", func(t *testing.T) {
		p, _ := installed(t)
		if err := os.Remove(filepath.Join(p.workspace().Plugins, "echo", "plugin.toml")); err != nil {
			t.Fatal(err)
		}
		p.wantFinding("echo", install.Altered, true, "missing")
	})
	t.Run("moved", func(t *testing.T) {
		dir := t.TempDir()
		client := newClient(t, registry.Options{Dir: dir})
		publishTo(t, client, "local/plugins", spec{name: "echo"}, spec{name: "kafka"})
		p := newProject(t, client, "local/plugins")
		p.install("echo", "kafka")
		if err := os.RemoveAll(filepath.Join(dir, "plugins", "echo")); err != nil {
			t.Fatal(err)
		}
		publishTo(t, client, "local/plugins", spec{name: "echo", version: "1.1.0"})
		p.wantFinding("echo", install.Moved, false, "no longer has version 1.0.0")
		publishTo(t, client, "local/plugins", spec{name: "echo", extra: "other bytes"})
		p.wantFinding("echo", install.Moved, false, "expected "+p.readLock().Plugins[0].Index.String())
		if _, err := p.installer().Verify(t.Context(), []string{"kafka"}, false); err != nil {
			t.Errorf("kafka alone: %v", err)
		}
		if _, err := p.installer().Verify(t.Context(), nil, true); err != nil {
			t.Errorf("offline: %v", err)
		}
	})
	t.Run("drift", func(t *testing.T) {
		p, _ := installed(t)
		without := p.on(machine())
		without.edit("loadr.toml", "echo = ", "# echo = ")
		without.lock()
		p.write("loadr.lock", without.read("loadr.lock"))
		p.wantFinding("echo", install.Drifted, true, "not in the lock")
	})
	t.Run("not installed", func(t *testing.T) {
		p, _ := installed(t)
		lock := p.read("loadr.lock")
		if _, err := p.installer().Remove(t.Context(), []string{"echo"}, install.Options{}); err != nil {
			t.Fatal(err)
		}
		p.write("loadr.lock", lock)
		p.wantFinding("echo", install.Drifted, true, "not installed")
	})
	t.Run("another version", func(t *testing.T) {
		p, server := installed(t)
		publishTo(t, p.client, server.Host()+"/team", spec{name: "echo", version: "1.1.0"})
		other := p.on(machine())
		other.install("echo@1.1.0")
		p.write("loadr.lock", other.read("loadr.lock"))
		p.wantFinding("echo", install.Drifted, true, "locked 1.1.0")
	})
	t.Run("incompatible", func(t *testing.T) {
		p, server := installed(t)
		publishTo(t, p.client, server.Host()+"/team", spec{name: "smtp", requires: "<1.1"})
		p.install("smtp")
		p.edit("loadr.lock", `abi.c = "1.0.0"`, `abi.c = "1.2.0"`)
		p.wantFinding("smtp", install.Incompatible, true, "1.2.0")
	})
	t.Run("another layout", func(t *testing.T) {
		p, _ := installed(t)
		lock := p.readLock()
		lock.Plugins[0].Targets[0].Layout = someLayout
		p.write("loadr.lock", string(lock.Encode()))
		p.wantFinding("echo", install.Incompatible, true, "type layout: locked "+someLayout+", found none")
	})
	t.Run("no lock", func(t *testing.T) {
		p, _ := installed(t)
		if err := os.Remove(filepath.Join(p.dir, "loadr.lock")); err != nil {
			t.Fatal(err)
		}
		_, err := p.installer().Verify(t.Context(), nil, true)
		wantError[*install.NoLockError](t, "verify without a lock", err)
	})
	t.Run("unknown name", func(t *testing.T) {
		p, _ := installed(t)
		_, err := p.installer().Verify(t.Context(), []string{"nobody"}, true)
		wantError[*install.NotInstalledError](t, "verify of what is not there", err)
	})
	t.Run("the registry is down", func(t *testing.T) {
		p, server := installed(t)
		server.Inject(testregistry.Fault{Status: 401})
		if _, err := p.installer().Verify(t.Context(), nil, false); err == nil {
			t.Error("verified against a registry that did not answer")
		}
	})
	t.Run("a broken loadr.toml", func(t *testing.T) {
		p, _ := installed(t)
		p.write("loadr.toml", "no toml")
		if _, err := p.installer().Verify(t.Context(), nil, true); err != nil {
			t.Errorf("verify needs the lock only: %v", err)
		}
	})
}
