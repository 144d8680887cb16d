package plugindir

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/manifest"
)

func TestApply(t *testing.T) {
	w := newWorld(t)
	w.populate(t)
	var events []string
	c := w.change(t)
	func() {
		defer w.acquire(t)()
		err := w.dir.Apply(context.Background(), c, &Events{
			Staged:    func(p string) { events = append(events, "staged "+p) },
			Activated: func(p string) { events = append(events, "activated "+p) },
			Removed:   func(p string) { events = append(events, "removed "+p) },
		})
		if err != nil {
			t.Fatal(err)
		}
	}()
	slices.Sort(events[:len(c.Put)]) // several at once
	want := "staged a,staged b,staged file-in-the-way,staged forced,staged linked,staged new,staged smaller," +
		"activated a,activated b,activated new,activated forced,activated file-in-the-way,activated linked,activated smaller,removed gone"
	if got := strings.Join(events, ","); got != want {
		t.Errorf("events\n%s, want\n%s", got, want)
	}

	got := w.snapshot(t)
	for path, want := range map[string]string{
		"loadr.toml": "toml 2", "loadr.lock": "lock 2",
		"plugins/a/plugin.toml": "version = 2", "plugins/a/disabled": "", "plugins/new/plugin.toml": "version = 2",
		"plugins/by-hand/plugin.toml": "mine", "elsewhere/plugin.toml": "linked to", "plugins/forced/plugin.toml": "version = 2",
	} {
		if text, ok := got[path]; !ok || text != want {
			t.Errorf("%s holds %q, %v", path, text, ok)
		}
	}
	for _, path := range []string{"plugins/gone/plugin.toml", "plugins/b/disabled", "plugins/forced/sub/folder", "plugins/smaller/extra"} {
		if _, ok := got[path]; ok {
			t.Errorf("%s is still there", path)
		}
	}
	state, err := w.dir.State()
	if err != nil || state.Owner != testOwner || state.Target != testTarget || len(state.Plugins) != 7 {
		t.Errorf("state %+v, %v", state, err)
	}
	w.wantClean(t)
	w.wantIntact(t)
}

func TestInstalledFilesAreCopies(t *testing.T) {
	w := newWorld(t)
	p := w.plugin(t, "a", "1")
	w.mustApply(t, Change{Put: []Plugin{p}})
	blob, err := os.Stat(p.Files[1].Path)
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Stat(w.dir.live("a/lib.so"))
	if err != nil || os.SameFile(blob, file) {
		t.Errorf("a hard link, or %v", err)
	}
	if file.Mode().Perm() != 0o755 {
		t.Errorf("mode %v", file.Mode())
	}
}

func TestChangeOfNothingWritesNothing(t *testing.T) {
	w := newWorld(t)
	w.populate(t)
	before, err := os.Stat(w.dir.record(stateFile))
	if err != nil {
		t.Fatal(err)
	}
	w.dir.step = func(step string) { t.Errorf("step %q", step) }
	w.mustApply(t, Change{Files: w.files("toml 1", "lock 1")})
	after, err := os.Stat(w.dir.record(stateFile))
	if err != nil || !os.SameFile(before, after) {
		t.Errorf("the record was written: %v", err)
	}
}

