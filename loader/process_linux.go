package loader

import "syscall"

// processAttributes put the worker into a process group of its own, so that an interrupt typed at the terminal reaches
// only this program, which then decides; and have the kernel kill it when this program ends.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
