package install_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loadr-plugins/loadr/internal/install"
	"github.com/loadr-plugins/loadr/internal/plugindir"
	"github.com/loadr-plugins/loadr/lockfile"
)

// TestInstall is the main job once, with everything that it leaves.
func TestInstall(t *testing.T) {
	p := local(t, spec{name: "echo"})
	report := p.install("echo")
	dir := p.workspace().Plugins
	want := []install.Change{{Name: "echo", Action: install.Installed, Version: "1.0.0", Source: "local/plugins", Target: linux}}
	if diff := cmp.Diff(want, report.Plugins); diff != "" || !report.WroteProject || !report.WroteLock || report.Dir != dir {
		t.Errorf("report %+v (-want +got):\n%s", report, diff)
	}
	wantText(t, "the library", readText(t, filepath.Join(dir, "echo", "libecho.so")), spec{name: "echo"}.library(t, linux))
	if toml := readText(t, filepath.Join(dir, "echo", "plugin.toml")); !strings.Contains(toml, `entry = "libecho.so"`) || strings.Contains(toml, "[build") {
		t.Errorf("plugin.toml:\n%s", toml)
	}
	if got := readText(t, filepath.Join(p.dir, ".loadr", ".gitignore")); got != "*\n" {
		t.Errorf(".gitignore holds %q", got)
	}
	info, err := os.Stat(filepath.Join(dir, "echo", "libecho.so"))
	if err != nil || info.Mode().Perm()&0o500 != 0o500 {
		t.Errorf("the library has mode %v, %v", info.Mode(), err)
	}
	entries, err := install.List(p.workspace())
	if err != nil || len(entries) != 1 || entries[0].State() != "enabled" || entries[0].ABI.String() != "c/1.0.0" || entries[0].Source != "local/plugins" {
		t.Errorf("list: %+v, %v", entries, err)
	}
	again := p.install("echo")
	if again.WroteProject || again.WroteLock || again.Plugins[0].Action != install.Unchanged {
		t.Errorf("a second time: %+v", again)
	}
	p.wantSound()
}

// TestDisabledSurvives an update, and what is edited in a folder is replaced with it.
func TestDisabledSurvives(t *testing.T) {
	p := local(t, spec{name: "echo"}, spec{name: "echo", version: "1.1.0"})
	p.install("echo@1.0.0")
	switchTo := func(enabled bool) {
		if err := install.SetEnabled(t.Context(), p.workspace(), []string{"echo"}, enabled); err != nil {
			t.Fatal(err)
		}
	}
	switchTo(false)
	report := p.install("echo@1.1.0")
	if c := report.Plugins[0]; c.Action != install.Replaced || c.From != "1.0.0" || c.Version != "1.1.0" {
		t.Errorf("report %+v", c)
	}
	if e, err := install.Find(p.workspace(), "echo"); err != nil || e.Enabled || e.Version != "1.1.0" {
		t.Errorf("after the update: %+v, %v", e, err)
	}
	switchTo(true)
	if e, err := install.Find(p.workspace(), "echo"); err != nil || !e.Enabled {
		t.Errorf("after enable: %+v, %v", e, err)
	}
	err := install.SetEnabled(t.Context(), p.workspace(), []string{"echo", "nobody"}, false)
	wantError[*install.NotInstalledError](t, "disable of what is not there", err)
	if e, _ := install.Find(p.workspace(), "echo"); !e.Enabled {
		t.Error("the first of two names was disabled although the second was refused")
	}
	empty := local(t)
	err = install.SetEnabled(t.Context(), empty.workspace(), []string{"echo"}, false)
	wantError[*install.NotInstalledError](t, "disable in an empty project", err)
	if _, err := os.Stat(filepath.Join(empty.dir, ".loadr")); err == nil {
		t.Error("a refused disable made a plugins directory")
	}
}

// TestUnmanaged: a folder that was made by hand is listed, left alone, and replaced only when told.
func TestUnmanaged(t *testing.T) {
	p := local(t, spec{name: "echo"}, spec{name: "kafka"})
	hand := filepath.Join(p.workspace().Plugins, "echo", "plugin.toml")
	write(t, hand, readText(t, filepath.Join(spec{name: "echo", version: "0.0.1"}.folder(t), "plugin.toml")))
	before := p.snapshot()
	_, err := p.try(install.Options{Want: references(t, "kafka", "echo")})
	wantError[*plugindir.UnmanagedError](t, "install over a folder made by hand", err)
	p.wantUnchanged(before)
	_, err = p.installer().Remove(t.Context(), []string{"echo"}, install.Options{})
	wantError[*plugindir.UnmanagedError](t, "remove of a folder made by hand", err)
	p.wantUnchanged(before)

	p.install("kafka")
	p.run(install.Options{Prune: true})
	entries, err := install.List(p.workspace())
	if err != nil || len(entries) != 2 || entries[0].Managed || entries[0].State() != "enabled, unmanaged" || !entries[1].Managed {
		t.Errorf("list: %+v, %v", entries, err)
	}
	p.run(install.Options{Want: references(t, "echo"), Force: true})
	wantVersions(t, "forced", p.versions(), map[string]string{"echo": "1.0.0", "kafka": "1.0.0"})
	p.wantSound()
}

