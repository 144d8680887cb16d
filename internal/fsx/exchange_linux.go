package fsx

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Exchange makes two existing paths of one file system change places in one step: nobody ever sees one of them missing.
// Symbolic links are exchanged themselves. Where the system or the file system can't do it the error is
// errors.ErrUnsupported and nothing has changed; the caller then renames one away and the other in, with a moment in
// which the name is missing.
func Exchange(a, b string) error {
	err := unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
	switch {
	case err == nil:
		return nil
	// EINVAL is what file systems without the flag answer (renameat2(2)); ENOSYS what old kernels and sandboxes do.
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS):
		return &os.LinkError{Op: "exchange", Old: a, New: b, Err: errors.ErrUnsupported}
	}
	return &os.LinkError{Op: "exchange", Old: a, New: b, Err: err}
}
