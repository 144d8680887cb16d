package native

// RestoreFaultSignals does nothing on Windows, where a crash is an exit code and no signal.
func RestoreFaultSignals() error { return nil }
