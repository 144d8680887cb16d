package cli

import (
	"context"
	"time"

	"github.com/loadr-plugins/loadr/loader/plugin"
)

// serviceResult is what a started service has answered.
type serviceResult struct {
	Name   string `json:"name"`   // what the service calls itself
	Answer string `json:"answer"` // of a meaning of its own
}

// serve runs a service. Its answer is printed as soon as it has started; an interrupt is the usual way to end it, and so
// it is no failure.
func (d *driver) serve(ctx context.Context) error {
	var s plugin.Service
	var answer string
	err := d.bounded(ctx, func(ctx context.Context) (err error) {
		if s, err = d.process.Service(ctx); err == nil {
			answer, err = s.Start(ctx, d.config)
		}
		return err
	})
	if err != nil {
		return err
	}
	defer s.Close()
	result := serviceResult{s.Name(), answer}
	if err := d.print(result, func() { d.line("%s", clean(answer)) }); err != nil {
		return err
	}
	if err := d.waitForEnd(ctx, clean(result.Name)); err != nil {
		return err
	}
	if err := d.bounded(context.WithoutCancel(ctx), s.Stop); err != nil {
		return err
	}
	d.note("%s has stopped", clean(result.Name))
	return nil
}

// waitForEnd waits for --for or an interrupt; the error is that of a plugin which has ended by itself.
func (d *driver) waitForEnd(ctx context.Context, name string) error {
	var over <-chan time.Time
	if d.flags.duration > 0 {
		d.note("%s runs for %s", name, d.flags.duration)
		over = time.After(d.flags.duration)
	} else {
		d.note("%s runs until interrupted", name)
	}
	select {
	case <-over:
	case <-ctx.Done():
	case <-d.process.Done():
		return d.process.Err()
	}
	return nil
}
