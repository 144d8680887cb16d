//go:build unix

package cli

import (
	"os"
	"syscall"
)

// become puts the program in the place of this process, so that signals, job control and the exit code are its own.
func become(path string, words []string) error { return syscall.Exec(path, words, os.Environ()) }
