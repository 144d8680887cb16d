package plugindir

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// locks are the generations' texts of loadr.lock, the oldest first. Their numbers must have no gap and their other files
// be of the same change.
func (w *world) locks(t testing.TB) (out []string) {
	t.Helper()
	list, err := w.dir.Generations()
	if err != nil {
		t.Fatal(err)
	}
	for i, g := range list {
		out = append(out, string(g.Files["loadr.lock"]))
		if g.Number != list[0].Number+i {
			t.Errorf("generation %d is number %d", list[0].Number+i, g.Number)
		}
		if lock, toml := string(g.Files["loadr.lock"]), string(g.Files["loadr.toml"]); strings.TrimPrefix(lock, "lock ") != strings.TrimPrefix(toml, "toml ") {
			t.Errorf("generation %d has lock %q with toml %q", g.Number, lock, toml)
		}
	}
	return out
}

func (w *world) wantLocks(t testing.TB, want ...string) {
	t.Helper()
	if got := w.locks(t); !slices.Equal(got, want) {
		t.Errorf("the generations' locks are %q, want %q", got, want)
	}
}

// wantGenerations: of the locks that there were, those up to the present one have a record.
func (w *world) wantGenerations(t testing.TB, history ...string) {
	t.Helper()
	w.wantLocks(t, history[:1+slices.Index(history, readText(t, w.lock))]...)
}

func (w *world) lastLock(t testing.TB) string {
	t.Helper()
	locks := w.locks(t)
	if len(locks) == 0 {
		return ""
	}
	return locks[len(locks)-1]
}

