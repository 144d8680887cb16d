//go:build !windows

package fsx

import (
	"os"
	"path/filepath"
	"syscall"
)

// MountPoint gives the folder at which the file system that holds path begins. path must exist; links are followed.
func MountPoint(path string) (string, error) {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", err
	}
	for {
		last, err := Mounted(path)
		if last || err != nil {
			return path, err
		}
		path = filepath.Dir(path)
	}
}

// Mounted says whether a file system begins at path, as at one that MountPoint gave. A bind mount of a file system into
// itself can't be told from a folder.
func Mounted(path string) (bool, error) {
	here, err := device(path)
	if err != nil {
		return false, err
	}
	parent := filepath.Dir(path)
	if parent == path {
		return true, nil
	}
	above, err := device(parent)
	return here != above, err
}

func device(path string) (uint64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	return uint64(info.Sys().(*syscall.Stat_t).Dev), nil
}
