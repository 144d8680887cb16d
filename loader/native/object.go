package native

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/loadr-plugins/loadr/loader/plugin"
)

// object is what all objects of a library share: a name, and a life that ends after the last call in flight.
type object struct {
	lib    *Library
	name   string
	calls  atomic.Int64  // in flight, and closedBit once closed
	closed chan struct{} // closed with closedBit
	drop   func()        // runs once, after closing, when no call is in flight; nil: nothing to drop
}

const closedBit = 1 << 62

// Name implements plugin.Protocol, Output and Service.
func (o *object) Name() string { return o.name }

// Close implements plugin.Protocol, Output and Service. The library stays loaded.
func (o *object) Close() error {
	for {
		n := o.calls.Load()
		if n&closedBit != 0 {
			return nil
		}
		if o.calls.CompareAndSwap(n, n|closedBit) {
			close(o.closed)
			o.lib.forget(o)
			if n == 0 {
				o.dropNow()
			}
			return nil
		}
	}
}

func (o *object) dropNow() {
	if o.drop != nil {
		o.drop()
	}
}

// begin takes part in the object's life and a place among the library's calls in flight. Every begin without an error
// is followed by one end.
func (o *object) begin(ctx context.Context) error {
	if !o.hold() {
		return o.closedError()
	}
	if err := ctx.Err(); err != nil {
		o.release()
		return &waitError{err}
	}
	if o.lib.gate.enter(ctx, o.closed) {
		return nil
	}
	o.release()
	if err := ctx.Err(); err != nil {
		return &waitError{err}
	}
	return o.closedError()
}

func (o *object) end() {
	o.lib.gate.leave()
	o.release()
}

// hold counts a call, unless the object is closed.
func (o *object) hold() bool {
	for {
		n := o.calls.Load()
		if n&closedBit != 0 {
			return false
		}
		if o.calls.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// release ends what hold began. Nobody holds a closed object any more, so the count meets zero once.
func (o *object) release() {
	if o.calls.Add(-1) == closedBit {
		o.dropNow()
	}
}

func (o *object) closedError() error { return &plugin.ClosedError{Plugin: o.lib.name} }

// apart runs work on a goroutine of its own and leaves it behind when ctx ends first. Whoever comes second has the result:
// the goroutine hands it to late when it finds the call abandoned, else it is returned.
func apart[T any](ctx context.Context, work func() T, late func(T)) (T, error) {
	var decided atomic.Bool
	results := make(chan T, 1)
	go func() {
		result := work()
		if decided.CompareAndSwap(false, true) {
			results <- result
		} else {
			late(result)
		}
	}()
	select {
	case result := <-results:
		return result, nil
	case <-ctx.Done():
		if decided.CompareAndSwap(false, true) {
			var none T
			return none, &waitError{ctx.Err()}
		}
		return <-results, nil
	}
}

// waitError tells the end of the caller's own context from an error of use that looks the same.
type waitError struct{ cause error }

func (e *waitError) Error() string { return e.cause.Error() }

// stopwatch measures how long a caller with a deadline waits; for one without, it costs nothing.
type stopwatch struct{ started time.Time }

func watch(ctx context.Context) stopwatch {
	if ctx.Done() == nil {
		return stopwatch{}
	}
	return stopwatch{time.Now()}
}

// ended gives the end of the context its public form.
func (s stopwatch) ended(name, call string, err error) error {
	var wait *waitError
	if !errors.As(err, &wait) {
		return err
	}
	if errors.Is(wait.cause, context.DeadlineExceeded) {
		return plugin.NewTimeoutError(name, call, time.Since(s.started), wait.cause)
	}
	return fmt.Errorf("plugin %q: %s: %w", name, call, wait.cause)
}
