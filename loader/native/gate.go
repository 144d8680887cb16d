package native

import (
	"context"
	"slices"
	"sync"
)

// gate bounds the calls in flight of one opened library: each holds a thread while it runs. It is a semaphore that can
// wait for the end of a context or the closing of an object.
type gate struct {
	mu      sync.Mutex
	free    int
	waiting []chan struct{} // first come, first served; one is closed when a place is its owner's
}

// enter takes a place, and says false when done or closed ended the wait.
func (g *gate) enter(ctx context.Context, closed <-chan struct{}) bool {
	g.mu.Lock()
	if g.free > 0 {
		g.free--
		g.mu.Unlock()
		return true
	}
	granted := make(chan struct{})
	g.waiting = append(g.waiting, granted)
	g.mu.Unlock()
	select {
	case <-granted:
		return true
	case <-closed:
	case <-ctx.Done():
	}
	g.giveUp(granted)
	return false
}

// giveUp leaves the queue, or passes on the place that came at the same moment.
func (g *gate) giveUp(granted chan struct{}) {
	g.mu.Lock()
	i := slices.Index(g.waiting, granted)
	if i >= 0 {
		g.waiting = slices.Delete(g.waiting, i, i+1)
	}
	g.mu.Unlock()
	if i < 0 {
		g.leave()
	}
}

// leave gives a place back, or to whoever waits longest.
func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.waiting) == 0 {
		g.free++
		return
	}
	close(g.waiting[0])
	g.waiting = slices.Delete(g.waiting, 0, 1)
}
