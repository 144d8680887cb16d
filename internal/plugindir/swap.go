package plugindir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/internal/fsx"
)

// place says how far a plugin's swap has come.
type place int

const (
	pending place = iota // the new folder waits in staging
	swapped              // the new folder is live
	lost                 // neither: somebody interfered
)

// locate finds out by reading, for a change that another process began. Staging is nobody's but ours, so a folder there
// that is exactly the new one has not been swapped. A live folder may have got files since, and need only hold the new
// ones. When old and new are the same either answer is right.
func (t *tx) locate(s swap) (place, error) {
	if exact, err := holds(t.staged(s.Name), s.New, true); exact || err != nil {
		return pending, err
	}
	if there, err := holds(t.live(s.Name), s.New, false); there || err != nil {
		return swapped, err
	}
	return lost, nil
}

// holds says whether folder holds the files, and with only nothing else but the marker.
func holds(folder string, files map[string]digest.Digest, only bool) (bool, error) {
	info, err := os.Lstat(folder)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return false, err
	}
	for _, e := range entries {
		if _, known := files[e.Name()]; only && !known && e.Name() != disabledName {
			return false, nil
		}
	}
	for file, want := range files {
		// The context is none: recovering is not to be stopped halfway.
		problem, err := checkFile(context.Background(), folder, file, want)
		if problem != "" || err != nil {
			return false, err
		}
	}
	return true, nil
}

// swapIn brings a plugin's folder to its new state. resume is for a change that another process began; then any part of
// it may have been done.
func (t *tx) swapIn(s swap, resume bool) error {
	if s.New == nil {
		return t.moveOut(s)
	}
	if !resume {
		return t.replace(s)
	}
	switch at, err := t.locate(s); {
	case err != nil:
		return err
	case at == lost:
		return errors.New("its new folder is neither staged nor in place")
	case at == swapped:
		return nil
	}
	return t.replace(s)
}

// moveOut removes a plugin: one that is in the trash already was removed by us, and what has its name now isn't ours.
func (t *tx) moveOut(s swap) error {
	done, err := exists(t.trashed(s.Name))
	if err != nil || done {
		return err
	}
	there, err := exists(t.live(s.Name))
	if err != nil || !there {
		return err
	}
	if !s.Old {
		return &UnmanagedError{s.Name, t.live(s.Name)}
	}
	return t.toTrash(s.Name)
}

// replace puts the staged folder in its place.
func (t *tx) replace(s swap) error {
	there, err := exists(t.live(s.Name))
	switch {
	case err != nil:
		return err
	case !there:
		return fsx.Rename(t.staged(s.Name), t.live(s.Name))
	case !s.Old: // it came between the check and now
		return &UnmanagedError{s.Name, t.live(s.Name)}
	}
	old := t.staged(s.Name)
	err = t.exchange(s.Name)
	if errors.Is(err, errors.ErrUnsupported) {
		old = t.trashed(s.Name)
		err = t.renameTwice(s.Name)
	}
	if err != nil {
		return err
	}
	t.d.at("swapped")
	return carryMarker(old, t.live(s.Name))
}

func (t *tx) exchange(plugin string) error {
	if t.d.noExchange {
		return errors.ErrUnsupported
	}
	return fsx.Exchange(t.staged(plugin), t.live(plugin))
}

// renameTwice is for systems that can't exchange: there is a moment without the plugin.
func (t *tx) renameTwice(plugin string) error {
	if err := t.toTrash(plugin); err != nil {
		return err
	}
	t.d.at("old folder away")
	return fsx.Rename(t.staged(plugin), t.live(plugin))
}

func (t *tx) toTrash(plugin string) error { return t.intoTrash(t.live(plugin), plugin) }

func (t *tx) intoTrash(folder, plugin string) error {
	if err := fsx.MkdirAll(t.trash(), 0o755); err != nil {
		return err
	}
	return fsx.Rename(folder, t.trashed(plugin))
}

