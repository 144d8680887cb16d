package plugindir

import (
	"context"
	"errors"
	"fmt"

	"github.com/loadr-plugins/loadr/internal/fsx"
)

// Outcome says what Recover did.
type Outcome int

// The outcomes.
const (
	Nothing  Outcome = iota // no change was interrupted
	Finished                // an interrupted change is complete now
	Undone                  // an interrupted change is as if it had never begun
)

// Recovered tells what became of an interrupted change.
type Recovered struct {
	Outcome Outcome
	// Plugins are the names of the change's plugins.
	Plugins []string
	// Cause is why the change was undone and not finished: often a *ChangedError, which says that a project file was
	// changed in between and has been left as it is. nil unless Undone.
	Cause error
}

// Recover finishes or undoes the change that a killed process left, if there is one, and removes leftovers. It finishes
// the change when each project file is as the change found or left it. It undoes it, and touches no project file, when
// somebody has changed one since. (When the last file to be written is the change's, all of it had been done, and later
// edits of the others are just edits: it counts as finished.) What can't be finished is undone.
//
// Every command that reads or writes the directory under Acquire calls it first. It can itself be killed and repeated. Errors:
// *RecordError for a journal that isn't one of ours, *AccessError, *ApplyError when neither way could be completed; the
// journal is then still there. ctx is looked at only before it begins.
func (d *Dir) Recover(ctx context.Context) (Recovered, error) {
	if err := errors.Join(ctx.Err(), d.mustHold()); err != nil {
		return Recovered{}, err
	}
	j, err := d.readJournal()
	if err != nil {
		return Recovered{}, err
	}
	if j == nil {
		d.clean()
		return Recovered{}, nil
	}
	t := &tx{d: d, j: j}
	t.sweepFiles()
	r, err := t.resume()
	if err != nil {
		return r, err
	}
	return r, t.finish()
}

// resume brings an interrupted change to one of its two ends.
func (t *tx) resume() (Recovered, error) {
	r := Recovered{Outcome: Finished, Plugins: t.names()}
	changed, err := t.changedFile()
	if err != nil {
		return r, err
	}
	if changed != nil {
		return t.undo(r, changed, false)
	}
	if err := t.forward(true); err != nil {
		return t.undo(r, err, true)
	}
	return r, nil
}

func (t *tx) undo(r Recovered, cause error, files bool) (Recovered, error) {
	r.Outcome, r.Cause = Undone, cause
	if err := t.back(files); err != nil {
		return r, &ApplyError{What: fmt.Sprintf("plugins directory %s", t.d.path), Err: cause, Undo: err}
	}
	return r, nil
}

// changedFile looks for a project file that is neither as the change found it nor as it leaves it. Files are written in
// order; so once the last one that differs is the new one all were, and what they hold now are later edits: the files are
// dropped from what is left to do and nothing counts as changed.
func (t *tx) changedFile() (*ChangedError, error) {
	var changed *ChangedError
	written := false
	for _, f := range t.j.Files {
		at, err := t.d.stateOf(f)
		if err != nil {
			return nil, err
		}
		if !same(f.Old, f.New) {
			written = at == isNew
		}
		if at == isOther && changed == nil {
			changed = &ChangedError{f.Path}
		}
	}
	if written {
		t.j.Files = nil
		return nil, nil
	}
	return changed, nil
}

// fileState is what a project file holds.
type fileState int

const (
	isOther fileState = iota
	isOld
	isNew
)

func (d *Dir) stateOf(f fileChange) (fileState, error) {
	if !d.mayReplace(f.Path) {
		// Another project's file, or this one's from before it was moved. It is not even read.
		return isOther, nil
	}
	now, err := readRecord(f.Path)
	switch {
	case err != nil:
		return isOther, &AccessError{d.path, err}
	case same(now, f.New):
		return isNew, nil
	case same(now, f.Old):
		return isOld, nil
	}
	return isOther, nil
}

// sweepFiles removes what the killed process may have left beside the project's files.
func (t *tx) sweepFiles() {
	for _, f := range t.d.files {
		fsx.SweepTemps(f)
	}
}

func (t *tx) names() []string {
	var out []string
	for _, s := range t.j.Plugins {
		out = append(out, s.Name)
	}
	return out
}