// Refusals come before anything has changed, and leave nothing.
func TestRefusals(t *testing.T) {
	as := func(target any) func(error) bool { return func(err error) bool { return errors.As(err, target) } }
	anyError := func(error) bool { return true }
	for name, c := range map[string]struct {
		spoil func(w *world, c *Change)
		want  func(error) bool
	}{
		"another owner":      {func(w *world, c *Change) { c.Owner = "another" }, as(new(*OwnerError))},
		"no owner":           {func(w *world, c *Change) { c.Owner = "" }, anyError},
		"another target":     {func(w *world, c *Change) { c.Put, c.Target = c.Put[:1], "aarch64-apple-darwin" }, as(new(*TargetError))},
		"unmanaged folder":   {func(w *world, c *Change) { c.Put[0].Name, c.Force = "by-hand", false }, as(new(*UnmanagedError))},
		"unmanaged file":     {func(w *world, c *Change) { c.Put, c.Force = c.Put[4:5], false }, as(new(*UnmanagedError))},
		"unmanaged link":     {func(w *world, c *Change) { c.Put, c.Force = c.Put[5:6], false }, as(new(*UnmanagedError))},
		"unmanaged removal":  {func(w *world, c *Change) { c.Put, c.Remove, c.Force = nil, []string{"by-hand"}, false }, as(new(*UnmanagedError))},
		"absent removal":     {func(w *world, c *Change) { c.Remove = []string{"absent"} }, as(new(*NotInstalledError))},
		"linked over ours":   {func(w *world, c *Change) { c.Force = false; relink(w, "b"); c.Put = c.Put[1:2] }, as(new(*UnmanagedError))},
		"named twice":        {func(w *world, c *Change) { c.Put = append(c.Put, c.Put[0]) }, anyError},
		"put and removed":    {func(w *world, c *Change) { c.Remove = append(c.Remove, "a") }, anyError},
		"upward name":        {func(w *world, c *Change) { c.Put[0].Name = "../x" }, as(new(*manifest.Error))},
		"our own name":       {func(w *world, c *Change) { c.Put[0].Name = stateName }, as(new(*manifest.Error))},
		"empty name":         {func(w *world, c *Change) { c.Put[0].Name = "" }, as(new(*manifest.Error))},
		"device name":        {func(w *world, c *Change) { c.Put[0].Name = "con" }, as(new(*manifest.Error))},
		"upward removal":     {func(w *world, c *Change) { c.Remove = []string{".."} }, as(new(*manifest.Error))},
		"upward file":        {func(w *world, c *Change) { c.Put[0].Files[0].Name = "../evil" }, as(new(*manifest.Error))},
		"marker as file":     {func(w *world, c *Change) { c.Put[0].Files[0].Name = "disabled" }, as(new(*manifest.Error))},
		"absolute file":      {func(w *world, c *Change) { c.Put[0].Files[0].Name = "/etc/passwd" }, as(new(*manifest.Error))},
		"same file in caps":  {func(w *world, c *Change) { c.Put[0].Files[0].Name = "LIB.SO" }, anyError},
		"no files":           {func(w *world, c *Change) { c.Put[0].Files = nil }, anyError},
		"wrong digest":       {func(w *world, c *Change) { c.Put[1].Files[1].Digest = digest.FromString("x") }, as(new(*DigestError))},
		"wrong data digest":  {func(w *world, c *Change) { c.Put[1].Files[0].Digest = digest.FromString("x") }, as(new(*DigestError))},
		"wrong size":         {func(w *world, c *Change) { c.Put[1].Files[1].Size++ }, as(new(*DigestError))},
		"no digest":          {func(w *world, c *Change) { c.Put[1].Files[1].Digest = "" }, anyError},
		"weak digest":        {func(w *world, c *Change) { c.Put[1].Files[1].Digest = "md5:00000000000000000000000000000000" }, anyError},
		"blob gone":          {func(w *world, c *Change) { os.Remove(c.Put[2].Files[1].Path) }, as(new(*AccessError))},
		"altered blob":       {func(w *world, c *Change) { os.WriteFile(c.Put[2].Files[1].Path, []byte("evil"), 0o644) }, as(new(*DigestError))},
		"toml changed":       {func(w *world, c *Change) { c.Files[0].Was = []byte("toml 0") }, as(new(*ChangedError))},
		"lock appeared":      {func(w *world, c *Change) { c.Files[1].Was = nil }, as(new(*ChangedError))},
		"foreign file":       {func(w *world, c *Change) { c.Files[0].Path = filepath.Join(w.root, "other.toml") }, anyError},
		"damaged record":     {func(w *world, c *Change) { os.WriteFile(w.dir.record(stateFile), []byte("{"), 0o644) }, as(new(*RecordError))},
		"unfinished journal": {func(w *world, c *Change) { os.WriteFile(w.dir.record(journalName), []byte("{"), 0o644) }, as(new(*UnfinishedError))},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.populate(t)
			change := w.change(t)
			c.spoil(w, &change)
			before := w.snapshot(t)
			defer w.acquire(t)()
			err := w.dir.Apply(context.Background(), change, nil)
			if err == nil || !c.want(err) {
				t.Errorf("got %T: %v", err, err)
			}
			wantSame(t, w.snapshot(t), before)
			for _, e := range readNames(t, w.dir.record("staging")) {
				t.Errorf("left %s in staging", e)
			}
		})
	}
}

