package fsx

import (
	"os"
	"path/filepath"
)

// MountPoint gives the root of the drive or share that holds path. path must exist; links are followed.
func MountPoint(path string) (string, error) {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", err
	}
	return filepath.VolumeName(path) + `\`, nil
}

// Mounted says whether the drive or share of path, one that MountPoint gave, is there.
func Mounted(path string) (bool, error) {
	_, err := os.Stat(path)
	if err != nil && os.IsNotExist(err) {
		return false, nil
	}
	return err == nil, err
}
