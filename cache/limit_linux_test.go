package cache

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"testing"

	"golang.org/x/sys/unix"
)

// limited runs in a child whose files may not grow beyond half the blob.
func limited(c *Cache) error {
	signal.Ignore(unix.SIGXFSZ) // so that the write fails instead of killing us
	limit := uint64(len(shared) / 2)
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: limit, Max: limit}); err != nil {
		return err
	}
	_, _, err := c.Get(context.Background(), blobOf(shared), give(shared))
	var write *WriteError
	if !errors.As(err, &write) || !errors.Is(err, unix.EFBIG) {
		return fmt.Errorf("beyond the limit: %w", err)
	}
	return nil
}

func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("no small file system to be had: %v", err)
	}
	defer unix.Unmount(dir, 0)
	testFullDisk(t, dir)
}
