package loader

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"golang.org/x/sys/windows"
)

// processAttributes put the worker into a process group of its own, so that an interrupt typed at the console reaches
// only this program, which then decides.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP}
}

// inherit gives the command the two pipe ends and returns the words that tell the worker their numbers.
func inherit(cmd *exec.Cmd, requests, replies *os.File) ([]string, error) {
	var words []string
	for _, f := range []*os.File{requests, replies} {
		handle := f.Fd()
		err := windows.SetHandleInformation(windows.Handle(handle), windows.HANDLE_FLAG_INHERIT, windows.HANDLE_FLAG_INHERIT)
		if err != nil {
			return nil, fmt.Errorf("pipe to the worker: %w", err)
		}
		cmd.SysProcAttr.AdditionalInheritedHandles = append(cmd.SysProcAttr.AdditionalInheritedHandles, syscall.Handle(handle))
		words = append(words, strconv.FormatUint(uint64(handle), 10))
	}
	return words, nil
}

// killTree kills the worker.
func killTree(p *os.Process) {
	_ = p.Kill() // it may just have ended
}

// ending reads how a process ended. A crash is an exit code here, such as 0xC0000005.
func ending(state *os.ProcessState) (signal string, exitCode int) { return "", state.ExitCode() }
