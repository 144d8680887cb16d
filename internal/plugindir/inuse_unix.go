//go:build !windows

package plugindir

import (
	"errors"
	"syscall"
)

// isInUse: only mount points are in use here; an opened library keeps its inode wherever its folder goes.
func isInUse(err error) bool { return errors.Is(err, syscall.EBUSY) }
