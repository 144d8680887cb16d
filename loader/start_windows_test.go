package loader_test

import "os"

// signalReaches says whether there is a process with that id.
func signalReaches(pid int) bool {
	_, err := os.FindProcess(pid)
	return err == nil
}
