package fsx

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/windows"
)

// SyncDir does nothing: Windows has no sync for folders.
func SyncDir(string) error { return nil }

const (
	renamePatience = 2 * time.Second
	renamePause    = 20 * time.Millisecond
)

// Rename moves a file or folder within one file system. A file at newPath is replaced. Virus scanners and indexers open
// what was just written, and a rename then fails for some milliseconds; hence the repetition, which is why a library
// that is truly in use is reported only after two seconds.
func Rename(oldPath, newPath string) error {
	for deadline := time.Now().Add(renamePatience); ; time.Sleep(renamePause) {
		err := os.Rename(oldPath, newPath)
		if err == nil || !isTransient(err) || time.Now().After(deadline) {
			return err
		}
	}
}

func isTransient(err error) bool {
	return errors.Is(err, windows.ERROR_SHARING_VIOLATION) || errors.Is(err, windows.ERROR_ACCESS_DENIED)
}
