package fsx

import (
	"os"

	"golang.org/x/sys/unix"
)

// writeback has the system begin to write a part of a file to the disk, and does not wait for it. It promises nothing: that is
// what Sync is for, which then finds little left to do.
func writeback(f *os.File, from, length int64) {
	_ = unix.SyncFileRange(int(f.Fd()), from, length, unix.SYNC_FILE_RANGE_WRITE)
}
