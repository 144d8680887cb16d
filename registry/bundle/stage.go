package bundle

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/loadr-plugins/loadr/internal/fsx"
)

// stage makes a folder beside path, and removes those that killed processes left. Its maker holds its lock.
func stage(path string) (dir string, remove func() error, err error) {
	dir, base := filepath.Split(path)
	sweep(dir, base)
	if dir, err = os.MkdirTemp(dir, stagingPrefix(base)+"*"+stagingSuffix); err != nil {
		return "", nil, err
	}
	unlock, err := fsx.Lock(context.Background(), filepath.Join(dir, stagingLock), fsx.LockOptions{NoWait: true})
	if err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(dir))
	}
	return dir, func() error { return errors.Join(unlock(), os.RemoveAll(dir)) }, nil
}

const (
	stagingSuffix = ".tmp"
	stagingLock   = "lock"
)

func stagingPrefix(base string) string { return "." + base + "." }

// sweep leaves folders without a lock file: they were made a moment ago.
func sweep(dir, base string) {
	entries, err := os.ReadDir(filepath.Clean(dir))
	if err != nil {
		return // making the folder will say what is wrong
	}
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), stagingPrefix(base)) || !strings.HasSuffix(e.Name(), stagingSuffix) {
			continue
		}
		left := filepath.Join(dir, e.Name())
		if _, err := os.Lstat(filepath.Join(left, stagingLock)); err != nil {
			continue
		}
		unlock, err := fsx.Lock(context.Background(), filepath.Join(left, stagingLock), fsx.LockOptions{NoWait: true})
		if err != nil {
			continue // at work
		}
		// What can't be removed now is removed some other time.
		_ = unlock()
		_ = os.RemoveAll(left)
	}
}
