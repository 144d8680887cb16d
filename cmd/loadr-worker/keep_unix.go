//go:build !windows

package main

import (
	"fmt"
	"os"
	"syscall"
)

// keep checks that descriptor is a pipe and keeps it from the programs that the plugin starts.
func keep(descriptor uintptr) error {
	var stat syscall.Stat_t
	if err := syscall.Fstat(int(descriptor), &stat); err != nil {
		return os.NewSyscallError("fstat", err)
	}
	if stat.Mode&syscall.S_IFMT != syscall.S_IFIFO {
		return fmt.Errorf("not a pipe")
	}
	syscall.CloseOnExec(int(descriptor))
	return nil
}