// TestPrune: sync removes what the lock does not name, install does not.
func TestPrune(t *testing.T) {
	p := local(t, spec{name: "echo"}, spec{name: "kafka"})
	p.install("echo", "kafka")
	p.write("loadr.toml", strings.ReplaceAll(p.read("loadr.toml"), "kafka", "# kafka"))
	p.run(install.Options{})
	wantVersions(t, "locked", p.locked(), map[string]string{"echo": "1.0.0"})
	wantVersions(t, "after install", p.versions(), map[string]string{"echo": "1.0.0", "kafka": "1.0.0"})
	report := p.run(install.Options{Prune: true})
	wantVersions(t, "after sync", p.versions(), map[string]string{"echo": "1.0.0"})
	if c := report.Plugins; len(c) != 2 || c[1].Name != "kafka" || c[1].Action != install.Removed || c[1].From != "1.0.0" {
		t.Errorf("report %+v", c)
	}
	p.wantSound()
}

// TestRepair: a sync makes good what it can see without reading libraries, and verify tells of the rest.
func TestRepair(t *testing.T) {
	p := local(t, spec{name: "echo"}, spec{name: "kafka"}, spec{name: "smtp"})
	p.install("echo", "kafka", "smtp")
	dir := p.workspace().Plugins
	if err := os.RemoveAll(filepath.Join(dir, "echo")); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "kafka", "libecho.so"), "shorter")
	if err := os.Remove(filepath.Join(dir, "smtp", "plugin.toml")); err != nil {
		t.Fatal(err)
	}
	if got := p.versions(); !strings.Contains(got["echo"], "missing") || !strings.Contains(got["smtp"], "missing") {
		t.Errorf("list: %v", got)
	}
	p.run(install.Options{Mode: install.Locked})
	p.wantSound()

	library := filepath.Join(dir, "kafka", "libecho.so")
	write(t, library, strings.Repeat("x", len(readText(t, library))))
	if c := p.run(install.Options{Mode: install.Locked}).Plugins[1]; c.Action != install.Unchanged {
		t.Errorf("a sync read a library: %+v", c)
	}
	if c := p.run(install.Options{Mode: install.Locked, Force: true}).Plugins[1]; c.Action != install.Replaced {
		t.Errorf("a forced sync did not: %+v", c)
	}
	p.wantSound()
}

// TestOwner: a plugins directory belongs to one project, wherever that lies.
func TestOwner(t *testing.T) {
	p := local(t, spec{name: "echo"})
	p.plugins = filepath.Join(t.TempDir(), "shared")
	p.install("echo")
	other := newProject(t, p.client, p.namespaces...)
	other.plugins = p.plugins
	before := other.snapshot()
	for what, command := range map[string]func() error{
		"install": func() error { _, err := other.try(install.Options{Want: references(t, "echo")}); return err },
		"sync":    func() error { _, err := other.try(install.Options{Prune: true}); return err },
		"remove": func() error {
			_, err := other.installer().Remove(context.Background(), []string{"echo"}, install.Options{})
			return err
		},
	} {
		if e := wantError[*plugindir.OwnerError](t, what+" into another project's directory", command()); e != nil && e.Owner != p.dir {
			t.Errorf("%s: owner %q, expected %q", what, e.Owner, p.dir)
		}
	}
	other.wantUnchanged(before)
	for _, name := range []string{lockfile.ProjectName, lockfile.LockName} {
		other.write(name, p.read(name))
	}
	_, err := other.try(install.Options{Mode: install.Locked, Prune: true})
	wantError[*plugindir.OwnerError](t, "sync that would have nothing to do", err)

	mine := newProject(t, p.client, p.namespaces...)
	mine.install("echo")
	moved := *mine
	moved.dir = filepath.Join(t.TempDir(), "moved")
	if err := os.Rename(mine.dir, moved.dir); err != nil {
		t.Fatal(err)
	}
	moved.run(install.Options{Prune: true})
	moved.wantSound()
	other.plugins = moved.workspace().Plugins
	_, err = other.try(install.Options{})
	wantError[*plugindir.OwnerError](t, "install into another project's own directory", err)
}

