package cli

import (
	"errors"
	"os"
	"os/exec"
)

// become runs the program and ends as it ends. Ctrl-C reaches both processes; this one notices it and waits on, because the
// exit code is the program's to choose.
func become(path string, words []string) error {
	cmd := &exec.Cmd{Path: path, Args: words, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err == nil || errors.As(err, &exit) {
		os.Exit(cmd.ProcessState.ExitCode())
	}
	return err
}
