package plugindir

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/loadr-plugins/loadr/internal/fsx"
	"github.com/loadr-plugins/loadr/manifest"
)

// SetEnabled switches a plugin on or off for the engine, by the marker file in its folder; that of an unmanaged plugin too.
// Nothing happens when it is so already. Errors: *NotInstalledError, *UnfinishedError, *AccessError.
func (d *Dir) SetEnabled(name string, enabled bool) error {
	if err := d.mustHold(); err != nil {
		return err
	}
	if err := d.mustBeClosed(); err != nil {
		return err
	}
	if err := manifest.CheckName(name); err != nil {
		return err
	}
	if info, err := os.Stat(d.live(name)); err != nil || !info.IsDir() {
		return &NotInstalledError{d.path, name}
	}
	if err := setMarker(d.live(name), !enabled); err != nil {
		return &AccessError{d.path, err}
	}
	return nil
}

// hasMarker says whether a folder is switched off. What is no folder isn't.
func hasMarker(folder string) (bool, error) {
	_, err := os.Lstat(filepath.Join(folder, disabledName))
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return false, nil
	}
	return false, err
}

func setMarker(folder string, want bool) error {
	have, err := hasMarker(folder)
	if err != nil || have == want {
		return err
	}
	path := filepath.Join(folder, disabledName)
	if want {
		// O_EXCL, so that nothing is written through a link that came in the way.
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	} else if err := os.Remove(path); err != nil {
		return err
	}
	return fsx.SyncDir(folder)
}
