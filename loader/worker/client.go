package worker

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/loadr-plugins/loadr/loader/plugin"
)

// ClientOptions are the program's side of a connection.
type ClientOptions struct {
	Build string // must equal the server's
	Open  OpenRequest
	// Fate explains why the connection has ended: it is called once, with the error of the reading, and its result is
	// what calls in flight and later ones fail with. Nil: the error itself.
	Fate func(err error) error
}

// Client calls one plugin in a worker. It implements plugin.Protocol for many goroutines at once.
type Client struct {
	name  string
	info  plugin.Info
	send  *sender
	slots chan struct{} // one for each call that the worker may be busy with, abandoned ones included
	fate  func(err error) error

	mu    sync.Mutex
	calls map[uint64]*call // waiting for a reply
	last  uint64           // call number
	err   error            // why the connection has ended
	ended chan struct{}    // closed when err is set
	done  chan struct{}    // closed when nothing is read any more
}

// call is one request on its way. Its answer has room in the channel, so delivering never waits, also when nobody takes
// it any more.
type call struct{ answer chan answer }

// answer is what came back: a frame's kind and payload, or the end of the connection.
type answer struct {
	kind    kind
	payload []byte
	err     error
}

// Connect greets the server at the other end of r and w and has it open the library. It owns neither: the caller closes
// both after Close, or when Connect fails, which ends the goroutines that read and write.
//
// The error is *HelloError, *FrameError, that of opening the library in the worker, what Fate gives when the worker
// ends meanwhile, or *plugin.TimeoutError.
func Connect(ctx context.Context, r io.Reader, w io.Writer, o ClientOptions) (*Client, error) {
	c := &Client{
		name: o.Open.Name, send: newSender(w, 0), slots: make(chan struct{}, o.Open.Concurrent), fate: o.Fate,
		calls: map[uint64]*call{}, ended: make(chan struct{}), done: make(chan struct{}),
	}
	if c.fate == nil {
		c.fate = func(err error) error { return err }
	}
	own := hello{protocolVersion, o.Build}
	_ = own.write(w) // the reader tells why a pipe is broken
	go c.read(bufio.NewReaderSize(r, 64<<10), own)
	if err := c.open(ctx, o); err != nil {
		c.end(err)
		return nil, err
	}
	return c, nil
}

func (c *Client) open(ctx context.Context, o ClientOptions) error {
	request, err := json.Marshal(o.Open)
	if err != nil {
		return err
	}
	return c.roundTrip(ctx, "start", kindOpen, request, func(a answer) error {
		if a.kind != kindOpened {
			return &FrameError{"expected the answer to an open request"}
		}
		return json.Unmarshal(a.payload, &c.info)
	})
}

// Info implements plugin.Protocol.
func (c *Client) Info() plugin.Info { return c.info }

// Name implements plugin.Protocol.
func (c *Client) Name() string { return c.info.Name }

// Execute implements plugin.Protocol.
func (c *Client) Execute(ctx context.Context, request []byte, use func(reply []byte) error) error {
	if len(request) > MaxPayload {
		return &plugin.RequestError{
			Plugin: c.name, Problem: fmt.Sprintf("expected at most %d bytes, found %d", MaxPayload, len(request)),
		}
	}
	return c.roundTrip(ctx, "execute", kindExecute, request, func(a answer) error {
		if a.kind != kindReply {
			return &FrameError{"expected the reply to a call"}
		}
		return use(a.payload)
	})
}

// Close implements plugin.Protocol: calls in flight and later ones fail with *plugin.ClosedError, unless the connection
// has ended before. What was sent is still written; the caller closes the pipes.
func (c *Client) Close() error {
	c.end(&plugin.ClosedError{Plugin: c.name})
	return nil
}

// Done is closed when the connection has ended, for whatever reason; Err then says which.
func (c *Client) Done() <-chan struct{} { return c.ended }

// Err gives the reason why the connection has ended, nil before.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// roundTrip sends one frame and hands its answer to use, on the caller's goroutine.
func (c *Client) roundTrip(ctx context.Context, what string, k kind, payload []byte, use func(answer) error) error {
	var started time.Time
	if ctx.Done() != nil {
		started = time.Now()
	}
	waiting, err := c.start(ctx, k, payload)
	if err == nil {
		err = c.wait(ctx, waiting, use)
	}
	var cut *cutError
	if !errors.As(err, &cut) {
		return err
	}
	if errors.Is(cut.cause, context.DeadlineExceeded) {
		return plugin.NewTimeoutError(c.name, what, time.Since(started), cut.cause)
	}
	return fmt.Errorf("plugin %q: %s: %w", c.name, what, cut.cause)
}

// cutError tells the end of the caller's own context from an error of use that looks the same.
type cutError struct{ cause error }

func (e *cutError) Error() string { return e.cause.Error() }

// start waits for a free place, registers the call and sends it.
func (c *Client) start(ctx context.Context, k kind, payload []byte) (*call, error) {
	if err := ctx.Err(); err != nil {
		return nil, &cutError{err}
	}
	select {
	case c.slots <- struct{}{}:
	case <-c.ended:
		return nil, c.Err()
	case <-ctx.Done():
		return nil, &cutError{ctx.Err()}
	}
	waiting, number, err := c.register()
	if err != nil {
		return nil, err
	}
	_ = c.send.send(k, number, payload) // when the pipe is broken, the reader finds out why and ends all calls
	return waiting, nil
}

func (c *Client) register() (*call, uint64, error) {
	waiting := calls.Get().(*call)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return nil, 0, c.err
	}
	c.last++
	c.calls[c.last] = waiting
	return waiting, c.last, nil
}

var calls = sync.Pool{New: func() any { return &call{answer: make(chan answer, 1)} }}

// wait hands the answer to use, or leaves the call behind when ctx ends first. The call keeps its place until the worker
// answers, since the plugin is busy with it as long.
func (c *Client) wait(ctx context.Context, waiting *call, use func(answer) error) error {
	var a answer
	select {
	case a = <-waiting.answer:
	case <-ctx.Done():
		return &cutError{ctx.Err()}
	}
	calls.Put(waiting)
	if a.err != nil {
		return a.err
	}
	defer buffers.put(a.payload)
	if a.kind == kindFailed {
		return decodeFailure(a.payload)
	}
	return use(a)
}

// read takes the server's frames until it stops sending.
func (c *Client) read(in *bufio.Reader, own hello) {
	defer close(c.done)
	f, err := readFrame(in, nil)
	if err != nil {
		err = &FrameError{"expected a hello: " + err.Error()}
	} else {
		err = checkHello(f, own)
	}
	for err == nil {
		if f, err = readFrame(in, buffers.get()); err == nil {
			err = c.deliver(f)
		}
	}
	if c.Err() == nil { // else the end came from this side and needs no explanation
		c.end(c.fate(err))
	}
}

// deliver hands a frame to the call that waits for it.
func (c *Client) deliver(f frame) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	waiting, ok := c.calls[f.call]
	if !ok {
		return &FrameError{fmt.Sprintf("found an answer to call %d, which is not in flight", f.call)}
	}
	delete(c.calls, f.call)
	<-c.slots
	waiting.answer <- answer{kind: f.kind, payload: f.payload}
	return nil
}

// end fails all calls in flight and all later ones with err; the first reason stays.
func (c *Client) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	c.err = err
	close(c.ended)
	for _, waiting := range c.calls {
		waiting.answer <- answer{err: err}
	}
	c.calls = nil
	c.send.stop()
}
