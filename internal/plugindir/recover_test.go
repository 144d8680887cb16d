package plugindir

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
)

// interrupt leaves the test world as a process does that is killed at the named step, the nth time it comes there.
func interrupt(t *testing.T, w *world, step string, n int) {
	t.Helper()
	w.populate(t)
	type killed struct{}
	w.dir.step = func(s string) {
		if s == step {
			if n--; n == 0 {
				panic(killed{})
			}
		}
	}
	defer func() {
		w.dir.step = nil
		if _, ok := recover().(killed); !ok {
			t.Fatalf("never came to %q", step)
		}
	}()
	w.apply(t, w.change(t))
}

func TestPluginWroteIntoItsNewFolder(t *testing.T) {
	_, after := goal(t)
	w := newWorld(t)
	interrupt(t, w, "plugin done", 2)
	write(t, w.dir.live("a/cache.db"), "by the plugin")
	after["plugins/a/cache.db"] = "by the plugin"
	if r := w.mustRecover(t, false); r.Outcome != Finished {
		t.Errorf("%+v", r)
	}
	wantSame(t, w.portable(w.snapshot(t)), after)
}

// A hand-made folder that comes where we have just removed a plugin stays.
func TestFolderMadeWhereOneWasRemoved(t *testing.T) {
	_, after := goal(t)
	w := newWorld(t)
	interrupt(t, w, "folders done", 1)
	write(t, w.dir.live("gone/plugin.toml"), "mine now")
	after["plugins/gone/plugin.toml"] = "mine now"
	if r := w.mustRecover(t, false); r.Outcome != Finished {
		t.Errorf("%+v", r)
	}
	wantSame(t, w.portable(w.snapshot(t)), after)
}

// The old folder was deleted by hand: undoing must not bring the new one.
func TestUndoWhereTheOldFolderWasDeleted(t *testing.T) {
	before, _ := goal(t)
	w := newWorld(t)
	interrupt(t, w, "journal written", 1)
	os.RemoveAll(w.dir.live("b"))
	write(t, w.lock, "edited")
	before["loadr.lock"] = "edited"
	if r := w.mustRecover(t, false); r.Outcome != Undone {
		t.Errorf("%+v", r)
	}
	wantSame(t, w.portable(w.snapshot(t)), without(before, "plugins/b/plugin.toml", "plugins/b/lib.so"))
}

// The new folder was deleted by hand after the swap: the change can't be finished, so everything goes back.
func TestUndoWhereTheNewFolderWasDeleted(t *testing.T) {
	eachWay(t, func(t *testing.T, rename bool) {
		before, _ := goal(t)
		w := newWorld(t)
		w.dir.noExchange = rename
		interrupt(t, w, "file replaced", 1)
		os.RemoveAll(w.dir.live("b"))
		r := w.mustRecover(t, rename)
		if r.Outcome != Undone || r.Cause == nil || !strings.Contains(r.Cause.Error(), "plugin b") {
			t.Errorf("%+v", r)
		}
		wantSame(t, w.portable(w.snapshot(t)), before)
		w.wantClean(t)
	})
}

// An exchange can't be undone by one where the system can't exchange, as after moving the folder to another disk.
func TestUndoAnExchangeByRenaming(t *testing.T) {
	before, _ := goal(t)
	w := newWorld(t)
	interrupt(t, w, "folders done", 1)
	write(t, w.lock, "edited")
	before["loadr.lock"] = "edited"
	if r := w.mustRecover(t, true); r.Outcome != Undone {
		t.Errorf("%+v", r)
	}
	wantSame(t, w.portable(w.snapshot(t)), before)
}

func TestLeftoversBesideProjectFilesAreSwept(t *testing.T) {
	w := newWorld(t)
	interrupt(t, w, "folders done", 1)
	write(t, filepath.Join(w.root, ".loadr.toml.0123456789abcdef.tmp"), "half")
	write(t, w.dir.record(".journal.json.0123456789abcdef.tmp"), "half")
	w.mustRecover(t, false)
	w.wantClean(t)
}

// A journal may come with somebody else's folder. It must not make us write, read or remove anything but what is ours.
func TestHostileJournal(t *testing.T) {
	w := newWorld(t)
	w.populate(t)
	outside := filepath.Join(w.root, "outside")
	j := &journal{Format: 1, ID: "0123456789abcdef", State: contents{nil, (&State{Owner: "x"}).encode()},
		Files: []fileChange{{outside, contents{nil, []byte("evil")}}, {w.lock, contents{[]byte("lock 1"), []byte("evil")}}}}
	write(t, w.dir.record(journalName), string(encodeRecord(j)))
	r := w.mustRecover(t, false)
	if r.Outcome != Undone {
		t.Errorf("%+v", r)
	}
	if _, err := os.Lstat(outside); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file outside was written: %v", err)
	}
	wantFile(t, w.lock, "lock 1")
}

func TestJournalsThatAreNotOurs(t *testing.T) {
	good := string(encodeRecord(&journal{Format: 1, ID: "0123456789abcdef", State: contents{nil, (&State{}).encode()},
		Plugins: []swap{{Name: "a", New: map[string]digest.Digest{"plugin.toml": digest.FromString("")}}}}))
	if _, err := parseJournal([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for name, edit := range map[string][2]string{
		"cut":             {good[len(good)/2:], ""},
		"newer":           {`"format": 1`, `"format": 2`},
		"unknown field":   {`"id"`, `"idea"`},
		"upward id":       {"0123456789abcdef", "../../../../home"},
		"upward plugin":   {`"name": "a"`, `"name": "../a"`},
		"our own folder":  {`"name": "a"`, `"name": ".loadr-state"`},
		"upward file":     {`"plugin.toml"`, `"../plugin.toml"`},
		"no digest":       {string(digest.FromString("")), "x"},
		"no state":        {`"new": "`, `"new": "e30K`},
		"no files":        {`"new": {`, `"new": {}, "old": {`},
		"not even JSON":   {good, "<<<<<<< HEAD"},
		"nothing at all":  {good, ""},
		"several of them": {good, good + good},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.populate(t)
			before := w.snapshot(t)
			text := strings.Replace(good, edit[0], edit[1], 1)
			if text == good {
				t.Fatal("nothing was edited")
			}
			write(t, w.dir.record(journalName), text)
			defer w.acquire(t)()
			_, err := w.dir.Recover(context.Background())
			var record *RecordError
			if !errors.As(err, &record) || !strings.Contains(record.Hint(), "remove the file") {
				t.Errorf("got %v", err)
			}
			wantSame(t, w.snapshot(t), before)
			if readText(t, w.dir.record(journalName)) != text {
				t.Error("the journal was touched")
			}
		})
	}
}

func TestJournalKeepsAbsentAndEmptyApart(t *testing.T) {
	want := &journal{Format: 1, ID: "0123456789abcdef", State: contents{nil, (&State{}).encode()},
		Files: []fileChange{{"a", contents{nil, []byte{}}}, {"b", contents{[]byte{}, nil}}}}
	got, err := parseJournal(encodeRecord(want))
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range got.Files {
		if !same(f.Old, want.Files[i].Old) || !same(f.New, want.Files[i].New) {
			t.Errorf("%s: %#v, %#v", f.Path, f.Old, f.New)
		}
	}
}
