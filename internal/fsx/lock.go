package fsx

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/gofrs/flock"
)

const (
	firstPause = 5 * time.Millisecond
	lastPause  = 100 * time.Millisecond
	noteSuffix = ".holder"
	noteLimit  = 200 // bytes
)

// LockOptions are the choices of Lock. The zero value waits in silence.
type LockOptions struct {
	// Shared lets others hold the lock too who take it shared. Such a holder leaves no note.
	Shared bool
	// NoWait fails with a *LockedError instead of waiting.
	NoWait bool
	// Note is what other processes are told about the holder, one line; empty leaves no note.
	Note string
	// Waiting is called once when the lock is not free at once. holder is the holder's note, empty when not known.
	Waiting func(holder string)
	// Remove removes the lock's file with the release, for locks of which there would be ever more; not with Shared. (Windows
	// keeps it.)
	Remove bool
}

// LockedError says that another process, or another part of this one, holds a lock.
type LockedError struct {
	Path   string
	Holder string // its note; empty when not known
}

func (e *LockedError) Error() string {
	if e.Holder == "" {
		return fmt.Sprintf("%s: locked by another process", e.Path)
	}
	return fmt.Sprintf("%s: locked by %s", e.Path, e.Holder)
}

// Lock takes the lock of the file at path, exclusively unless told otherwise; it creates the file if need be, and waits for
// the lock's holders unless told not to. The system frees the lock of a process that ends, however it ends. Two calls of one process exclude each other too.
// The error is ctx's when that ends first. Further
// calls of unlock do nothing.
//
// The note lies in a file of its own, since Windows lets nobody read a locked one. It is a courtesy: it may be
// missing, or for a moment be that of the holder before.
func Lock(ctx context.Context, path string, o LockOptions) (unlock func() error, err error) {
	l := &lock{flock.New(path, flock.SetPermissions(0o644)), path, o}
	if err := l.take(ctx); err != nil {
		return nil, err
	}
	if o.Note != "" && !o.Shared {
		// Without a note the lock is as good.
		_ = os.WriteFile(path+noteSuffix, []byte(o.Note), 0o644)
	}
	return sync.OnceValue(l.release), nil
}

type lock struct {
	file *flock.Flock
	path string
	LockOptions
}

// take polls, because a blocking lock call could not be ended by ctx.
func (l *lock) take(ctx context.Context) error {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if ok, err := l.try(); ok || err != nil {
			return err
		}
		if l.NoWait {
			return &LockedError{l.path, readNote(l.path)}
		}
		if l.Waiting != nil {
			l.Waiting(readNote(l.path))
			l.Waiting = nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// try is done only when the file that it locked is still the one at path: its last holder may have removed it between
// our opening and our locking it, and then the next process would lock another file of the same name.
func (l *lock) try() (bool, error) {
	for {
		ok, err := l.tryOnce()
		if !ok || err != nil {
			return false, err
		}
		mine, err1 := l.file.Stat()
		there, err2 := os.Lstat(l.path)
		if err1 == nil && err2 == nil && os.SameFile(mine, there) {
			return true, nil
		}
		if err := l.file.Unlock(); err != nil {
			return false, err
		}
	}
}

func (l *lock) tryOnce() (bool, error) {
	if l.Shared {
		return l.file.TryRLock()
	}
	return l.file.TryLock()
}

func (l *lock) release() error {
	if l.Note != "" && !l.Shared {
		os.Remove(l.path + noteSuffix)
	}
	if l.Remove {
		// While it is still held: afterwards it may be another's.
		os.Remove(l.path)
	}
	return l.file.Unlock()
}

// readNote reads the note of the holder of the lock at path, made fit for a message: another program may have written it.
func readNote(path string) string {
	f, err := os.Open(path + noteSuffix)
	if err != nil {
		return ""
	}
	defer f.Close()
	text, _ := io.ReadAll(io.LimitReader(f, noteLimit))
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) && r != unicode.ReplacementChar {
			return r
		}
		return -1
	}, string(text))
}
