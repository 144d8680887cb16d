package worker

import (
	"io"
	"runtime"
	"sync"
)

// sender writes frames from many goroutines. It gathers what comes while a write is under way into the next one, so that
// calls in flight share system calls, and it writes on a goroutine of its own, so that no caller is caught in a write
// which the other side does not take.
type sender struct {
	w     io.Writer
	limit int // bytes gathered at which send waits; 0: never

	mu      sync.Mutex
	work    sync.Cond // there is something to write, or stop was called
	room    sync.Cond // there is room below limit, or the writing has ended
	pending []byte
	stopped bool
	err     error // of the write that failed; nothing is written any more
	done    chan struct{}
}

// keepBuffer is the largest buffer that is kept for the next batch.
const keepBuffer = 1 << 20

func newSender(w io.Writer, limit int) *sender {
	s := &sender{w: w, limit: limit, done: make(chan struct{})}
	s.work.L, s.room.L = &s.mu, &s.mu
	go s.run()
	return s
}

// send takes over one frame, whose payload is copied from its pieces. The error is that of an earlier write: a frame that was taken may
// still never arrive.
func (s *sender) send(k kind, call uint64, pieces ...[]byte) error {
	length := 0
	for _, piece := range pieces {
		length += len(piece)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.limit > 0 && len(s.pending) > s.limit && s.err == nil {
		s.room.Wait()
	}
	if s.err != nil {
		return s.err
	}
	s.pending = appendHeader(s.pending, k, call, length)
	for _, piece := range pieces {
		s.pending = append(s.pending, piece...)
	}
	s.work.Signal()
	return nil
}

// stop lets what was taken be written and then ends the writing. It does not wait: done is closed at the end.
func (s *sender) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	s.work.Signal()
}

func (s *sender) run() {
	defer close(s.done)
	var batch []byte
	for {
		if batch = s.take(batch); len(batch) == 0 {
			return
		}
		if _, err := s.w.Write(batch); err != nil {
			s.fail(err)
			return
		}
	}
}

// take waits for something to write and exchanges it for the buffer that was written; empty at the end.
func (s *sender) take(written []byte) []byte {
	if cap(written) > keepBuffer {
		written = nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.pending) == 0 && !s.stopped {
		s.work.Wait()
		// Those who are about to send get to do so first: one system call for all of them.
		s.mu.Unlock()
		runtime.Gosched()
		s.mu.Lock()
	}
	batch := s.pending
	s.pending = written[:0]
	s.room.Broadcast()
	return batch
}

func (s *sender) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
	s.pending = nil
	s.room.Broadcast()
}
