package fsx

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const (
	tempPrefix = "."
	tempSuffix = ".tmp"
	tempRandom = 16 // hexadecimal digits
)

// Temp is a file in the making. It lies beside the path that it will get, so that the last step is a rename within one
// file system. It is not safe for concurrent use.
type Temp struct {
	file *os.File
	to   eager
	path string
}

// Create starts a file that Commit will put at path, in place of what is there. The folder must exist. The mode is perm
// less the process's umask.
func Create(path string, perm fs.FileMode) (*Temp, error) {
	dir, base := filepath.Split(path)
	for {
		name := tempPrefix + base + "." + randomName() + tempSuffix
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, perm)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return &Temp{f, eager{file: f}, path}, nil
	}
}

// Write appends to the file.
func (t *Temp) Write(p []byte) (int, error) { return t.to.Write(p) }

// Commit makes the file durable and gives it its path. After an error nothing of it is left and the path holds what it
// held before, except when only the last step failed, the sync of the folder: then the file is there.
func (t *Temp) Commit() error {
	if err := t.Place(); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(t.path))
}

// Place is Commit without its last step, for many files in one folder: after a power cut the path may hold what it held
// before, but never anything in between. SyncDir of the folder makes all of them last.
func (t *Temp) Place() error {
	err := errors.Join(t.file.Sync(), t.file.Close())
	if err == nil {
		err = Rename(t.file.Name(), t.path)
	}
	if err != nil {
		os.Remove(t.file.Name())
	}
	return err
}

// Discard removes the file. After Commit it does nothing, so that it can be deferred.
func (t *Temp) Discard() {
	if t.file.Close() == nil {
		os.Remove(t.file.Name())
	}
}

// WriteFile puts data at path whole or not at all: readers and crashes see the old file or the new one. The folder must
// exist. The mode is perm less the process's umask; that of a file that was there before is not kept.
func WriteFile(path string, data []byte, perm fs.FileMode) error {
	t, err := Create(path, perm)
	if err != nil {
		return err
	}
	defer t.Discard()
	if _, err := t.Write(data); err != nil {
		return err
	}
	return t.Commit()
}

// TempOf says for which file name, in the same folder, name is a Temp's; false when it is none.
func TempOf(name string) (base string, ok bool) {
	rest, okPrefix := strings.CutPrefix(name, tempPrefix)
	rest, okSuffix := strings.CutSuffix(rest, tempSuffix)
	cut := len(rest) - tempRandom - 1
	if !okPrefix || !okSuffix || cut < 1 || rest[cut] != '.' {
		return "", false
	}
	if _, err := hex.DecodeString(rest[cut+1:]); err != nil {
		return "", false
	}
	return rest[:cut], true
}

// SweepTemps removes what killed processes left of files that were to get path. The caller holds the lock under which
// path is written; otherwise it would take the file of somebody at work.
func SweepTemps(path string) error {
	dir, base := filepath.Split(path)
	entries, err := os.ReadDir(filepath.Clean(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		if of, ok := TempOf(e.Name()); ok && of == base {
			errs = append(errs, os.Remove(filepath.Join(dir, e.Name())))
		}
	}
	return errors.Join(errs...)
}

func randomName() string {
	var b [tempRandom / 2]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	return hex.EncodeToString(b[:])
}
