package plugindir

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// crash is what a step function panics with, in place of a killed process.
type crash struct{}

// Any sequence of changes, interrupted anywhere and recovered by processes that are interrupted too, with edits of the
// lock in between, goes from whole state to whole state.
func TestAnyHistory(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		w := newWorld(t)
		defer os.RemoveAll(w.root)
		model := map[string]string{} // plugin: version
		for n := range rapid.IntRange(1, 6).Draw(r, "changes") {
			model = oneChange(t, r, w, model, n)
			if t.Failed() {
				r.FailNow()
			}
		}
	})
}

// oneChange makes a change and gives what is installed after it.
func oneChange(t *testing.T, r *rapid.T, w *world, model map[string]string, n int) map[string]string {
	c, next := drawChange(t, r, w, model, fmt.Sprint("v", n))
	w.dir.noExchange = rapid.Bool().Draw(r, "rename")
	crashed := crashing(w, rapid.IntRange(0, 30).Draw(r, "crash"), func() {
		if err := w.apply(t, c); err != nil {
			t.Error(err)
		}
	})
	lockWas := string(readOptional(w.lock))
	edit := crashed && rapid.Bool().Draw(r, "edit")
	if edit {
		write(t, w.lock, fmt.Sprint("edited ", n))
	}
	for crashed {
		crashed = crashing(w, rapid.IntRange(0, 30).Draw(r, "crash again"), func() { w.mustRecoverOnce(t) })
	}
	// The lock tells which end it came to; an edited one that of before, unless the change was over already.
	state, err := w.dir.State()
	if err != nil {
		t.Fatal(err)
	}
	_, isNew := state.Plugins["mark-"+fmt.Sprint("v", n)]
	if got := w.lastLock(t); isNew != (got == "v"+fmt.Sprint(n)) {
		t.Errorf("change %d: new state %v with a record of lock %q", n, isNew, got)
	}
	if text := string(readOptional(w.lock)); !edit && isNew != (text == "v"+fmt.Sprint(n)) || edit && text != fmt.Sprint("edited ", n) ||
		edit && isNew && lockWas != "v"+fmt.Sprint(n) {
		t.Errorf("change %d: new state %v with lock %q, before the edit %q", n, isNew, text, lockWas)
	}
	if isNew {
		model = next
	}
	w.wantModel(t, model)
	return model
}

func drawChange(t *testing.T, r *rapid.T, w *world, model map[string]string, version string) (Change, map[string]string) {
	next := map[string]string{"mark-" + version: version}
	c := Change{Put: []Plugin{w.plugin(t, "mark-"+version, version)}, Files: w.files(version, version)}
	for _, name := range []string{"a", "b", "c"} {
		old, installed := model[name]
		if installed {
			next[name] = old
		}
		switch what := rapid.SampledFrom([]string{"keep", "put", "same", "remove"}).Draw(r, name); {
		case what == "put", what == "same" && !installed:
			next[name] = version
			c.Put = append(c.Put, w.plugin(t, name, version))
		case what == "same":
			c.Put = append(c.Put, w.plugin(t, name, old))
		case what == "remove" && installed:
			delete(next, name)
			c.Remove = append(c.Remove, name)
		}
	}
	for name := range model {
		if name[0] == 'm' { // the mark of the change before
			c.Remove = append(c.Remove, name)
		}
	}
	slices.Sort(c.Remove)
	return c, next
}

// crashing runs f and ends it at the given step, if it comes that far.
func crashing(w *world, at int, f func()) (crashed bool) {
	w.dir.step = func(step string) {
		if step == "file staged" { // in a goroutine of its own, where a panic ends the test
			return
		}
		if at--; at == 0 {
			panic(crash{})
		}
	}
	defer func() {
		w.dir.step = nil
		if p := recover(); p != nil {
			if _, ok := p.(crash); !ok {
				panic(p)
			}
			crashed = true
		}
	}()
	f()
	return false
}

func (w *world) mustRecoverOnce(t *testing.T) {
	defer w.acquire(t)()
	if _, err := w.dir.Recover(context.Background()); err != nil {
		t.Error(err)
	}
}

func (w *world) wantModel(t *testing.T, model map[string]string) {
	t.Helper()
	list, err := w.dir.List()
	if err != nil || len(list) != len(model) {
		t.Errorf("%v, %v, want %v", list, err, model)
	}
	for name, version := range model {
		wantFile(t, w.dir.live(name+"/plugin.toml"), "version = "+version)
	}
	w.wantClean(t)
	w.wantIntact(t)
}