func TestGenerations(t *testing.T) {
	w := newWorld(t)
	w.wantLocks(t)
	w.mustApply(t, Change{Put: []Plugin{w.plugin(t, "a", "1")}, Files: w.files("toml 1", "lock 1"), What: "install"})
	list, err := w.dir.Generations()
	if err != nil || len(list) != 1 || list[0].Number != 1 || list[0].What != "install" {
		t.Fatalf("%+v, %v", list, err)
	}
	if age := time.Since(list[0].Time); age < -time.Second || age > time.Minute || list[0].Time.Location() != time.UTC {
		t.Errorf("made at %v", list[0].Time)
	}
	// Other plugins with the same project files are no generation, nor is a marker.
	w.mustApply(t, Change{Put: []Plugin{w.plugin(t, "a", "2")}})
	w.mustApply(t, Change{Remove: []string{"a"}, Put: []Plugin{w.plugin(t, "b", "1")}})
	release := w.acquire(t)
	if err := w.dir.SetEnabled("b", false); err != nil {
		t.Fatal(err)
	}
	release()
	w.wantLocks(t, "lock 1")
	// Files that somebody else has changed belong to the next change.
	write(t, w.toml, "toml 2")
	write(t, w.lock, "lock 2")
	w.mustApply(t, Change{Put: []Plugin{w.plugin(t, "a", "3")}})
	w.wantLocks(t, "lock 1", "lock 2")
	// An absent file is told from an empty one.
	w.mustApply(t, Change{Files: []ProjectFile{
		{Path: w.toml, Was: []byte("toml 2"), Data: []byte{}}, {Path: w.lock, Was: []byte("lock 2"), Delete: true}}})
	if list, err = w.dir.Generations(); err != nil || len(list) != 3 || list[2].Files["loadr.lock"] != nil || list[2].Files["loadr.toml"] == nil {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestGenerationOfAFailedChange(t *testing.T) {
	w := newWorld(t)
	w.populate(t)
	c := w.change(t)
	w.dir.step = func(step string) {
		if step == "folders done" {
			w.wantLocks(t, "lock 1", "lock 2")
			write(t, w.lock, "edited")
		}
	}
	if err := w.apply(t, c); !errors.As(err, new(*ApplyError)) {
		t.Fatal(err)
	}
	w.wantLocks(t, "lock 1")
}

// No more than the last 20 are kept, and numbers are not used again.
func TestGenerationsAreBounded(t *testing.T) {
	w := newWorld(t)
	for i := range generationsKept + 5 {
		w.mustApply(t, Change{Files: w.files(fmt.Sprint("toml ", i), fmt.Sprint("lock ", i))})
	}
	list, err := w.dir.Generations()
	if err != nil || len(list) != generationsKept || list[0].Number != 6 || list[generationsKept-1].Number != generationsKept+5 {
		t.Errorf("%d generations, %v", len(list), err)
	}
	if got := w.lastLock(t); got != fmt.Sprint("lock ", generationsKept+4) {
		t.Errorf("the last is %q", got)
	}
}

// A damaged record is told where history is wanted, and stands in the way of nothing else.
func TestDamagedGeneration(t *testing.T) {
	w := newWorld(t)
	w.mustApply(t, Change{Files: w.files("toml 1", "lock 1")})
	write(t, w.dir.generation(1), "{")
	_, err := w.dir.Generations()
	var damaged *RecordError
	if !errors.As(err, &damaged) || damaged.Path != w.dir.generation(1) || !strings.Contains(damaged.Hint(), "only the way back") {
		t.Errorf("%v", err)
	}
	write(t, w.dir.generation(1), `{"format":2}`)
	if _, err := w.dir.Generations(); !errors.As(err, &damaged) || !strings.Contains(err.Error(), "expected format 1, found 2") {
		t.Errorf("%v", err)
	}
	w.mustApply(t, Change{Files: w.files("toml 2", "lock 2")})
	if err := os.Remove(w.dir.generation(1)); err != nil {
		t.Fatal(err)
	}
	w.wantLocks(t, "lock 2")
}

// What the folder of records points to is not ours, nor are files of other names.
func TestGenerationsElsewhere(t *testing.T) {
	w := newWorld(t)
	w.mustApply(t, Change{Files: w.files("toml 1", "lock 1")})
	elsewhere := w.root + "/elsewhere"
	write(t, elsewhere+"/1.json", "mine")
	if err := os.RemoveAll(w.dir.record(generationsName)); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(elsewhere, w.dir.record(generationsName)); err != nil {
		t.Skip(err)
	}
	if err := w.apply(t, Change{Files: w.files("toml 2", "lock 2")}); !errors.As(err, new(*AccessError)) {
		t.Errorf("%v", err)
	}
	wantFile(t, elsewhere+"/1.json", "mine")
	wantFile(t, w.lock, "lock 1")
	if err := os.Remove(w.dir.record(generationsName)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"0.json", "01.json", "9999999999.json", "1.json.bak", "x"} {
		write(t, w.dir.record(generationsName+"/"+name), "mine")
	}
	w.mustApply(t, Change{Files: w.files("toml 2", "lock 2")})
	w.wantLocks(t, "lock 2")
	wantFile(t, w.dir.record(generationsName+"/x"), "mine")
}

// A journal that names a record's folder or number that can't be ours is refused as a whole.
func TestHostileJournalGeneration(t *testing.T) {
	for _, g := range []newGeneration{{0, nil}, {-1, nil}, {1 << 40, nil}, {3, nil}, {3, []byte(`{"format":1,"time":"now"}`)}} {
		w := newWorld(t)
		w.populate(t)
		state := (&State{Owner: testOwner}).encode()
		j := &journal{Format: journalFormat, ID: "0123456789abcdef", State: contents{nil, state}, Generation: &g}
		write(t, w.dir.record(journalName), string(encodeRecord(j)))
		release := w.acquire(t)
		if _, err := w.dir.Recover(context.Background()); !errors.As(err, new(*RecordError)) {
			t.Errorf("%d %s: %v", g.Number, g.Text, err)
		}
		release()
	}
}

func FuzzGeneration(f *testing.F) {
	f.Add((&Generation{Time: time.Unix(1e9, 0), What: "install", Files: map[string][]byte{"a": []byte("x"), "b": nil}}).encode())
	f.Add([]byte(`{"format":1,"time":"2026-01-02T03:04:05+07:00","files":{}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		g, err := parseGeneration(text)
		if err != nil {
			return
		}
		again, err := parseGeneration(g.encode())
		if err != nil || !bytes.Equal(again.encode(), g.encode()) || !sameFiles(again.Files, g.Files) {
			t.Errorf("not the same when read again: %v", err)
		}
	})
}
