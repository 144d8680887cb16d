package plugindir

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/loadr-plugins/loadr/internal/fsx"
)

// join is what a child does: it adds its plugin and a line to both project files, reading them under the lock.
func join(w *world, name string) error {
	defer w.acquire(childTB{})()
	if _, err := w.dir.Recover(context.Background()); err != nil {
		return err
	}
	was := string(readOptional(w.toml))
	if strings.Contains(was, name+"\n") {
		return nil // by an earlier run that was killed too late
	}
	text := was + name + "\n"
	return w.dir.Apply(context.Background(), Change{
		Owner: testOwner, Target: testTarget, Put: []Plugin{w.plugin(childTB{}, name, "1"), w.plugin(childTB{}, "shared", name)},
		Files: w.files(text, text),
	}, nil)
}

func (w *world) wantJoined(t *testing.T, names []string) {
	t.Helper()
	state, err := w.dir.State()
	if err != nil || len(state.Plugins) != len(names)+1 {
		t.Errorf("state %+v, %v", state, err)
	}
	lines := strings.Fields(readText(t, w.toml))
	if len(lines) != len(names) || readText(t, w.lock) != readText(t, w.toml) {
		t.Errorf("loadr.toml has %q", lines)
	}
	if last := lines[len(lines)-1]; readText(t, w.dir.live("shared/plugin.toml")) != "version = "+last {
		t.Errorf("the shared plugin is not of %s, who came last", last)
	}
	for _, name := range names {
		wantFile(t, w.dir.live(name+"/plugin.toml"), "version = 1")
	}
	w.wantClean(t)
	w.wantIntact(t)
}

func childNames(n int) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprintf("child-%d", i))
	}
	return out
}

func TestManyProcesses(t *testing.T) {
	w := newWorld(t)
	var wg sync.WaitGroup
	for _, name := range childNames(20) {
		wg.Go(func() {
			if killed, _ := w.run(t, "join", 0, false, name); killed {
				t.Errorf("%s was killed", name)
			}
		})
	}
	wg.Wait()
	w.wantJoined(t, childNames(20))
}

// The same with kill -9 at any moment, also within a write or a rename: each child is run until it lives to its end.
func TestManyProcessesThatAreKilled(t *testing.T) {
	w := newWorld(t)
	var wg sync.WaitGroup
	var kills atomic.Int32
	for _, name := range childNames(20) {
		wg.Go(func() {
			for patience := 20 * time.Millisecond; runKilled(t, w, name, patience); patience = patience * 3 / 2 {
				kills.Add(1)
			}
		})
	}
	wg.Wait()
	w.mustRecover(t, false)
	w.wantJoined(t, childNames(20))
	if kills.Load() == 0 {
		t.Error("nobody was killed")
	}
}

// runKilled runs a child and kills it within patience. It says whether the child has been killed.
func runKilled(t *testing.T, w *world, name string, patience time.Duration) bool {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleVariable+"=join", rootVariable+"="+w.root, argumentVariable+"="+name)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Error(err)
		return false
	}
	timer := time.AfterFunc(rand.N(patience), func() { cmd.Process.Kill() })
	defer timer.Stop()
	err := cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		t.Errorf("%s: %v: %s", name, err, out.String())
		return false
	}
	return err != nil
}

// Readers that ask nobody see, at every moment of many swaps, a whole plugin: the old one or the new one.
func TestReadersSeeWholePlugins(t *testing.T) {
	w := newWorld(t)
	if w.cannotExchange(t) {
		t.Skip("this system can't exchange folders: there is a moment without the plugin")
	}
	w.mustApply(t, Change{Put: []Plugin{w.plugin(t, "a", "0")}})
	var stop atomic.Bool
	var wg sync.WaitGroup
	var reads, switches atomic.Int64
	for range 3 {
		wg.Go(func() {
			last := ""
			for !stop.Load() {
				version, ok := readWhole(t, w.dir.live("a"))
				if ok && version != last {
					last = version
					switches.Add(1)
				}
				reads.Add(1)
			}
		})
	}
	for n := range 100 {
		w.mustApply(t, Change{Put: []Plugin{w.plugin(t, "a", fmt.Sprint(n+1))}})
	}
	stop.Store(true)
	wg.Wait()
	if reads.Load() < 100 || switches.Load() < 10 {
		t.Errorf("%d reads saw %d switches", reads.Load(), switches.Load())
	}
}

