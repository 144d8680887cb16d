package native

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/loadr-plugins/loadr/loader/plugin"
)

// protocol is one handle on a library.
type protocol struct {
	*library
	name     string
	maxReply int
	slots    chan struct{} // one for each call that may run
	closed   chan struct{}
	close    func() error
}

func newProtocol(lib *library, o Options, remove func() error) *protocol {
	p := &protocol{
		library: lib, name: o.Name, maxReply: o.MaxReply,
		slots: make(chan struct{}, o.Concurrent), closed: make(chan struct{}),
	}
	p.close = sync.OnceValue(func() error {
		close(p.closed)
		return remove()
	})
	return p
}

// Info implements plugin.Protocol.
func (p *protocol) Info() plugin.Info { return p.info }

// Name implements plugin.Protocol.
func (p *protocol) Name() string { return p.info.Name }

// Close implements plugin.Protocol: new calls fail, calls in flight go on, the library stays loaded.
func (p *protocol) Close() error { return p.close() }

// Execute implements plugin.Protocol. With a context that cannot end, the call runs on the caller's own goroutine;
// otherwise on one of its own, with a copy of the request, since it may outlive Execute.
func (p *protocol) Execute(ctx context.Context, request []byte, use func(reply []byte) error) error {
	if !utf8.Valid(request) {
		return &plugin.RequestError{Plugin: p.name, Problem: "expected UTF-8"}
	}
	started := time.Time{}
	if ctx.Done() != nil {
		started = time.Now()
	}
	if err := p.enter(ctx); err != nil {
		return p.ended(err, started)
	}
	if ctx.Done() == nil {
		defer p.leave()
		return p.answer(p.abi.call(request), use)
	}
	return p.ended(p.executeApart(ctx, bytes.Clone(request), use), started)
}

// enter waits for a free place among the calls in flight. Where there is one, it looks at one channel at a time, which is
// several times faster than at all of them together.
func (p *protocol) enter(ctx context.Context) error {
	select {
	case <-p.closed:
		return &plugin.ClosedError{Plugin: p.name}
	default:
	}
	if err := ctx.Err(); err != nil {
		return &waitError{err}
	}
	select {
	case p.slots <- struct{}{}:
		return nil
	default:
		return p.enterSlowly(ctx)
	}
}

func (p *protocol) enterSlowly(ctx context.Context) error {
	select {
	case p.slots <- struct{}{}:
		return nil
	case <-p.closed:
		return &plugin.ClosedError{Plugin: p.name}
	case <-ctx.Done():
		return &waitError{ctx.Err()}
	}
}

func (p *protocol) leave() { <-p.slots }

// answer checks the reply, lets the caller use it and hands it back to the plugin, whatever use does.
func (p *protocol) answer(reply cText, use func(reply []byte) error) error {
	defer p.abi.release(reply)
	text, problem := reply.view(p.maxReply)
	if problem != "" {
		return plugin.NewReplyError(p.name, "execute", problem, nil)
	}
	if err := plugin.Check(text); err != nil {
		return plugin.NewReplyError(p.name, "execute", err.Error(), text)
	}
	return use(text)
}

// executeApart runs the call on a goroutine of its own and leaves it behind when ctx ends first. Whoever comes second
// has the reply: the goroutine when it finds the call abandoned, else this one.
func (p *protocol) executeApart(ctx context.Context, request []byte, use func(reply []byte) error) error {
	var decided atomic.Bool
	replies := make(chan cText, 1)
	go func() {
		defer p.leave()
		reply := p.abi.call(request)
		if decided.CompareAndSwap(false, true) {
			replies <- reply
		} else {
			p.abi.release(reply)
		}
	}()
	select {
	case reply := <-replies:
		return p.answer(reply, use)
	case <-ctx.Done():
		if decided.CompareAndSwap(false, true) {
			return &waitError{ctx.Err()}
		}
		return p.answer(<-replies, use)
	}
}

// waitError tells the end of the caller's own context from an error of use that looks the same.
type waitError struct{ cause error }

func (e *waitError) Error() string { return e.cause.Error() }

// ended gives the end of the context its public form.
func (p *protocol) ended(err error, started time.Time) error {
	var wait *waitError
	if !errors.As(err, &wait) {
		return err
	}
	if errors.Is(wait.cause, context.DeadlineExceeded) {
		return plugin.NewTimeoutError(p.name, "execute", time.Since(started), wait.cause)
	}
	return fmt.Errorf("plugin %q: execute: %w", p.name, wait.cause)
}
