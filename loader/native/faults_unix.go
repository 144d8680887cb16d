//go:build !windows

package native

import (
	"fmt"
	"syscall"

	"github.com/ebitengine/purego"
)

// RestoreFaultSignals gives the signals of a crash their default action for the whole process: it ends at once, by that
// very signal. Go's own handlers would print a trace of all goroutines instead and exit with code 2, and so hide the
// plugin's last words and the signal from the parent. It is for a process that does nothing but host a plugin: a nil
// dereference in its Go code is not a panic any more.
func RestoreFaultSignals() error {
	// sighandler_t signal(int, sighandler_t), and SIG_DFL is the null pointer, on Linux and macOS.
	signal, err := purego.Dlsym(purego.RTLD_DEFAULT, "signal")
	if err != nil {
		return fmt.Errorf("default action of fault signals: %w", err)
	}
	for _, s := range []syscall.Signal{
		syscall.SIGSEGV, syscall.SIGBUS, syscall.SIGFPE, syscall.SIGILL, syscall.SIGABRT, syscall.SIGTRAP,
	} {
		purego.SyscallN(signal, uintptr(s), 0)
	}
	return nil
}
