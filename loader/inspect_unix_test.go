//go:build unix

package loader

import (
	"errors"
	"path/filepath"
	"syscall"
	"testing"
)

// TestInspectDoesNotWaitOnPipes has a pipe that nobody writes to.
func TestInspectDoesNotWaitOnPipes(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "plugin.so")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	var irregular *NotRegularError
	_, err := Inspect(pipe)
	if want := pipe + ": expected a regular file, found one of mode prw-------"; !errors.As(err, &irregular) || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}
