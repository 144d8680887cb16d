package plugindir

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/loadr-plugins/loadr/internal/fsx"
)

// replaceFile gives a file its new contents if it has the old ones. nil is an absent file. Anything else in it is
// somebody's work and a *ChangedError; a file that holds the new contents already is left alone.
func replaceFile(path string, old, new []byte) error {
	now, err := readRecord(path)
	switch {
	case err != nil:
		return err
	case same(now, new):
		return nil
	case !same(now, old):
		return &ChangedError{path}
	}
	return putFile(path, new)
}

// restoreFile gives a file its old contents back if it has those that we wrote.
func restoreFile(f fileChange) error {
	err := replaceFile(f.Path, f.New, f.Old)
	if errors.As(err, new(*ChangedError)) {
		return nil
	}
	return err
}

// putFile replaces a file, or removes it when data is nil. Permissions stay, and so does a link: what it points to is
// replaced.
func putFile(path string, data []byte) error {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	if data == nil {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return fsx.SyncDir(filepath.Dir(path))
	}
	perm := fs.FileMode(defaultFileMode)
	if info, err := os.Stat(path); err == nil {
		perm = info.Mode().Perm()
	}
	return fsx.WriteFile(path, data, perm)
}

// writeState puts installed.json, or removes it when text is nil.
func (d *Dir) writeState(text []byte) error {
	now, err := readRecord(d.record(stateFile))
	if err == nil && !same(now, text) {
		err = putFile(d.record(stateFile), text)
	}
	return d.access(err)
}
