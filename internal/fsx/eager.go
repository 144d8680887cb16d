package fsx

import "os"

// eagerStep is how much is written before the disk is put to work, in bytes.
const eagerStep = 8 << 20

// eager writes a file that will be synced, with the disk at work meanwhile: of hundreds of megabytes, most have arrived there
// when the last are written.
type eager struct {
	file          *os.File
	begun, offset int64 // up to where writing back was begun, and where the file ends
}

func (e *eager) Write(p []byte) (int, error) {
	n, err := e.file.Write(p)
	e.offset += int64(n)
	if e.offset-e.begun >= eagerStep {
		writeback(e.file, e.begun, e.offset-e.begun)
		e.begun = e.offset
	}
	return n, err
}
