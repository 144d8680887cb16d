package plugindir

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"
)

// Variables that make the test binary a child which works on a world and kills itself at a given step.
const (
	roleVariable     = "PLUGINDIR_TEST_ROLE"
	rootVariable     = "PLUGINDIR_TEST_ROOT"
	killVariable     = "PLUGINDIR_TEST_KILL"   // number of the step, from 1; 0 for none
	renameVariable   = "PLUGINDIR_TEST_RENAME" // not empty: as on a system that can't exchange
	argumentVariable = "PLUGINDIR_TEST_ARGUMENT"
)

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		if err := child(role); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

func child(role string) error {
	w := worldAt(childTB{}, os.Getenv(rootVariable))
	w.dir.noExchange = os.Getenv(renameVariable) != ""
	w.dir.step = killAt(os.Getenv(killVariable))
	switch role {
	case "apply":
		defer w.acquire(childTB{})()
		return w.dir.Apply(context.Background(), w.change(childTB{}), nil)
	case "recover":
		defer w.acquire(childTB{})()
		_, err := w.dir.Recover(context.Background())
		return err
	case "join":
		return join(w, os.Getenv(argumentVariable))
	case "unprivileged":
		return unprivileged(w)
	}
	return fmt.Errorf("no role %q", role)
}

// childTB lets children use the helpers of tests. What fails ends the child.
type childTB struct{ testing.TB }

func (childTB) Helper()           {}
func (childTB) Fatal(args ...any) { panic(fmt.Sprint(args...)) }
func (childTB) Error(args ...any) { panic(fmt.Sprint(args...)) }

// killAt gives a step function that ends the process as kill -9 does, at the nth step. It reports all that it passes.
func killAt(n string) func(string) {
	kill, _ := strconv.Atoi(n)
	var count atomic.Int64
	return func(step string) {
		fmt.Println("step:", step)
		if count.Add(1) == int64(kill) {
			self, _ := os.FindProcess(os.Getpid())
			self.Kill()
			select {} // until the signal is there
		}
	}
}

// run runs a child. killed says that it did not live to its end; steps are those it came to.
func (w *world) run(t *testing.T, role string, kill int, rename bool, argument string) (killed bool, steps int) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleVariable+"="+role, rootVariable+"="+w.root, killVariable+"="+strconv.Itoa(kill),
		argumentVariable+"="+argument)
	if rename {
		cmd.Env = append(cmd.Env, renameVariable+"=1")
	}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 1 || err != nil && exit == nil || bytes.Contains(out, []byte("panic")) {
		t.Fatalf("child: %v: %s", err, out)
	}
	return err != nil, strings.Count(string(out), "step:")
}

func eachWay(t *testing.T, f func(t *testing.T, rename bool)) {
	for name, rename := range map[string]bool{"exchange": false, "rename": true} {
		t.Run(name, func(t *testing.T) { f(t, rename) })
	}
}

// Killed at any step, a change is after Recover as if it had never begun or as if nothing had happened to it.
func TestKilledAtEveryStep(t *testing.T) {
	before, after := goal(t)
	eachWay(t, func(t *testing.T, rename bool) {
		outcomes := map[Outcome]int{}
		for kill := 1; ; kill += stride {
			w := newWorld(t)
			w.populate(t)
			killed, _ := w.run(t, "apply", kill, rename, "")
			if !killed {
				wantSame(t, w.portable(w.snapshot(t)), after)
				break
			}
			r := w.mustRecover(t, rename)
			outcomes[r.Outcome]++
			want := after
			if r.Outcome == Nothing && readText(t, w.lock) == "lock 1" {
				want = before
			}
			if r.Outcome == Undone {
				t.Errorf("step %d: undone: %v", kill, r.Cause)
			}
			wantSame(t, w.portable(w.snapshot(t)), want)
			w.wantGenerations(t, "lock 1", "lock 2")
			w.wantClean(t)
			w.wantIntact(t)
			if t.Failed() {
				t.Fatalf("killed at step %d", kill)
			}
		}
		if outcomes[Nothing] < 5/stride || outcomes[Finished] < 10/stride {
			t.Errorf("the steps did not cover both sides of the journal: %v", outcomes)
		}
	})
}

