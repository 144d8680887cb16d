package worker

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync"

	"github.com/loadr-plugins/loadr/loader/plugin"
)

// ServeOptions are the worker's side of a connection.
type ServeOptions struct {
	Build string // must equal the client's
	// Open opens the one library of this process.
	Open func(ctx context.Context, request OpenRequest) (plugin.Protocol, error)
}

// sendLimit is how many bytes of replies the server gathers before calls wait for the client to read them.
const sendLimit = 8 << 20

// server is one connection with one plugin.
type server struct {
	open     func(ctx context.Context, request OpenRequest) (plugin.Protocol, error)
	send     *sender
	asked    bool            // an open request has come
	protocol plugin.Protocol // set before opened is closed
	opened   chan struct{}
}

// Serve does what the client at the other end of r and w asks for, until r ends, and then returns nil at once: calls and
// an opening that are still running are left to the end of the process, which is the caller's to bring about. It
// reads all the time, whatever the plugin does, so the end of the client is always seen. Any error is that of a client
// which is not this build's.
func Serve(ctx context.Context, r io.Reader, w io.Writer, o ServeOptions) error {
	in := bufio.NewReaderSize(r, 64<<10)
	s := &server{open: o.Open, send: newSender(w, sendLimit), opened: make(chan struct{})}
	defer s.send.stop()
	if err := greet(in, w, hello{protocolVersion, o.Build}); err != nil {
		return err
	}
	for {
		f, err := readFrame(in, buffers.get())
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = s.handle(ctx, f)
		}
		if err != nil {
			return err
		}
	}
}

// greet sends the hello before it reads the other's, so that both sides can say what they found.
func greet(in *bufio.Reader, w io.Writer, own hello) error {
	if err := own.write(w); err != nil {
		return err
	}
	f, err := readFrame(in, nil)
	if err != nil {
		return fmt.Errorf("worker connection: hello: %w", err)
	}
	return checkHello(f, own)
}

// handle starts what a frame asks for and does not wait for it.
func (s *server) handle(ctx context.Context, f frame) error {
	switch f.kind {
	case kindOpen:
		var request OpenRequest
		if err := json.Unmarshal(f.payload, &request); err != nil || s.asked {
			return &FrameError{"expected one open request in JSON"}
		}
		s.asked = true
		go s.openPlugin(ctx, f.call, request)
		return nil
	case kindExecute:
		select {
		case <-s.opened:
		default:
			return &FrameError{"expected an open plugin before a call"}
		}
		go s.execute(f)
		return nil
	default:
		return &FrameError{fmt.Sprintf("found a frame of kind %d, which no client sends", f.kind)}
	}
}

func (s *server) openPlugin(ctx context.Context, call uint64, request OpenRequest) {
	p, err := s.open(ctx, request)
	if err != nil {
		s.fail(call, err)
		return
	}
	text, err := json.Marshal(p.Info())
	if err != nil {
		s.fail(call, err)
		return
	}
	s.protocol = p
	close(s.opened)
	_ = s.send.send(kindOpened, call, text) // a client that is gone is seen by the reader
}

// execute runs one call. Its context never ends, so the call runs on this goroutine and the reply is copied once, from
// the plugin's memory into what is sent next.
func (s *server) execute(f frame) {
	err := s.protocol.Execute(context.Background(), f.payload, func(reply []byte) error {
		_ = s.send.send(kindReply, f.call, reply) // a client that is gone is seen by the reader
		return nil
	})
	if err != nil {
		s.fail(f.call, err)
	}
	buffers.put(f.payload)
}

func (s *server) fail(call uint64, err error) { _ = s.send.send(kindFailed, call, encodeFailure(err)) }

// bufferPool recycles payloads.
type bufferPool struct{ pool sync.Pool }

var buffers bufferPool

func (p *bufferPool) get() []byte {
	if b, ok := p.pool.Get().(*[]byte); ok {
		return (*b)[:0]
	}
	return nil
}

// put takes a payload back, unless keeping it would keep a lot of memory.
func (p *bufferPool) put(b []byte) {
	if cap(b) > 0 && cap(b) <= keepBuffer {
		p.pool.Put(&b)
	}
}
