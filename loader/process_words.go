package loader

import (
	"io"
	"sync"
)

// lastWordsSize is how much of what a plugin writes is kept, in bytes.
const lastWordsSize = 8 << 10

// lastWords keeps the end of what is written to it and passes everything on.
type lastWords struct {
	mu   sync.Mutex
	kept []byte // at most twice lastWordsSize, so that not every write moves what is kept
	next io.Writer
}

// Write implements io.Writer. It always succeeds: a listener that fails must not stop the plugin.
func (l *lastWords) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.next != nil {
		if _, err := l.next.Write(p); err != nil {
			l.next = nil
		}
	}
	l.kept = append(l.kept, p[max(0, len(p)-lastWordsSize):]...)
	if len(l.kept) > 2*lastWordsSize {
		n := copy(l.kept, l.kept[len(l.kept)-lastWordsSize:])
		l.kept = l.kept[:n]
	}
	return len(p), nil
}

// String gives the last lastWordsSize bytes.
func (l *lastWords) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.kept[max(0, len(l.kept)-lastWordsSize):])
}
