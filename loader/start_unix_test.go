//go:build !windows

package loader_test

import "syscall"

// signalReaches says whether there is a process with that id.
func signalReaches(pid int) bool { return syscall.Kill(pid, 0) == nil }
