//go:build !race

package install_test

const (
	raceDetector = false
	stride       = 1
)