// The process that recovers can be killed too, at any of its steps, and the next one comes to the same end.
func TestKilledWhileRecovering(t *testing.T) {
	_, after := goal(t)
	eachWay(t, func(t *testing.T, rename bool) {
		w := newWorld(t)
		w.populate(t)
		_, steps := w.run(t, "apply", 0, rename, "")
		for kill := steps / 3; kill < steps; kill += 4 * stride {
			for again := 1; ; again += 2 * stride {
				w := newWorld(t)
				w.populate(t)
				w.run(t, "apply", kill, rename, "")
				if _, open := w.journal(t); !open {
					break
				}
				killed, _ := w.run(t, "recover", again, rename, "")
				w.mustRecover(t, rename)
				wantSame(t, w.portable(w.snapshot(t)), after)
				w.wantGenerations(t, "lock 1", "lock 2")
				w.wantClean(t)
				if t.Failed() {
					t.Fatalf("killed at step %d and then at step %d", kill, again)
				}
				if !killed {
					break
				}
			}
		}
	})
}

// Somebody edits loadr.toml or the lock before the next command: the edit stays, and the folders are wholly of one state:
// the old one, unless the lock already was the new one and only the toml was edited since.
func TestKilledAndEdited(t *testing.T) {
	before, after := goal(t)
	eachWay(t, func(t *testing.T, rename bool) {
		undone := 0
		for _, edited := range []string{"loadr.toml", "loadr.lock"} {
			for kill := 1; ; kill += stride {
				w := newWorld(t)
				w.populate(t)
				killed, _ := w.run(t, "apply", kill, rename, "")
				if !killed {
					break
				}
				_, open := w.journal(t)
				lockWas, tomlWas := readText(t, w.lock), readText(t, w.toml)
				write(t, w.root+"/"+edited, "edited")
				// Half of the recoveries are interrupted themselves.
				if kill%2 == 0 {
					w.run(t, "recover", 1+kill%7, rename, "")
				}
				r := w.mustRecover(t, rename)

				want := before
				if lockWas == "lock 2" && (edited == "loadr.toml" || !open) {
					want = after
				}
				got := w.portable(w.snapshot(t))
				delete(got, "loadr.toml")
				delete(got, "loadr.lock")
				wantSame(t, got, without(want, "loadr.toml", "loadr.lock"))
				// The record is of the change, whatever was edited later, and there is none of one that was undone.
				w.wantLocks(t, []string{"lock 1", "lock 2"}[:1+btoi(got["installed.json"] == after["installed.json"])]...)
				if r.Outcome == Undone {
					undone++
					if !errors.As(r.Cause, new(*ChangedError)) {
						t.Errorf("cause %v", r.Cause)
					}
				}
				wantFile(t, w.root+"/"+edited, "edited")
				if edited == "loadr.toml" {
					wantFile(t, w.lock, lockWas)
				} else {
					wantFile(t, w.toml, tomlWas)
				}
				w.wantClean(t)
				w.wantIntact(t)
				if t.Failed() {
					t.Fatalf("%s edited after a kill at step %d", edited, kill)
				}
			}
		}
		if undone < 10/stride {
			t.Errorf("only %d were undone", undone)
		}
	})
}

func (w *world) mustRecover(t *testing.T, rename bool) Recovered {
	t.Helper()
	defer w.acquire(t)()
	w.dir.noExchange = rename
	r, err := w.dir.Recover(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	again, err := w.dir.Recover(context.Background())
	if err != nil || again.Outcome != Nothing {
		t.Errorf("a second time: %v, %v", again, err)
	}
	return r
}

func (w *world) journal(t *testing.T) (*journal, bool) {
	t.Helper()
	j, err := w.dir.readJournal()
	if err != nil {
		t.Fatal(err)
	}
	return j, j != nil
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// wantIntact checks every plugin's bytes against the record.
func (w *world) wantIntact(t *testing.T) {
	t.Helper()
	state, err := w.dir.State()
	if err != nil {
		t.Fatal(err)
	}
	for name := range state.Plugins {
		if problems, err := w.dir.Check(context.Background(), name); err != nil || len(problems) > 0 {
			t.Errorf("plugin %s: %v, %v", name, problems, err)
		}
	}
}

func wantFile(t *testing.T, path, want string) {
	t.Helper()
	if got := readText(t, path); got != want {
		t.Errorf("%s holds %q, want %q", path, got, want)
	}
}

func without(m map[string]string, keys ...string) map[string]string {
	out := map[string]string{}
	for k, v := range m {
		out[k] = v
	}
	for _, k := range keys {
		delete(out, k)
	}
	return out
}
