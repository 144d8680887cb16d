package plugindir

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/internal/fsx"
)

// Apply makes a change: all of it, or nothing when it returns an error. Until everything is staged and verified ctx may end
// it, with the old state; after that it takes no time worth cancelling and ctx is not looked at. A process that is killed
// leaves a change that Recover finishes or undoes. The caller holds Acquire and has called Recover.
//
// Errors before anything has changed: *UnfinishedError, *OwnerError, *UnmanagedError, *NotInstalledError, *TargetError,
// *ChangedError, *DigestError, *AccessError, *RecordError, a *manifest.Error for an unfit name, ctx's. Later: *ApplyError.
func (d *Dir) Apply(ctx context.Context, c Change, events *Events) error {
	t, err := d.prepare(ctx, &c, events)
	if err != nil || t == nil {
		return err
	}
	d.at("staged")
	if err := t.open(); err != nil {
		t.discard()
		return &AccessError{d.path, err}
	}
	d.at("journal written")
	err = t.forward(false)
	if err == nil {
		err = t.finish()
	}
	if err != nil {
		return t.giveUp(err)
	}
	return nil
}

// tx is one change at work: the journal and where its folders are.
type tx struct {
	d      *Dir
	j      *journal
	events *Events
}

func (t *tx) live(plugin string) string { return t.d.live(plugin) }

// staging holds new folders; after an exchange it holds the old ones.
func (t *tx) staging() string { return filepath.Join(t.d.record("staging"), t.j.ID) }

// trash holds old folders that were moved out of their place.
func (t *tx) trash() string { return filepath.Join(t.d.record("trash"), t.j.ID) }

func (t *tx) staged(plugin string) string  { return filepath.Join(t.staging(), plugin) }
func (t *tx) trashed(plugin string) string { return filepath.Join(t.trash(), plugin) }

// prepare checks a change and stages it. It gives nil when there is nothing to do.
func (d *Dir) prepare(ctx context.Context, c *Change, events *Events) (*tx, error) {
	if err := errors.Join(d.mustHold(), d.mustBeClosed()); err != nil {
		return nil, err
	}
	state, stateText, err := d.readState()
	if err != nil {
		return nil, err
	}
	if err := d.check(c, state); err != nil {
		return nil, err
	}
	t := &tx{d, &journal{Format: journalFormat, ID: newID()}, events}
	put, err := t.stage(ctx, c)
	if err == nil {
		err = ctx.Err() // the last moment
	}
	if err != nil {
		t.discard()
		return nil, err
	}
	if err := t.planSwaps(c, put); err != nil {
		t.discard()
		return nil, err
	}
	t.j.State = contents{stateText, state.after(c, put).encode()}
	t.j.Files = fileChanges(c.Files)
	if t.isIdle() {
		return nil, nil
	}
	if t.j.Generation, err = d.nextGeneration(c); err != nil {
		t.discard()
		return nil, err
	}
	return t, nil
}

// isIdle: a change that would leave everything as it is.
func (t *tx) isIdle() bool {
	for _, f := range t.j.Files {
		if !same(f.Old, f.New) {
			return false
		}
	}
	return len(t.j.Plugins) == 0 && same(t.j.State.Old, t.j.State.New)
}

// planSwaps lists the folders' part of the journal.
func (t *tx) planSwaps(c *Change, put map[string]map[string]digest.Digest) error {
	for _, p := range c.Put {
		t.j.Plugins = append(t.j.Plugins, swap{Name: p.Name, New: put[p.Name]})
	}
	for _, name := range c.Remove {
		t.j.Plugins = append(t.j.Plugins, swap{Name: name})
	}
	for i := range t.j.Plugins {
		s := &t.j.Plugins[i]
		old, err := exists(t.live(s.Name))
		if err != nil {
			return &AccessError{t.d.path, err}
		}
		s.Old = old
	}
	return nil
}

// finish ends a change that is complete or undone.
func (t *tx) finish() error {
	if err := t.close(); err != nil {
		return &AccessError{t.d.path, err}
	}
	t.d.at("journal closed")
	t.d.clean()
	return nil
}

// giveUp undoes a change that could not be made.
func (t *tx) giveUp(cause error) error {
	var failed *ApplyError
	if !errors.As(cause, &failed) {
		failed = &ApplyError{What: "plugins directory " + t.d.path, Err: cause}
	}
	failed.Undo = t.back(true)
	if failed.Undo == nil {
		failed.Undo = t.finish()
	}
	return failed
}

// discard removes what was staged for a change that has not begun.
func (t *tx) discard() { removeTree(t.staging()) }

func fileChanges(files []ProjectFile) []fileChange {
	var out []fileChange
	for _, f := range files {
		c := contents{Old: f.Was, New: append([]byte{}, f.Data...)}
		if f.Delete {
			c.New = nil
		}
		out = append(out, fileChange{f.Path, c})
	}
	return out
}

// clean removes what finished and killed changes left: it is called only when no journal is open. Failing is no harm but
// disk space (Windows keeps a library that is in use); the next change tries again.
func (d *Dir) clean() {
	removeTree(d.record("staging"))
	removeTree(d.record("trash"))
	fsx.SweepTemps(d.record(stateFile))
	fsx.SweepTemps(d.record(journalName))
	d.forgetGenerations()
}

// removeTree also removes folders whose permissions forbid it, as hand-made ones may.
func removeTree(path string) {
	if os.RemoveAll(path) == nil {
		return
	}
	filepath.WalkDir(path, func(p string, e os.DirEntry, err error) error {
		if err == nil && e.IsDir() || errors.Is(err, os.ErrPermission) {
			return os.Chmod(p, 0o700)
		}
		return nil
	})
	os.RemoveAll(path)
}

func newID() string {
	var b [8]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	return hex.EncodeToString(b[:])
}

func failedPlugin(name string, err error) error {
	return &ApplyError{What: fmt.Sprintf("plugin %s", name), Err: err}
}
