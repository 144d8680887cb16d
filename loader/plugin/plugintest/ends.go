package plugintest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/loadr-plugins/loadr/loader/plugin"
)

// A call that takes longer than anybody waits for it in the tests that cut calls short.
const slow = `{"do":"sleep","ms":1500}`

// testDeadlines: every kind of call returns at its deadline, and says which it was.
func testDeadlines(t *testing.T, l plugin.Library) {
	o, s, p := outputOf(t, l), serviceOf(t, l), protocolOf(t, l)
	for call, do := range map[string]func(ctx context.Context) error{
		"execute":    func(ctx context.Context) error { _, err := ask(ctx, p, slow); return err },
		"on_samples": func(ctx context.Context) error { return o.Samples(ctx, []byte(slow)) },
		"start":      func(ctx context.Context) error { _, err := s.Start(ctx, []byte(slow)); return err },
	} {
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		started := time.Now()
		err := do(ctx)
		var timeout *plugin.TimeoutError
		if !errors.As(err, &timeout) || timeout.Call != call || timeout.Plugin != "trouble" || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: found %v", call, err)
		}
		if took := time.Since(started); took > time.Second {
			t.Errorf("%s: returned after %v", call, took)
		}
	}
	if got, err := ask(within(t), p, `{"others":"go on"}`); err != nil || got != `{"others":"go on"}` {
		t.Errorf("after the deadlines: found %s, %v", got, err)
	}
}

// testCancelledBefore: with a context that has ended, nothing is made or handed over.
func testCancelledBefore(t *testing.T, l plugin.Library) {
	o, p := outputOf(t, l), protocolOf(t, l)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, asked := ask(ctx, p, `{}`)
	_, made := l.Output(ctx)
	for name, err := range map[string]error{"execute": asked, "snapshot": o.Snapshot(ctx, []byte(`{}`)), "making": made} {
		var timeout *plugin.TimeoutError
		if !errors.Is(err, context.Canceled) || errors.As(err, &timeout) {
			t.Errorf("%s: found %v", name, err)
		}
	}
	if got := seen(t, o); got != "" {
		t.Errorf("the output saw %s", got)
	}
}

// testObjectsAreApart: each object has a life and a state of its own.
func testObjectsAreApart(t *testing.T, l plugin.Library) {
	first, second, other := outputOf(t, l), outputOf(t, l), protocolOf(t, l)
	if err := first.Snapshot(within(t), []byte(`{}`)); err != nil {
		t.Error(err)
	}
	if got := seen(t, second); got != "" {
		t.Errorf("the second output saw %s", got)
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	if err := second.Snapshot(within(t), []byte(`{}`)); err != nil {
		t.Errorf("after closing the first: %v", err)
	}
	if _, err := ask(within(t), other, `{}`); err != nil {
		t.Errorf("after closing the first: %v", err)
	}
}

func checkClosed(t *testing.T, when string, err error) {
	t.Helper()
	var closed *plugin.ClosedError
	if !errors.As(err, &closed) || closed.Plugin != "trouble" {
		t.Errorf("%s: expected it closed, found %v", when, err)
	}
}

func testObjectClosed(t *testing.T, l plugin.Library) {
	o, s, p := outputOf(t, l), serviceOf(t, l), protocolOf(t, l)
	for range 2 {
		if err := errors.Join(o.Close(), s.Close(), p.Close()); err != nil {
			t.Error(err)
		}
	}
	for name, ctx := range map[string]context.Context{"no deadline": context.Background(), "deadline": within(t)} {
		_, asked := ask(ctx, p, `{}`)
		checkClosed(t, "execute, "+name, asked)
		_, started := s.Start(ctx, []byte(`{}`))
		checkClosed(t, "service, "+name, started)
		checkClosed(t, "stop, "+name, s.Stop(ctx))
		checkClosed(t, "snapshot, "+name, o.Snapshot(ctx, []byte(`{}`)))
	}
}

// testObjectClosedInCall: a call in flight goes on to its end, and Close does not wait for it.
func testObjectClosedInCall(t *testing.T, l plugin.Library) {
	o, p := outputOf(t, l), protocolOf(t, l)
	text := `{"do":"sleep","ms":500}`
	results := make(chan error, 2)
	go func() {
		got, err := ask(context.Background(), p, text)
		if err == nil && got != text {
			err = fmt.Errorf("found %q", got)
		}
		results <- err
	}()
	go func() { results <- o.Snapshot(context.Background(), []byte(text)) }()
	time.Sleep(200 * time.Millisecond) // the calls have begun
	started := time.Now()
	if err := errors.Join(o.Close(), p.Close()); err != nil {
		t.Error(err)
	}
	if took := time.Since(started); took > 200*time.Millisecond {
		t.Errorf("Close took %v", took)
	}
	checkClosed(t, "later", o.Snapshot(within(t), []byte(`{}`)))
	for range cap(results) {
		if err := <-results; err != nil {
			t.Errorf("a call in flight: %v", err)
		}
	}
}

// testLibraryClosed: nothing works any more, and calls in flight end, at once in a worker and by themselves here.
func testLibraryClosed(t *testing.T, l plugin.Library) {
	o, p := outputOf(t, l), protocolOf(t, l)
	inFlight := make(chan error, 1)
	go func() {
		_, err := ask(context.Background(), p, `{"do":"sleep","ms":300}`)
		inFlight <- err
	}()
	time.Sleep(100 * time.Millisecond)
	for range 2 {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := <-inFlight; err != nil {
		checkClosed(t, "in flight", err)
	}
	_, asked := ask(within(t), p, `{}`)
	checkClosed(t, "execute", asked)
	checkClosed(t, "snapshot", o.Snapshot(within(t), []byte(`{}`)))
	_, made := l.Service(within(t))
	checkClosed(t, "making", made)
	if err := errors.Join(o.Close(), p.Close()); err != nil {
		t.Errorf("closing an object after its library: %v", err)
	}
}

// testManyGoroutines: objects are made, called and closed side by side.
func testManyGoroutines(t *testing.T, l plugin.Library) {
	shared := protocolOf(t, l)
	var wg sync.WaitGroup
	for g := range 16 {
		wg.Go(func() {
			for n := range 20 {
				own := protocolOf(t, l)
				request := fmt.Sprintf(`{"g":%d,"n":%d}`, g, n)
				for _, p := range []plugin.Protocol{own, shared} {
					if got, err := ask(within(t), p, request); err != nil || got != request {
						t.Errorf("sent %s, found %s, %v", request, got, err)
					}
				}
				if err := own.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}
