//go:build race

package install_test

// raceDetector multiplies memory.
const raceDetector = true
