package program

import (
	"os/exec"
	"syscall"
)

// detach puts the program into a process group of its own, so that Ctrl-C does not reach it.
func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}
