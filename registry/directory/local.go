package directory

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// Local connects an HTTP client to a handler in this process: real connections and real HTTP, in memory. So a directory
// is read by the same client code as a registry across the network, with streaming and cancellation, and without a port
// that others could reach.
type Local struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
	server *http.Server
	served sync.WaitGroup
}

// NewLocal starts serving the handler until Close.
func NewLocal(handler http.Handler) *Local {
	l := &Local{conns: make(chan net.Conn), closed: make(chan struct{})}
	l.server = &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	l.served.Go(func() { _ = l.server.Serve((*listener)(l)) })
	return l
}

// DialContext makes a connection, whatever the address.
func (l *Local) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Close waits for requests in flight until ctx ends, and then cuts them off.
func (l *Local) Close(ctx context.Context) error {
	err := l.server.Shutdown(ctx)
	if err != nil {
		err = l.server.Close()
	}
	l.served.Wait()
	return err
}

// listener is the side of Local that http.Server sees.
type listener Local

func (l *listener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *listener) Addr() net.Addr { return addr{} }

type addr struct{}

func (addr) Network() string { return "memory" }
func (addr) String() string  { return "memory" }
