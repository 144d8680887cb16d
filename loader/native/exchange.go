package native

import (
	"sync"
	"sync/atomic"
)

// exchange is one request and its reply, by whichever interface.
type exchange interface {
	// run has the plugin carry out the request on this thread.
	run()

	// reply gives the reply's bytes, valid until finish, or says why they are none or more than limit.
	reply(limit int) (text []byte, problem string)

	// finish gives the reply back. It is called once.
	finish()
}

// rustExchange is a call of a protocol's execute. What is recycled with it is a string of the library's: the reply's
// buffer becomes the next request's, so that in the long run an exchange is one call of the library, instead of three with
// those that allocate and free.
type rustExchange struct {
	frame
	lib     *rustLibrary
	pool    *exchangePool
	execute uintptr
}

func (x *rustExchange) run() {
	x.callForResult(x.execute)
	x.text = rString{} // was handed over
}

func (x *rustExchange) reply(limit int) (text []byte, problem string) { return x.result(0).view(limit) }

func (x *rustExchange) finish() { x.pool.put(x) }

// Bounds of what one handle on a library keeps for later.
const (
	pooledExchanges = 64
	pooledBytes     = 1 << 20 // of one buffer
)

// exchangePool keeps exchanges with their strings, which all belong to one library. The last one used comes first, as its
// memory is in the processor's caches, and for a single caller is all that there is; the others lie behind a lock.
type exchangePool struct {
	last   atomic.Pointer[rustExchange]
	closed atomic.Bool
	mu     sync.Mutex
	free   []*rustExchange
}

// get gives an exchange for a request to an object of l's.
func (p *exchangePool) get(l *rustLibrary, self, execute uintptr, request []byte) *rustExchange {
	x := p.pop()
	if x == nil {
		x = &rustExchange{lib: l, pool: p}
	}
	x.self, x.execute = self, execute
	x.text.fill(l.strings, request)
	return x
}

func (p *exchangePool) pop() *rustExchange {
	if x := p.last.Swap(nil); x != nil {
		return x
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.free) - 1
	if n < 0 {
		return nil
	}
	x := p.free[n]
	p.free = p.free[:n]
	return x
}

// put keeps the reply's buffer when it is the library's own and not too large, and else has whoever made it free it.
func (p *exchangePool) put(x *rustExchange) {
	reply := x.result(0)
	if !reply.sound() || reply.cap > pooledBytes || !x.lib.owns(reply.vtable) {
		reply.destroy()
		return
	}
	x.text, *reply = *reply, rString{}
	if !p.push(x) {
		x.text.destroy()
	}
	if p.closed.Load() { // perhaps after close has looked
		p.drain()
	}
}

func (p *exchangePool) push(x *rustExchange) bool {
	if p.last.CompareAndSwap(nil, x) {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.free) >= pooledExchanges-1 {
		return false
	}
	p.free = append(p.free, x)
	return true
}

// close frees what is kept, and lets nothing more be kept.
func (p *exchangePool) close() {
	p.closed.Store(true)
	p.drain()
}

func (p *exchangePool) drain() {
	for x := p.pop(); x != nil; x = p.pop() {
		x.text.destroy()
	}
}
