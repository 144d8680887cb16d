//go:build race

package install_test

const (
	raceDetector = true // which multiplies memory and time
	stride       = 4    // every how many steps a process is killed
)
