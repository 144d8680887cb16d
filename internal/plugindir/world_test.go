package plugindir

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/manifest"
)

const (
	testTarget = manifest.Target("x86_64-unknown-linux-gnu")
	testOwner  = "the project"
)

// world is a folder with a project, its plugins directory and a place for what stands for the cache.
type world struct {
	root, toml, lock string
	dir              *Dir
}

// newWorld lies in memory where the system has such a folder: thousands of syncs on a disk take minutes.
func newWorld(t testing.TB) *world {
	t.Helper()
	root, err := os.MkdirTemp("/dev/shm", "plugindir-test")
	if err != nil {
		return worldAt(t, t.TempDir())
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	return worldAt(t, root)
}

func worldAt(t testing.TB, root string) *world {
	w := &world{root: root, toml: filepath.Join(root, "loadr.toml"), lock: filepath.Join(root, "loadr.lock")}
	w.dir = Open(filepath.Join(root, "plugins"), w.toml, w.lock)
	if err := os.MkdirAll(filepath.Join(root, "blobs"), 0o755); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) acquire(t testing.TB) (release func()) {
	t.Helper()
	r, err := w.dir.Acquire(context.Background(), AcquireOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := r(); err != nil {
			t.Error(err)
		}
	}
}

// plugin is a folder of two files, one given as bytes and one as a blob. Both name the version.
func (w *world) plugin(t testing.TB, name, version string) Plugin {
	t.Helper()
	library := []byte(strings.Repeat(name+" "+version+"\n", 1000))
	blob := filepath.Join(w.root, "blobs", name+version)
	write(t, blob, string(library))
	toml := []byte("version = " + version)
	return Plugin{Name: name, Files: []File{
		{Name: "plugin.toml", Data: toml},
		{Name: "lib.so", Path: blob, Digest: digest.FromBytes(library), Size: int64(len(library)), Mode: 0o755},
	}}
}

// files is the project's part of a change: from what is there now to toml and lock.
func (w *world) files(toml, lock string) []ProjectFile {
	return []ProjectFile{
		{Path: w.toml, Was: readOptional(w.toml), Data: []byte(toml)},
		{Path: w.lock, Was: readOptional(w.lock), Data: []byte(lock)},
	}
}

func (w *world) apply(t testing.TB, c Change) error {
	t.Helper()
	defer w.acquire(t)()
	if c.Owner == "" {
		c.Owner, c.Target = testOwner, testTarget
	}
	return w.dir.Apply(context.Background(), c, nil)
}

func (w *world) mustApply(t testing.TB, c Change) {
	t.Helper()
	if err := w.apply(t, c); err != nil {
		t.Fatal(err)
	}
}

// populate makes the old state of the tests: plugins a (switched off), b and gone are ours, the rest isn't.
func (w *world) populate(t testing.TB) {
	t.Helper()
	larger := w.plugin(t, "smaller", "2") // the new one will be a part of it, so that names and bytes alone tell little
	larger.Files = append(larger.Files, File{Name: "extra", Data: []byte("dropped")})
	w.mustApply(t, Change{
		Put:   []Plugin{w.plugin(t, "a", "1"), w.plugin(t, "b", "1"), w.plugin(t, "gone", "1"), larger},
		Files: w.files("toml 1", "lock 1"),
	})
	defer w.acquire(t)()
	if err := w.dir.SetEnabled("a", false); err != nil {
		t.Fatal(err)
	}
	write(t, w.dir.live("by-hand/plugin.toml"), "mine")
	write(t, w.dir.live("forced/plugin.toml"), "mine too")
	write(t, w.dir.live("forced/sub/folder"), "and this")
	write(t, w.dir.live("file-in-the-way"), "mine as well")
	write(t, filepath.Join(w.root, "elsewhere", "plugin.toml"), "linked to")
	if err := os.Symlink(filepath.Join(w.root, "elsewhere"), w.dir.live("linked")); err != nil {
		t.Fatal(err)
	}
}

// change leads from the old state of the tests to the new one, by every kind of step that there is.
func (w *world) change(t testing.TB) Change {
	return Change{
		Owner: testOwner, Target: testTarget, Force: true,
		Put: []Plugin{w.plugin(t, "a", "2"), w.plugin(t, "b", "2"), w.plugin(t, "new", "2"), w.plugin(t, "forced", "2"),
			w.plugin(t, "file-in-the-way", "2"), w.plugin(t, "linked", "2"), w.plugin(t, "smaller", "2")},
		Remove: []string{"gone"},
		Files:  w.files("toml 2", "lock 2"),
	}
}

// snapshot is all that others see: every file's text, by path; links by what they point to. Our records are left out but
// for installed.json, and so is what stands for the cache.
func (w *world) snapshot(t testing.TB) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(w.root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(w.root, path)
		switch {
		case rel == "blobs", e.IsDir() && strings.HasPrefix(e.Name(), stateName):
			return fs.SkipDir
		case e.Type() == fs.ModeSymlink:
			out[rel], err = os.Readlink(path)
		case !e.IsDir():
			out[rel] = readText(t, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if text := readOptional(w.dir.record(stateFile)); text != nil {
		out["installed.json"] = string(text)
	}
	return out
}

// wantClean looks for what should not be there after any command: a journal, staged and removed folders, temporaries.
func (w *world) wantClean(t testing.TB) {
	t.Helper()
	entries, err := os.ReadDir(w.dir.record(""))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		switch e.Name() {
		case "lock", stateFile, generationsName:
		default:
			t.Errorf("left %s among the records", e.Name())
		}
	}
	if left, _ := filepath.Glob(w.dir.record(generationsName + "/.*")); len(left) > 0 {
		t.Errorf("left %v", left)
	}
	for path := range w.snapshot(t) {
		if strings.HasSuffix(path, ".tmp") {
			t.Errorf("left %s", path)
		}
	}
}

// goal is the new state, made without interruption in a world of its own with the same root names.
func goal(t *testing.T) (before, after map[string]string) {
	t.Helper()
	w := newWorld(t)
	w.populate(t)
	before = w.snapshot(t)
	w.mustApply(t, w.change(t))
	w.wantClean(t)
	return w.portable(before), w.portable(w.snapshot(t))
}

// portable makes snapshots of different worlds comparable.
func (w *world) portable(snapshot map[string]string) map[string]string {
	out := maps.Clone(snapshot)
	for path, text := range out {
		out[path] = strings.ReplaceAll(text, w.root, "ROOT")
	}
	return out
}

func wantSame(t testing.TB, got, want map[string]string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("not the wanted state (-want +got):\n%s", diff)
	}
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func readText(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// readOptional gives nil for an absent file, as Was wants it.
func readOptional(path string) []byte {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return append([]byte{}, text...)
}
