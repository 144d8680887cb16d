//go:build unix

package program

import (
	"os/exec"
	"syscall"
)

// detach puts the program into a process group of its own, so that Ctrl-C does not reach it.
func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
