package fsx

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Exchange makes two existing paths of one file system change places in one step: nobody ever sees one of them missing.
// Symbolic links are exchanged themselves. Where the file system can't do it (HFS+ and network ones) the error is
// errors.ErrUnsupported and nothing has changed; the caller then renames one away and the other in, with a moment in
// which the name is missing.
func Exchange(a, b string) error {
	err := unix.RenamexNp(a, b, unix.RENAME_SWAP)
	switch {
	case err == nil:
		return nil
	// renamex_np(2): ENOTSUP from file systems that lack it, EINVAL from those that do not know the flag.
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOTSUP):
		return &os.LinkError{Op: "exchange", Old: a, New: b, Err: errors.ErrUnsupported}
	}
	return &os.LinkError{Op: "exchange", Old: a, New: b, Err: err}
}
