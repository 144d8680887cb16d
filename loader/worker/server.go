package worker

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/loadr-plugins/loadr/loader/plugin"
)

// ServeOptions are the worker's side of a connection.
type ServeOptions struct {
	Build string // must equal the client's
	// Open opens the one library of this process.
	Open func(ctx context.Context, request OpenRequest) (plugin.Library, error)
}

const (
	// sendLimit is how many bytes of replies the server gathers before calls wait for the client to read them.
	sendLimit = 8 << 20
	// closeTime is how long Serve lets the library drop its objects: less than the grace that loader gives a worker.
	closeTime = 500 * time.Millisecond
)

// server is one connection with one library.
type server struct {
	openLibrary func(ctx context.Context, request OpenRequest) (plugin.Library, error)
	send        *sender
	asked       bool           // an open request has come
	name        string         // the plugin's, as the client says
	library     plugin.Library // set before opened is closed
	opened      chan struct{}
	objects     map[uint64]*served // that are not dropped; the reader's alone
}

// Serve does what the client at the other end of r and w asks for, until r ends. Then it closes the library, so that the
// plugin's objects are dropped, and returns nil, within half a second: calls, an opening or a drop that are still running
// are left to the end of the process, which is the caller's to bring about. It reads all the time, whatever the plugin
// does, so the end of the client is always seen. Any error is that of a client which is not this build's.
func Serve(ctx context.Context, r io.Reader, w io.Writer, o ServeOptions) error {
	in := bufio.NewReaderSize(r, 64<<10)
	s := &server{
		openLibrary: o.Open, send: newSender(w, sendLimit), opened: make(chan struct{}), objects: map[uint64]*served{},
	}
	defer s.send.stop()
	if err := greet(in, w, hello{protocolVersion, o.Build}); err != nil {
		return err
	}
	for {
		f, err := readFrame(in, buffers.get())
		if err == io.EOF {
			s.close()
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

// close drops the library's objects while the process still lives; a plugin may write out what it has gathered.
func (s *server) close() {
	if !s.isOpen() {
		return
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		_ = s.library.Close() // nobody listens any more
	}()
	select {
	case <-closed:
	case <-time.After(closeTime):
	}
}

func (s *server) isOpen() bool {
	select {
	case <-s.opened:
		return true
	default:
		return false
	}
}

// handle starts what a frame asks for and does not wait for it.
func (s *server) handle(ctx context.Context, f frame) error {
	if f.kind == kindOpen {
		return s.open(ctx, f)
	}
	if !s.isOpen() {
		return &FrameError{"expected an open request before anything else"}
	}
	switch f.kind {
	case kindCall:
		return s.call(f)
	case kindMake:
		return s.make(f)
	case kindDrop:
		return s.drop(f)
	default:
		return &FrameError{fmt.Sprintf("found a frame of kind %d, which no client sends", f.kind)}
	}
}

func (s *server) open(ctx context.Context, f frame) error {
	var request OpenRequest
	if err := json.Unmarshal(f.payload, &request); err != nil || s.asked {
		return &FrameError{"expected one open request in JSON"}
	}
	s.asked, s.name = true, request.Name
	go s.openNow(ctx, f.call, request)
	return nil
}

func (s *server) openNow(ctx context.Context, call uint64, request OpenRequest) {
	library, err := s.openLibrary(ctx, request)
	if err != nil {
		s.fail(call, err)
		return
	}
	text, err := json.Marshal(opened{library.Info(), library.Parts()})
	if err != nil {
		s.fail(call, err)
		return
	}
	s.library = library
	close(s.opened)
	_ = s.send.send(kindOpened, call, text) // a client that is gone is seen by the reader
}

// make gives the object its place before the library makes it, so that a drop finds it.
func (s *server) make(f frame) error {
	if len(f.payload) != 1 || making[part(f.payload[0])] == "" || s.objects[f.call] != nil {
		return &FrameError{"expected a part, for an object that is not there yet"}
	}
	o := &served{made: make(chan struct{})}
	s.objects[f.call] = o
	go func() {
		err := o.make(s.library, part(f.payload[0]))
		close(o.made) // the client may call it as soon as it has the answer
		if err != nil {
			s.fail(f.call, err)
			return
		}
		_ = s.send.send(kindMade, f.call, []byte(o.name()))
	}()
	return nil
}

// call has the object carry out a call. One that is gone was closed while the call was on its way.
func (s *server) call(f frame) error {
	number, m, text, err := parseCall(f.payload)
	if err != nil {
		return err
	}
	o := s.objects[number]
	if o == nil {
		s.fail(f.call, &plugin.ClosedError{Plugin: s.name})
		return nil
	}
	select {
	case <-o.made:
	default:
		return &FrameError{"expected a call of an object that was made"}
	}
	o.calls.Add(1)
	o.submit(func() {
		defer o.calls.Done()
		if err := o.run(m, text, func(reply []byte) { _ = s.send.send(kindReply, f.call, reply) }); err != nil {
			s.fail(f.call, err)
		}
		buffers.put(f.payload)
	})
	return nil
}

func (s *server) drop(f frame) error {
	if len(f.payload) != 8 {
		return &FrameError{"expected an object's number"}
	}
	number := binary.LittleEndian.Uint64(f.payload)
	if o := s.objects[number]; o != nil {
		delete(s.objects, number)
		go o.drop()
	}
	return nil
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