// TestUserDirectory: outside a project, requirements and lock are among the records of the plugins directory.
func TestUserDirectory(t *testing.T) {
	p := local(t, spec{name: "echo"}, spec{name: "echo", version: "1.1.0"})
	p.dir = t.TempDir()
	p.plugins = filepath.Join(p.dir, "plugins")
	p.install("echo@~1.0")
	p.run(install.Options{Mode: install.Locked})
	lock := readText(t, filepath.Join(p.plugins, ".loadr-state", "loadr.lock"))
	if !strings.Contains(lock, `version = "1.0.0"`) {
		t.Errorf("the lock:\n%s", lock)
	}
	if _, err := os.Stat(filepath.Join(p.dir, "loadr.toml")); err == nil {
		t.Error("a loadr.toml appeared outside of a project")
	}
	p.wantSound()
	if _, err := p.installer().Remove(t.Context(), []string{"echo"}, install.Options{}); err != nil {
		t.Fatal(err)
	}
	wantVersions(t, "removed", p.versions(), map[string]string{})
}

// TestRemove takes plugins out of everything at once, also when they are there only in part.
func TestRemove(t *testing.T) {
	p := local(t, spec{name: "echo"}, spec{name: "kafka"}, spec{name: "smtp"})
	p.install("echo", "kafka", "smtp")
	remove := func(names ...string) (*install.Report, error) {
		return p.installer().Remove(context.Background(), names, install.Options{})
	}
	before := p.snapshot()
	_, err := remove("echo", "nobody")
	wantError[*install.NotInstalledError](t, "remove of what is not there", err)
	p.wantUnchanged(before)

	report, err := remove("kafka", "echo", "kafka")
	if err != nil || len(report.Plugins) != 2 || report.Plugins[0].Action != install.Removed || !report.WroteProject || !report.WroteLock {
		t.Fatalf("report %+v, %v", report, err)
	}
	wantVersions(t, "installed", p.versions(), map[string]string{"smtp": "1.0.0"})
	wantVersions(t, "locked", p.locked(), map[string]string{"smtp": "1.0.0"})
	if text := p.read("loadr.toml"); strings.Contains(text, "echo") || !strings.Contains(text, "smtp") {
		t.Errorf("loadr.toml:\n%s", text)
	}
	p.run(install.Options{Mode: install.Locked})
	p.wantSound()

	if err := os.RemoveAll(filepath.Join(p.workspace().Plugins, "smtp")); err != nil {
		t.Fatal(err)
	}
	if _, err := remove("smtp"); err != nil {
		t.Fatal(err)
	}
	p.wantSound()

	p.edit("loadr.toml", "[plugins]", "[plugins]\nlater = \"*\"")
	if _, err := remove("later"); err != nil || strings.Contains(p.read("loadr.toml"), "later") {
		t.Errorf("remove of what is wanted and was never installed: %v", err)
	}
}

// TestRemoveMakesNoLock: there was none, and there is nothing to say in it.
func TestRemoveMakesNoLock(t *testing.T) {
	p := local(t)
	p.write("loadr.toml", "[plugins]\necho = \"*\"\n")
	if _, err := p.installer().Remove(t.Context(), []string{"echo"}, install.Options{}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(p.dir, lockfile.LockName)); err == nil {
		t.Error("a lock appeared")
	}
}

// TestOneWriter: a second command waits with a notice, or fails, or is ended.
func TestOneWriter(t *testing.T) {
	p := local(t, spec{name: "echo"})
	release, err := plugindir.Open(p.workspace().Plugins).Acquire(t.Context(), plugindir.AcquireOptions{Holder: "a test"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.try(install.Options{NoWait: true})
	if e := wantError[*plugindir.BusyError](t, "no wait", err); e != nil && e.Holder != "a test" {
		t.Errorf("holder %q", e.Holder)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err = p.installer().Install(ctx, install.Options{}); err == nil || ctx.Err() == nil {
		t.Errorf("waiting ended with %v", err)
	}
	var holders []string
	p.events = &install.Events{Waiting: func(holder string) {
		holders = append(holders, holder)
		if err := release(); err != nil {
			t.Error(err)
		}
	}}
	p.install("echo")
	if !slices.Equal(holders, []string{"a test"}) {
		t.Errorf("notices: %q", holders)
	}
}