func relink(w *world, plugin string) {
	os.Rename(w.dir.live(plugin), filepath.Join(w.root, "moved"))
	os.Symlink(filepath.Join(w.root, "moved"), w.dir.live(plugin))
}

func readNames(t *testing.T, dir string) (out []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func TestTakeOverAndOtherTarget(t *testing.T) {
	w := newWorld(t)
	w.mustApply(t, Change{Put: []Plugin{w.plugin(t, "a", "1"), w.plugin(t, "b", "1")}})
	w.mustApply(t, Change{Owner: "another", TakeOver: true, Target: "aarch64-apple-darwin",
		Put: []Plugin{w.plugin(t, "a", "2")}, Remove: []string{"b"}})
	state, err := w.dir.State()
	if err != nil || state.Owner != "another" || state.Target != "aarch64-apple-darwin" || len(state.Plugins) != 1 {
		t.Errorf("state %+v, %v", state, err)
	}
}

func TestWithoutAcquire(t *testing.T) {
	w := newWorld(t)
	w.populate(t)
	before := w.snapshot(t)
	if err := w.dir.Apply(context.Background(), w.change(t), nil); err == nil {
		t.Error("applied")
	}
	if _, err := w.dir.Recover(context.Background()); err == nil {
		t.Error("recovered")
	}
	if err := w.dir.SetEnabled("a", true); err == nil {
		t.Error("enabled")
	}
	wantSame(t, w.snapshot(t), before)
}

// Cancelled at any step before the journal, nothing has happened; from then on everything does.
func TestCancelledAtEveryStep(t *testing.T) {
	before, after := goal(t)
	cancelled := 0
	for at := 1; ; at++ {
		w := newWorld(t)
		w.populate(t)
		ctx, cancel := context.WithCancel(context.Background())
		step, passed := 0, ""
		c := w.change(t)
		c.Put = c.Put[:1] // one after the other, so that steps come in order
		w.dir.step = func(name string) {
			if step++; step == at {
				passed = name
				cancel()
			}
		}
		release := w.acquire(t)
		err := w.dir.Apply(ctx, c, nil)
		release()
		cancel()
		if passed == "" {
			break
		}
		if errors.Is(err, context.Canceled) {
			cancelled++
			wantSame(t, w.portable(w.snapshot(t)), before)
		} else if got := w.snapshot(t)["plugins/a/plugin.toml"]; err != nil || got != after["plugins/a/plugin.toml"] {
			t.Errorf("%q, %v", got, err)
		}
		if late := passed != "file staged"; late == errors.Is(err, context.Canceled) {
			t.Errorf("cancelled at %q: %v", passed, err)
		}
		if names := readNames(t, w.dir.record("staging")); len(names) > 0 {
			t.Errorf("left %v", names)
		}
	}
	if cancelled < 2 {
		t.Errorf("cancelled %d times", cancelled)
	}
}

// What fails once the change has begun is undone at once.
func TestFailureWhileActivating(t *testing.T) {
	for name, c := range map[string]struct {
		step string
		harm func(w *world)
		also map[string]string // what the harm leaves changed
		want func(error) bool
	}{
		"toml edited": {"folders done", func(w *world) { os.WriteFile(w.toml, []byte("edited"), 0o644) },
			map[string]string{"loadr.toml": "edited"}, func(err error) bool { return errors.As(err, new(*ChangedError)) }},
		"lock edited": {"file replaced", func(w *world) { os.WriteFile(w.lock, []byte("edited"), 0o644) },
			map[string]string{"loadr.lock": "edited"}, func(err error) bool { return errors.As(err, new(*ChangedError)) }},
		"folder appears": {"journal written", func(w *world) { mkfile(w.dir.live("new/plugin.toml")) },
			map[string]string{"plugins/new/plugin.toml": ""}, func(err error) bool { return errors.As(err, new(*UnmanagedError)) }},
		"staged folder vanishes": {"journal written", func(w *world) { os.RemoveAll(findStaged(w, "forced")) },
			nil, func(err error) bool { return errors.Is(err, os.ErrNotExist) }},
	} {
		t.Run(name, func(t *testing.T) {
			eachWay(t, func(t *testing.T, rename bool) {
				w := newWorld(t)
				w.populate(t)
				want := w.snapshot(t)
				for path, text := range c.also {
					want[path] = text
				}
				done := false
				w.dir.noExchange = rename
				w.dir.step = func(step string) {
					if step == c.step && !done {
						done = true
						c.harm(w)
					}
				}
				err := w.apply(t, w.change(t))
				var failed *ApplyError
				if !errors.As(err, &failed) || failed.Undo != nil || !c.want(err) {
					t.Errorf("got %T: %v", err, err)
				}
				wantSame(t, w.snapshot(t), want)
				w.wantClean(t)
			})
		})
	}
}

func mkfile(path string) {
	os.MkdirAll(filepath.Dir(path), 0o755)
	os.WriteFile(path, nil, 0o644)
}

func findStaged(w *world, plugin string) string {
	found, _ := filepath.Glob(w.dir.record("staging/*/" + plugin))
	return strings.Join(found, "?")
}

// A toggle by the engine, which knows nothing of our lock, while a change is staged.
func TestMarkerSetMeanwhileIsCarriedOver(t *testing.T) {
	eachWay(t, func(t *testing.T, rename bool) {
		w := newWorld(t)
		w.populate(t)
		w.dir.noExchange = rename
		w.dir.step = func(step string) {
			if step == "journal written" {
				os.Remove(w.dir.live("a/disabled"))
				mkfile(w.dir.live("b/disabled"))
			}
		}
		w.mustApply(t, w.change(t))
		got := w.snapshot(t)
		if _, ok := got["plugins/a/disabled"]; ok {
			t.Error("a was enabled and is not")
		}
		if _, ok := got["plugins/b/disabled"]; !ok {
			t.Error("b was disabled and is not")
		}
	})
}

func TestProjectFiles(t *testing.T) {
	w := newWorld(t)
	real := filepath.Join(w.root, "dotfiles", "loadr.toml")
	write(t, real, "toml 1")
	if err := os.Chmod(real, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(real, w.toml); err != nil {
		t.Fatal(err)
	}
	w.mustApply(t, Change{Files: w.files("toml 2", "")})
	wantFile(t, real, "toml 2")
	wantFile(t, w.lock, "")
	if info, err := os.Lstat(w.toml); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v", err)
	}
	if info, err := os.Stat(real); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	w.mustApply(t, Change{Files: []ProjectFile{{Path: w.lock, Was: []byte{}, Delete: true}}})
	if _, err := os.Lstat(w.lock); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the lock was to be deleted: %v", err)
	}
	w.wantClean(t)
}

func TestMessagesNameTheObject(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{&BusyError{"d", ""}, "plugins directory d: in use by another process"},
		{&BusyError{"d", "process 7"}, "plugins directory d: in use by process 7"},
		{&OwnerError{"d", "x", "y"}, "plugins directory d: belongs to x, not to y"},
		{&ApplyError{What: "plugin x", Err: errors.New("no")}, "plugin x: no; the old state was kept"},
		{&RecordError{"p", "damaged"}, "p: damaged"},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
		if _, ok := c.err.(interface{ Hint() string }); !ok {
			t.Errorf("%T has no hint", c.err)
		}
	}
}

func BenchmarkApply50(b *testing.B) {
	w := newWorld(b)
	for n := range b.N {
		var c Change
		for i := range 50 {
			c.Put = append(c.Put, w.plugin(b, fmt.Sprintf("p%d", i), fmt.Sprint(n)))
		}
		w.mustApply(b, c)
	}
}
