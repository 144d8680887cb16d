package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// errIdle is why a request was ended that had fallen silent.
var errIdle = errors.New("nothing was sent or received")

// stallGuard ends requests during which nothing moves, in either direction, for a while. A transfer may take hours; a
// silence may not. The time that whoever reads an answer takes between its reads is not the registry's silence.
type stallGuard struct {
	next http.RoundTripper
	idle time.Duration
}

func (g *stallGuard) RoundTrip(r *http.Request) (*http.Response, error) {
	w := newWatch(r.Context(), g.idle)
	watched := r.WithContext(w.ctx)
	if r.Body != nil && r.Body != http.NoBody {
		watched.Body = &watchedUpload{r.Body, w}
	}
	resp, err := g.next.RoundTrip(watched)
	if err != nil {
		w.stop()
		return nil, w.cause(err)
	}
	w.timer.Stop()
	resp.Body = &watchedBody{resp.Body, w}
	return resp, nil
}

// watch ends a context when nobody has been alive for a while.
type watch struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
	idle   time.Duration
}

func newWatch(ctx context.Context, idle time.Duration) *watch {
	ctx, cancel := context.WithCancelCause(ctx)
	w := &watch{ctx: ctx, cancel: cancel, idle: idle}
	w.timer = time.AfterFunc(idle, func() { cancel(fmt.Errorf("%w for %v", errIdle, idle)) })
	return w
}

func (w *watch) alive() { w.timer.Reset(w.idle) }

func (w *watch) stop() {
	w.timer.Stop()
	w.cancel(context.Canceled)
}

// cause replaces "context canceled" by what it was canceled for.
func (w *watch) cause(err error) error {
	if why := context.Cause(w.ctx); errors.Is(why, errIdle) {
		return why
	}
	return err
}

// watchedUpload is a request's body under watch: it is read when the registry takes more.
type watchedUpload struct {
	io.ReadCloser
	watch *watch
}

func (b *watchedUpload) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == nil {
		b.watch.alive()
	}
	return n, err
}

// watchedBody is an answer's body. It is under watch while it is read.
type watchedBody struct {
	io.ReadCloser
	watch *watch
}

func (b *watchedBody) Read(p []byte) (int, error) {
	b.watch.alive()
	n, err := b.ReadCloser.Read(p)
	b.watch.timer.Stop()
	if err != nil && err != io.EOF {
		err = b.watch.cause(err)
	}
	return n, err
}

func (b *watchedBody) Close() error {
	// In this order: a context that ends first would cost the connection.
	err := b.ReadCloser.Close()
	b.watch.stop()
	return err
}
