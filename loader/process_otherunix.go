//go:build !windows && !linux

package loader

import "syscall"

// processAttributes put the worker into a process group of its own, so that an interrupt typed at the terminal reaches
// only this program, which then decides. That this program has ended is told by its pipes alone.
func processAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
