package registry

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/loadr-plugins/loadr/registry/directory"
)

const (
	firstPause = 10 * time.Millisecond
	lastPause  = 200 * time.Millisecond
)

// openWriter takes the directory registry's lock, or finds the server that holds it, or waits for another command to
// release it.
func (c *Client) openWriter(ctx context.Context) (*localWriter, error) {
	if c.options.Dir == "" {
		return nil, errNoDir
	}
	waiting := c.options.Waiting
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		w, err := c.tryWriter(ctx)
		var busy *BusyError
		if err == nil || !errors.As(err, &busy) || c.options.NoWait {
			return w, err
		}
		if waiting != nil {
			waiting(busy.Holder)
			waiting = nil
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Writer is a process that may write the directory registry, alone, until Close.
type Writer interface {
	// DialContext connects to its HTTP server, whatever the address.
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
	Close() error
}

func (c *Client) tryWriter(ctx context.Context) (*localWriter, error) {
	if conn, err := directory.DialServer(ctx, c.options.Dir); err == nil {
		return &localWriter{inProcess: through(c.dialServer(conn))}, nil
	}
	if c.options.Writer == nil {
		return nil, errNoWriter
	}
	writer, err := c.options.Writer(ctx, c.options.Dir, c.options.Note)
	if err != nil {
		return nil, err
	}
	return &localWriter{through(writer.DialContext), writer}, nil
}

type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// dialServer connects to the server that holds the directory. The connection that found it is the first used.
func (c *Client) dialServer(first net.Conn) dialFunc {
	found := make(chan net.Conn, 1)
	found <- first
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		select {
		case conn := <-found:
			return conn, nil
		default:
			return directory.DialServer(ctx, c.options.Dir)
		}
	}
}

// localWriter is the way to write the directory registry.
type localWriter struct {
	*inProcess
	writer Writer // nil when a server does the writing
}

func (w *localWriter) close() error {
	err := w.inProcess.close()
	if w.writer != nil {
		err = errors.Join(err, w.writer.Close())
	}
	return err
}
