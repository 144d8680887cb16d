package worker

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"testing"
	"time"
)

// slowWriter takes what is written when it is told to.
type slowWriter struct {
	mu    sync.Mutex
	taken bytes.Buffer
	calls int
	gate  chan struct{}
}

func (w *slowWriter) Write(p []byte) (int, error) {
	<-w.gate
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls++
	return w.taken.Write(p)
}

func TestSenderGathersAndBounds(t *testing.T) {
	w := &slowWriter{gate: make(chan struct{})}
	s := newSender(w, 1000)
	for range 50 { // the first is taken by the writer, which waits; the rest is gathered
		if err := s.send(kindReply, 1, make([]byte, 10)); err != nil {
			t.Fatal(err)
		}
	}
	for { // fill up
		s.mu.Lock()
		full := len(s.pending) > s.limit
		s.mu.Unlock()
		if full {
			break
		}
		if err := s.send(kindReply, 1, make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
	}
	waiting := make(chan error)
	go func() { waiting <- s.send(kindReply, 2, nil) }()
	select {
	case <-waiting:
		t.Error("send went over the limit")
	case <-time.After(50 * time.Millisecond):
	}
	close(w.gate)
	if err := <-waiting; err != nil {
		t.Error(err)
	}
	s.stop()
	<-s.done
	if w.calls > 4 {
		t.Errorf("expected few writes, found %d", w.calls)
	}
}

func TestSenderAfterAnError(t *testing.T) {
	r, w := io.Pipe()
	r.CloseWithError(errors.New("gone"))
	s := newSender(w, 0)
	for s.send(kindReply, 1, nil) == nil {
		time.Sleep(time.Millisecond)
	}
	<-s.done
}