// carryMarker makes the new folder as disabled as the old one was at the moment of the swap.
func carryMarker(old, new string) error {
	off, err := hasMarker(old)
	if err != nil {
		return err
	}
	return setMarker(new, off)
}

// swapBack brings a plugin's folder to its old state, from whatever state it is in. It can be repeated.
func (t *tx) swapBack(s swap) error {
	if s.New != nil {
		if err := t.withdraw(s); err != nil {
			return err
		}
	}
	there, err := exists(t.live(s.Name))
	if err != nil || there {
		return err
	}
	old, err := t.findOld(s)
	if err != nil || old == "" {
		return err
	}
	return fsx.Rename(old, t.live(s.Name))
}

// withdraw takes a new folder that is live out of its place, in exchange for the old one if that is in staging.
func (t *tx) withdraw(s swap) error {
	at, err := t.locate(s)
	if err != nil || at != swapped {
		return err
	}
	old, err := t.findOld(s)
	if err != nil {
		return err
	}
	if old == t.staged(s.Name) {
		if err := t.exchange(s.Name); !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
		if err := t.intoTrash(old, s.Name); err != nil {
			return err
		}
	}
	return fsx.Rename(t.live(s.Name), t.staged(s.Name))
}

// findOld gives the path of the old folder when that is not in its place, "" when there is none: in the trash if it was
// moved away, in staging if it was exchanged.
func (t *tx) findOld(s swap) (string, error) {
	if inTrash, err := exists(t.trashed(s.Name)); inTrash || err != nil {
		return t.trashed(s.Name), err
	}
	staged, err := exists(t.staged(s.Name))
	if err != nil || !staged || !s.Old {
		return "", err
	}
	if fresh, err := holds(t.staged(s.Name), s.New, true); fresh || err != nil {
		return "", err
	}
	return t.staged(s.Name), nil
}

// forward brings everything to the new state, in the order in which it can best be interrupted: the generation's record,
// folders, the project's files, our record. The first needs space on the disk when there is nothing to undo; then, until the
// files, nothing does, and undoing needs none. What is resumed may be done already.
func (t *tx) forward(resume bool) error {
	if err := t.recordGeneration(); err != nil {
		return err
	}
	t.d.at("generation recorded")
	for _, s := range t.j.Plugins {
		if err := t.swapIn(s, resume); err != nil {
			return failedPlugin(s.Name, err)
		}
		t.d.at("plugin done")
		t.events.swapped(s)
	}
	if err := t.syncFolders(); err != nil {
		return err
	}
	t.d.at("folders done")
	for _, f := range t.j.Files {
		if err := replaceFile(f.Path, f.Old, f.New); err != nil {
			return &ApplyError{What: f.Path, Err: err}
		}
		t.d.at("file replaced")
	}
	if err := t.d.writeState(t.j.State.New); err != nil {
		return err
	}
	t.d.at("state written")
	return nil
}

// back brings everything to the old state; the project's files only if told, and only those that hold what we wrote.
func (t *tx) back(files bool) error {
	var errs []error
	for _, f := range t.j.Files {
		if files {
			errs = append(errs, restoreFile(f))
			t.d.at("file restored")
		}
	}
	for _, s := range slices.Backward(t.j.Plugins) {
		if err := t.swapBack(s); err != nil {
			errs = append(errs, fmt.Errorf("plugin %s: %w", s.Name, err))
		}
		t.d.at("plugin put back")
	}
	errs = append(errs, t.syncFolders(), t.d.writeState(t.j.State.Old))
	t.d.at("state restored")
	errs = append(errs, t.dropGeneration())
	t.d.at("generation dropped")
	return errors.Join(errs...)
}

// syncFolders makes the swaps durable before anything that relies on them is written.
func (t *tx) syncFolders() error {
	var errs []error
	for _, dir := range []string{t.d.path, t.staging(), t.trash(), filepath.Dir(t.trash())} {
		if err := fsx.SyncDir(dir); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
