//go:build !windows

package fsx

import (
	"errors"
	"os"
	"syscall"
)

// SyncDir makes the names in a folder durable: created, renamed and removed ones.
func SyncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	// Some file systems have no sync for folders and say so; there is nothing more to be had from them.
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}

// Rename moves a file or folder within one file system. A file at newPath is replaced.
func Rename(oldPath, newPath string) error { return os.Rename(oldPath, newPath) }
