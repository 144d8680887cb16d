//go:build !windows

package loader

import (
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// inherit gives the command the two pipe ends and returns the words that tell the worker their numbers.
func inherit(cmd *exec.Cmd, requests, replies *os.File) ([]string, error) {
	cmd.ExtraFiles = []*os.File{requests, replies}
	return []string{"3", "4"}, nil // the first numbers after the standard streams
}

// killTree kills the worker and what the plugin started: the worker leads a process group of its own.
func killTree(p *os.Process) {
	_ = unix.Kill(-p.Pid, unix.SIGKILL) // it may just have ended
}

// ending reads how a process ended: the signal's name, or the exit code.
func ending(state *os.ProcessState) (signal string, exitCode int) {
	status, ok := state.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() {
		return "", state.ExitCode()
	}
	if name := unix.SignalName(status.Signal()); name != "" {
		return name, 0
	}
	return status.Signal().String(), 0
}
