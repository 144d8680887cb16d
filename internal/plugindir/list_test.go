package plugindir

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestList(t *testing.T) {
	w := newWorld(t)
	w.populate(t)
	os.Remove(w.dir.live("b/lib.so"))
	os.RemoveAll(w.dir.live("gone"))
	relink(w, "smaller")
	write(t, w.dir.live("empty/README"), "")
	write(t, w.dir.live(".git/config"), "")
	got, err := w.dir.List()
	if err != nil {
		t.Fatal(err)
	}
	for i := range got {
		if got[i].Path != w.dir.live(got[i].Name) {
			t.Errorf("path %s", got[i].Path)
		}
		got[i].Path = ""
	}
	want := []Installed{
		{Name: "a", Managed: true, Disabled: true},
		{Name: "b", Managed: true, Problem: "lib.so is missing"},
		{Name: "by-hand"},
		{Name: "empty", Problem: "plugin.toml is missing"},
		{Name: "forced"},
		{Name: "gone", Managed: true, Problem: "its folder is missing"},
		{Name: "linked"},
		{Name: "smaller"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestNoDirectoryHoldsNothing(t *testing.T) {
	d := Open(filepath.Join(t.TempDir(), "absent"))
	list, err := d.List()
	if len(list) != 0 || err != nil {
		t.Error(list, err)
	}
	state, err := d.State()
	if err != nil || state.Plugins == nil || state.Owner != "" {
		t.Error(state, err)
	}
	if _, err := os.Stat(d.Path()); !errors.Is(err, os.ErrNotExist) {
		t.Error("reading made it")
	}
}

func TestSetEnabled(t *testing.T) {
	w := newWorld(t)
	w.populate(t)
	defer w.acquire(t)()
	for _, name := range []string{"a", "b", "by-hand"} {
		for _, enabled := range []bool{false, false, true, true, false} {
			if err := w.dir.SetEnabled(name, enabled); err != nil {
				t.Fatal(err)
			}
			if _, off := w.snapshot(t)["plugins/"+name+"/disabled"]; off == enabled {
				t.Errorf("%s: enabled %v, marker %v", name, enabled, off)
			}
		}
	}
	for _, name := range []string{"absent", "file-in-the-way"} {
		if err := w.dir.SetEnabled(name, false); !errors.As(err, new(*NotInstalledError)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := w.dir.SetEnabled("../plugins/a", true); err == nil {
		t.Error("took a path")
	}
	write(t, w.dir.record(journalName), "{")
	if err := w.dir.SetEnabled("a", true); !errors.As(err, new(*UnfinishedError)) {
		t.Errorf("with an open journal: %v", err)
	}
}

func TestCheck(t *testing.T) {
	w := newWorld(t)
	w.populate(t)
	write(t, w.dir.live("a/added"), "may stay")
	if got, err := w.dir.Check(context.Background(), "a"); err != nil || len(got) != 0 {
		t.Errorf("intact: %v, %v", got, err)
	}
	write(t, w.dir.live("b/lib.so"), "altered")
	os.Remove(w.dir.live("b/plugin.toml"))
	got, err := w.dir.Check(context.Background(), "b")
	if err != nil || len(got) != 2 || !strings.HasPrefix(got[0], "lib.so: expected sha256:") || got[1] != "plugin.toml: missing" {
		t.Errorf("damaged: %q, %v", got, err)
	}
	os.Symlink("lib.so", w.dir.live("b/plugin.toml"))
	if got, _ := w.dir.Check(context.Background(), "b"); len(got) != 2 || got[1] != "plugin.toml: not a file" {
		t.Errorf("linked: %q", got)
	}
	if _, err := w.dir.Check(context.Background(), "by-hand"); !errors.As(err, new(*NotInstalledError)) {
		t.Errorf("unmanaged: %v", err)
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := w.dir.Check(ended, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestRecordsThatAreNotOurs(t *testing.T) {
	w := newWorld(t)
	w.populate(t)
	for _, text := range []string{"", "{", "null", "[]", `{"format":2}`, `{"format":1,"extra":1}`, `{"format":1,"plugins":{"../a":{"plugin.toml":"x"}}}`,
		`{"format":1,"plugins":{"a":{}}}`, `{"format":1,"plugins":{"a":{"plugin.toml":"sha256:1"}}}`, "<<<<<<< HEAD\n{}"} {
		write(t, w.dir.record(stateFile), text)
		_, err := w.dir.State()
		var record *RecordError
		if !errors.As(err, &record) || record.Path != w.dir.record(stateFile) || record.Hint() == "" {
			t.Errorf("%q: %v", text, err)
		}
		if _, err := w.dir.List(); err == nil {
			t.Errorf("%q: listed", text)
		}
	}
}

func TestAcquire(t *testing.T) {
	w := newWorld(t)
	other := Open(w.dir.Path())
	release := w.acquire(t)
	_, err := other.Acquire(context.Background(), AcquireOptions{NoWait: true})
	var busy *BusyError
	if !errors.As(err, &busy) || !strings.HasPrefix(busy.Holder, "process ") {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	_, err = other.Acquire(ctx, AcquireOptions{Waiting: func(string) { cancel() }})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	again, err := other.Acquire(context.Background(), AcquireOptions{Holder: "me", Waiting: func(string) { release() }})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.dir.mustHold(); err == nil {
		t.Error("released and still held")
	}
	again()
	w.wantClean(t)
}

func TestUnfitDirectories(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(root, "file"), "")
	write(t, filepath.Join(root, "other", "staging", "precious"), "")
	if err := os.Mkdir(filepath.Join(root, "linked"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(root, "other"), filepath.Join(root, "linked", stateName)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"file", "file/plugins", "linked"} {
		_, err := Open(filepath.Join(root, path)).Acquire(context.Background(), AcquireOptions{})
		var access *AccessError
		if !errors.As(err, &access) || access.Hint() == "" {
			t.Errorf("%s: %v", path, err)
		}
	}
	wantFile(t, filepath.Join(root, "other", "staging", "precious"), "")
}
