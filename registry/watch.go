package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// watch ends a context when nothing has arrived for a while. A download may take hours; a silence may not.
type watch struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
	idle   time.Duration
}

var errIdle = errors.New("nothing arrived in time")

func newWatch(ctx context.Context, idle time.Duration) *watch {
	ctx, cancel := context.WithCancelCause(ctx)
	w := &watch{ctx: ctx, cancel: cancel, idle: idle}
	w.timer = time.AfterFunc(idle, func() { cancel(fmt.Errorf("%w: %v", errIdle, idle)) })
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

// watchedBody is a response's body under watch.
type watchedBody struct {
	io.ReadCloser
	watch *watch
	repo  Repository
}

func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.watch.alive()
	if err != nil && err != io.EOF {
		err = translate(b.repo, "", b.watch.cause(err))
	}
	return n, err
}

func (b *watchedBody) Close() error {
	b.watch.stop()
	return b.ReadCloser.Close()
}
