package native_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/loadr-plugins/loadr/loader/native"
	"github.com/loadr-plugins/loadr/loader/plugin"
)

func outputOf(t testing.TB, lib *native.Library) plugin.Output {
	t.Helper()
	o, err := lib.Output(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func serviceOf(t testing.TB, lib *native.Library) plugin.Service {
	t.Helper()
	s, err := lib.Service(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// contexts run a call on the caller's goroutine, and on one of its own.
func contexts(t *testing.T) map[string]context.Context {
	return map[string]context.Context{"here": context.Background(), "apart": t.Context()}
}

func TestOutput(t *testing.T) {
	for name, ctx := range contexts(t) {
		t.Run(name, func(t *testing.T) {
			lib := openLibrary(t, rustTrouble(t))
			o := outputOf(t, lib)
			for call, err := range map[string]error{"start": o.Start(ctx, []byte(`{"a":1}`))} {
				if err != nil {
					t.Fatalf("%s: %v", call, err)
				}
			}
			if err := errors.Join(o.Samples(ctx, []byte(`[1,2]`)), o.Snapshot(ctx, []byte(`{"s":"é"}`)), o.Finish(ctx, []byte(`{}`))); err != nil {
				t.Fatal(err)
			}
			var told *plugin.FailureError
			want := `start {"a":1}|samples [1,2]|snapshot {"s":"é"}|finish {}`
			err := o.Start(ctx, []byte(`{"do":"tell"}`))
			if !errors.As(err, &told) || *told != (plugin.FailureError{Plugin: "trouble", Call: "start", Text: want}) {
				t.Errorf("found %v", err)
			}
		})
	}
}

func TestOutputTextsAreChecked(t *testing.T) {
	lib := openLibrary(t, rustTrouble(t))
	o := outputOf(t, lib)
	before := count(t, lib).Calls
	for call, err := range map[string]error{
		"start":       o.Start(t.Context(), []byte(`{`)),
		"on_samples":  o.Samples(t.Context(), nil),
		"on_snapshot": o.Snapshot(t.Context(), []byte("\"\xff\"")),
		"finish":      o.Finish(t.Context(), []byte(`{} x`)),
	} {
		var request *plugin.RequestError
		if !errors.As(err, &request) || request.Plugin != "trouble" || request.Problem[:len(call)] != call {
			t.Errorf("%s: found %v", call, err)
		}
	}
	if calls := count(t, lib).Calls - before; calls != 1 { // the counting one
		t.Errorf("%d calls reached the plugin", calls-1)
	}
}

func TestStartFailures(t *testing.T) {
	lib := openLibrary(t, rustTrouble(t))
	o, s := outputOf(t, lib), serviceOf(t, lib)
	for name, ctx := range contexts(t) {
		for part, err := range map[string]error{
			"output": o.Start(ctx, []byte(`{"do":"refuse"}`)), "service": second(s.Start(ctx, []byte(`{"do":"refuse"}`))),
		} {
			var failure *plugin.FailureError
			if !errors.As(err, &failure) || *failure != (plugin.FailureError{Plugin: "trouble", Call: "start", Text: "as the config wants it"}) {
				t.Errorf("%s, %s: found %v", part, name, err)
			}
		}
		for part, err := range map[string]error{
			"output": o.Start(ctx, []byte(`{"do":"refuse-not-utf8"}`)), "service": second(s.Start(ctx, []byte(`{"do":"not-utf8"}`))),
		} {
			var reply *plugin.ReplyError
			if !errors.As(err, &reply) || reply.Call != "start" || reply.Problem != "not UTF-8" || reply.Excerpt != "\"\xff\"" {
				t.Errorf("%s, %s: found %v", part, name, err)
			}
		}
	}
}

func second(_ string, err error) error { return err }

func TestService(t *testing.T) {
	for name, ctx := range contexts(t) {
		t.Run(name, func(t *testing.T) {
			s := serviceOf(t, openLibrary(t, rustTrouble(t)))
			for n := range 3 {
				text, err := s.Start(ctx, []byte(`{}`))
				if want := fmt.Sprintf("started, stopped %d times", n); err != nil || text != want {
					t.Errorf("expected %s, found %s, %v", want, text, err)
				}
				if err := s.Stop(ctx); err != nil {
					t.Error(err)
				}
			}
			if text, err := s.Start(ctx, []byte(`{"do":"empty"}`)); err != nil || text != "" {
				t.Errorf("found %q, %v", text, err)
			}
		})
	}
}

func TestCallsOfOneOutputTakeTurns(t *testing.T) {
	lib := openLibrary(t, rustTrouble(t))
	outputs := []plugin.Output{outputOf(t, lib), outputOf(t, lib)}
	var wg sync.WaitGroup
	for g := range 60 {
		ctx := context.Background()
		if g%3 == 0 {
			ctx = t.Context()
		}
		wg.Go(func() {
			for range 20 {
				if err := outputs[g%2].Snapshot(ctx, []byte(`{"x":1}`)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Go(func() { // two objects do not wait for each other
		if err := outputs[0].Snapshot(context.Background(), []byte(`{"do":"sleep","ms":30}`)); err != nil {
			t.Error(err)
		}
	})
	wg.Wait()
	if c := count(t, lib); c.Overlaps != 0 || c.Calls != 60*20+2 {
		t.Errorf("found %+v", c)
	}
}

func TestOutputDeadlines(t *testing.T) {
	lib := openLibrary(t, rustTrouble(t))
	o := outputOf(t, lib)
	snapshot := []byte(`{"do":"sleep","ms":400}`)
	for range 2 { // the second one waits for its turn
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		err := o.Snapshot(ctx, snapshot)
		cancel()
		var timeout *plugin.TimeoutError
		if !errors.As(err, &timeout) || timeout.Call != "on_snapshot" {
			t.Errorf("found %v", err)
		}
	}
	clear(snapshot) // it is the caller's again
	done := make(chan error)
	go func() { done <- o.Finish(context.Background(), []byte(`{}`)) }()
	time.Sleep(20 * time.Millisecond)
	if err := o.Close(); err != nil { // nobody waits for what hangs
		t.Error(err)
	}
	select {
	case err := <-done:
		var closed *plugin.ClosedError
		if !errors.As(err, &closed) {
			t.Errorf("found %v", err)
		}
	case <-time.After(200 * time.Millisecond):
		t.Error("it still waits for its turn after Close")
	}
	if c := count(t, lib); c.Made-c.Dropped != 2 {
		t.Errorf("dropped under a running call: %+v", c)
	}
	eventually(t, func() bool { c := count(t, lib); return c.Made-c.Dropped == 1 })
	if c := count(t, lib); c.DroppedBusy != 0 || c.Overlaps != 0 {
		t.Errorf("found %+v", c)
	}
}

func TestPlacesAreSharedByAllObjects(t *testing.T) {
	o := rustTrouble(t)
	o.Concurrent = 3
	lib := openLibrary(t, o)
	out, p := outputOf(t, lib), protocolOf(t, lib)
	var wg sync.WaitGroup
	for range 12 {
		wg.Go(func() {
			if _, err := send(context.Background(), p, `{"do":"sleep","ms":10}`); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if err := out.Snapshot(context.Background(), []byte(`{"do":"sleep","ms":5}`)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if c := count(t, lib); c.MostBusy != 3 {
		t.Errorf("expected 3 calls at once, found %+v", c)
	}
}
