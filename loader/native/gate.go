package native

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
)

// gate bounds the calls in flight of one opened library: each holds a thread while it runs. It is a semaphore that can
// wait for the end of a context or the closing of an object. While places are free it takes no lock.
type gate struct {
	free    atomic.Int64
	waiters atomic.Int64 // the length of waiting
	mu      sync.Mutex
	waiting []chan struct{} // first come, first served; one is closed when a place is its owner's
}

// enter takes a place, and says false when done or closed ended the wait.
func (g *gate) enter(ctx context.Context, closed <-chan struct{}) bool {
	if g.take() {
		return true
	}
	granted := g.queue()
	select {
	case <-granted:
		return true
	case <-closed:
	case <-ctx.Done():
	}
	g.giveUp(granted)
	return false
}

// take takes a place if one is free.
func (g *gate) take() bool {
	for {
		n := g.free.Load()
		if n <= 0 {
			return false
		}
		if g.free.CompareAndSwap(n, n-1) {
			return true
		}
	}
}

// queue waits for a place in line. One that became free before anybody saw the line is given away at once.
func (g *gate) queue() chan struct{} {
	granted := make(chan struct{})
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = append(g.waiting, granted)
	g.waiters.Store(int64(len(g.waiting)))
	g.grant()
	return granted
}

// grant gives free places to those who wait. The lock is held.
func (g *gate) grant() {
	for len(g.waiting) > 0 && g.take() {
		close(g.waiting[0])
		g.waiting = slices.Delete(g.waiting, 0, 1)
	}
	g.waiters.Store(int64(len(g.waiting)))
}

// giveUp leaves the line, or passes on the place that came at the same moment.
func (g *gate) giveUp(granted chan struct{}) {
	g.mu.Lock()
	i := slices.Index(g.waiting, granted)
	if i >= 0 {
		g.waiting = slices.Delete(g.waiting, i, i+1)
		g.waiters.Store(int64(len(g.waiting)))
	}
	g.mu.Unlock()
	if i < 0 {
		g.leave()
	}
}

// leave gives a place back. Whoever gets into the line after the look at waiters sees the place itself.
func (g *gate) leave() {
	g.free.Add(1)
	if g.waiters.Load() > 0 {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.grant()
	}
}
