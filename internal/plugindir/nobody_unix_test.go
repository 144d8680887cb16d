//go:build !windows

package plugindir

import (
	"syscall"
)

// becomeNobody gives up root, for which permissions do not count.
func becomeNobody() error {
	if syscall.Getuid() != 0 {
		return nil
	}
	return syscall.Setuid(65534)
}
