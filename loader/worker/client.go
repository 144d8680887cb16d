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

// Client is one library in a worker. It implements plugin.Library for many goroutines at once.
type Client struct {
	name    string
	library opened
	send    *sender
	slots   chan struct{} // one for each call that the worker may be busy with, abandoned ones included
	fate    func(err error) error

	mu    sync.Mutex
	calls map[uint64]*call // waiting for a reply
	last  uint64           // call number
	err   error            // why the connection has ended
	ended chan struct{}    // closed when err is set
	done  chan struct{}    // closed when nothing is read any more
}

// message is a frame to be sent, and what it needs: what names it for messages.
type message struct {
	what    string
	kind    kind
	payload [2][]byte // its pieces
	object  *object   // whose call it is; nil: the library's own
}

// call is one message on its way. Its answer has room in the channel, so delivering never waits, also when nobody takes
// it any more.
type call struct {
	answer chan answer
	places chan struct{} // of its object, to be freed with the answer; may be nil
}

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
	_, err = c.roundTrip(ctx, message{what: "start", kind: kindOpen, payload: [2][]byte{request}}, func(payload []byte) error {
		return json.Unmarshal(payload, &c.library)
	})
	return err
}

// Info implements plugin.Library.
func (c *Client) Info() plugin.Info { return c.library.Info }

// Parts implements plugin.Library.
func (c *Client) Parts() plugin.Parts { return c.library.Parts }

// Close implements plugin.Library: calls in flight and later ones fail with *plugin.ClosedError, unless the connection
// has ended before. What was sent is still written; the caller closes the pipes.
func (c *Client) Close() error {
	c.end(c.closedError())
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

// roundTrip sends one frame and hands the payload of its answer to use, on the caller's goroutine. It gives the frame's
// number, 0 when none was sent.
func (c *Client) roundTrip(ctx context.Context, m message, use func(payload []byte) error) (uint64, error) {
	watched := watch(ctx)
	waiting, number, err := c.start(ctx, m)
	if err == nil {
		err = c.wait(ctx, waiting, answers[m.kind], use)
	}
	return number, watched.ended(c.name, m.what, err)
}

// answers are the kinds that answer a client's frames where nothing fails.
var answers = [kindEnd]kind{kindOpen: kindOpened, kindMake: kindMade, kindCall: kindReply}

// stopwatch measures how long a caller with a deadline waits; for one without, it costs nothing.
type stopwatch struct{ started time.Time }

func watch(ctx context.Context) stopwatch {
	if ctx.Done() == nil {
		return stopwatch{}
	}
	return stopwatch{time.Now()}
}

// ended gives the end of the caller's context its public form.
func (s stopwatch) ended(name, what string, err error) error {
	var cut *cutError
	if !errors.As(err, &cut) {
		return err
	}
	if errors.Is(cut.cause, context.DeadlineExceeded) {
		return plugin.NewTimeoutError(name, what, time.Since(s.started), cut.cause)
	}
	return fmt.Errorf("plugin %q: %s: %w", name, what, cut.cause)
}

// cutError tells the end of the caller's own context from an error of use that looks the same.
type cutError struct{ cause error }

func (e *cutError) Error() string { return e.cause.Error() }

// start waits for a free place, registers the call and sends it.
func (c *Client) start(ctx context.Context, m message) (*call, uint64, error) {
	var places chan struct{}
	if m.object != nil {
		places = m.object.places
	}
	if places != nil {
		if err := c.enter(ctx, m.object, places); err != nil {
			return nil, 0, err
		}
	}
	err := c.enter(ctx, m.object, c.slots)
	if err != nil && places != nil {
		<-places
	}
	if err != nil {
		return nil, 0, err
	}
	waiting, number, err := c.register(places)
	if err != nil {
		return nil, 0, err // of the end: nobody needs a place any more
	}
	_ = c.send.send(m.kind, number, m.payload[:]...) // when the pipe is broken, the reader finds out why and ends all calls
	return waiting, number, nil
}

// enter waits for a place as long as the connection, the object and ctx last.
func (c *Client) enter(ctx context.Context, o *object, places chan struct{}) error {
	var closed chan struct{}
	if o != nil {
		closed = o.closed
	}
	if err := ctx.Err(); err != nil {
		return &cutError{err}
	}
	select {
	case places <- struct{}{}:
		return nil
	case <-c.ended:
		return c.Err()
	case <-closed:
		return c.closedError()
	case <-ctx.Done():
		return &cutError{ctx.Err()}
	}
}

func (c *Client) closedError() error { return &plugin.ClosedError{Plugin: c.name} }

func (c *Client) register(places chan struct{}) (*call, uint64, error) {
	waiting := calls.Get().(*call)
	waiting.places = places
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

// wait hands an answer of the wanted kind to use, or leaves the call behind when ctx ends first. The call keeps its place until the worker
// answers, since the plugin is busy with it as long.
func (c *Client) wait(ctx context.Context, waiting *call, want kind, use func([]byte) error) error {
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
	switch a.kind {
	case want:
		return use(a.payload)
	case kindFailed:
		return decodeFailure(a.payload)
	}
	return &FrameError{fmt.Sprintf("expected an answer of kind %d, found %d", want, a.kind)}
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
	if waiting.places != nil {
		<-waiting.places
	}
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
