package registry

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/loadr-plugins/loadr/registry/server"
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

func (c *Client) tryWriter(ctx context.Context) (*localWriter, error) {
	writer, err := server.OpenWriter(ctx, c.options.Dir, server.WriterOptions{Note: c.options.Note})
	if err == nil {
		return &localWriter{serveInProcess(writer), writer}, nil
	}
	if conn, dialErr := server.DialServer(ctx, c.options.Dir); dialErr == nil {
		return &localWriter{inProcess: throughSocket(c.options.Dir, conn)}, nil
	}
	return nil, err
}

// throughSocket is a client of the server that holds the directory. The connection that found it is the first used.
func throughSocket(dir string, first net.Conn) *inProcess {
	found := make(chan net.Conn, 1)
	found <- first
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		select {
		case conn := <-found:
			return conn, nil
		default:
			return server.DialServer(ctx, dir)
		}
	}
	return &inProcess{client: &http.Client{Transport: &http.Transport{DialContext: dial, MaxIdleConnsPerHost: 64, DisableCompression: true}}}
}

// localWriter is the way to write the directory registry.
type localWriter struct {
	*inProcess
	writer *server.Writer // nil when a server does the writing
}

func (w *localWriter) close() error {
	err := w.inProcess.close()
	if w.writer != nil {
		err = errors.Join(err, w.writer.Close())
	}
	return err
}