// readWhole opens the folder once and reads both files from it. A folder that was just replaced may be removed under our
// hands, which shows; but it is never another version's.
func readWhole(t *testing.T, folder string) (version string, ok bool) {
	if _, err := os.ReadFile(filepath.Join(folder, "plugin.toml")); err != nil {
		t.Errorf("by its path: %v", err)
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		t.Errorf("the plugin was missing for a moment: %v", err)
		return "", false
	}
	defer root.Close()
	toml, err1 := root.ReadFile("plugin.toml")
	library, err2 := root.ReadFile("lib.so")
	for _, err := range []error{err1, err2} {
		if errors.Is(err, os.ErrNotExist) && isReplaced(root, folder) {
			return "", false
		}
		if err != nil {
			t.Error(err)
			return "", false
		}
	}
	version = strings.TrimPrefix(string(toml), "version = ")
	if want := strings.Repeat("a "+version+"\n", 1000); string(library) != want {
		t.Errorf("manifest of version %s, library %q...", version, library[:min(20, len(library))])
	}
	return version, true
}

func isReplaced(root *os.Root, folder string) bool {
	old, err1 := root.Stat(".")
	now, err2 := os.Stat(folder)
	return err1 != nil || err2 == nil && !os.SameFile(old, now)
}

func (w *world) cannotExchange(t *testing.T) bool {
	mkfile(filepath.Join(w.root, "x", "file"))
	mkfile(filepath.Join(w.root, "y", "file"))
	defer os.RemoveAll(filepath.Join(w.root, "x"))
	defer os.RemoveAll(filepath.Join(w.root, "y"))
	return errors.Is(fsx.Exchange(filepath.Join(w.root, "x"), filepath.Join(w.root, "y")), errors.ErrUnsupported)
}

// As a user who may not write: everything is refused by name, nothing changes; reading works.
func TestReadOnlyDirectory(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("permissions are different on Windows")
	}
	w := newWorld(t)
	w.populate(t)
	before := w.snapshot(t)
	if os.Getuid() == 0 {
		if err := os.Chmod(w.root, 0o755); err != nil {
			t.Fatal(err)
		}
	} else {
		protect(t, w.dir.Path())
	}
	w.run(t, "unprivileged", 0, false, "")
	wantSame(t, w.snapshot(t), before)
}

func protect(t *testing.T, dir string) {
	for _, path := range []string{filepath.Join(dir, stateName), dir} {
		if err := os.Chmod(path, 0o555); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.Chmod(path, 0o755) })
	}
}

// unprivileged is what the child of TestReadOnlyDirectory does, once it is nobody.
func unprivileged(w *world) error {
	if err := becomeNobody(); err != nil {
		return err
	}
	list, err := w.dir.List()
	if err != nil || len(list) == 0 {
		return fmt.Errorf("listing: %v, %w", list, err)
	}
	fresh := Open(filepath.Join(w.root, "plugins", "deeper"))
	if _, err := fresh.Acquire(context.Background(), AcquireOptions{}); !errors.As(err, new(*AccessError)) {
		return fmt.Errorf("making a directory: %w", err)
	}
	release, err := w.dir.Acquire(context.Background(), AcquireOptions{})
	if err != nil {
		if errors.As(err, new(*AccessError)) {
			return nil
		}
		return fmt.Errorf("acquiring: %w", err)
	}
	defer release()
	err = w.dir.Apply(context.Background(), Change{Owner: testOwner, Remove: []string{"b"}}, nil)
	if !errors.As(err, new(*AccessError)) {
		return fmt.Errorf("removing: %w", err)
	}
	return nil
}
