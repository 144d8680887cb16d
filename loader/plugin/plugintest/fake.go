package plugintest

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/loadr-plugins/loadr/loader/plugin"
)

// Fake is a library as Open describes it, in Go. It honours contexts only before a call: a worker's server, which it is
// made for, has none that ends.
type Fake struct{ fakeLife }

// fakeLife says whether something was closed.
type fakeLife struct {
	mu     sync.Mutex
	closed bool
}

// Close implements plugin.Library and the interfaces of the objects.
func (f *fakeLife) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	return nil
}

func (f *fakeLife) check(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return &plugin.ClosedError{Plugin: "trouble"}
	}
	return ctx.Err()
}

// Info implements plugin.Library.
func (f *Fake) Info() plugin.Info {
	return plugin.Info{Name: "trouble", Version: "0.1.0", Kind: "protocol"}
}

// Parts implements plugin.Library.
func (f *Fake) Parts() plugin.Parts { return plugin.Parts{Output: true, Protocol: true, Service: true} }

// Protocol implements plugin.Library.
func (f *Fake) Protocol(ctx context.Context) (plugin.Protocol, error) {
	return &fakeProtocol{library: f}, f.check(ctx)
}

// Output implements plugin.Library.
func (f *Fake) Output(ctx context.Context) (plugin.Output, error) {
	return &fakeOutput{fakeSerial{library: f}}, f.check(ctx)
}

// Service implements plugin.Library.
func (f *Fake) Service(ctx context.Context) (plugin.Service, error) {
	return &fakeService{fakeSerial{library: f}}, f.check(ctx)
}

// wish is what a text wants to be done.
type wish struct {
	Do string
	MS int
}

func carryOut(text []byte) wish {
	var w wish
	_ = json.Unmarshal(text, &w) // most are of another shape
	if w.Do == "sleep" {
		time.Sleep(time.Duration(w.MS) * time.Millisecond)
	}
	return w
}

type fakeProtocol struct {
	fakeLife
	library *Fake
}

func (p *fakeProtocol) Name() string { return "a protocol" }

func (p *fakeProtocol) Execute(ctx context.Context, request []byte, use func(reply []byte) error) error {
	if err := p.check(ctx); err != nil {
		return err
	}
	if !utf8.Valid(request) {
		return &plugin.RequestError{Plugin: "trouble", Problem: "expected UTF-8"}
	}
	if carryOut(request).Do == "not-json" {
		return plugin.NewReplyError("trouble", "execute", "no JSON", []byte("{"))
	}
	return use(request)
}

// fakeSerial is an output or service. It sees overlapping calls, which a host must not make.
type fakeSerial struct {
	fakeLife
	library *Fake
	busy    sync.Mutex
	seen    []string
}

func (s *fakeSerial) call(ctx context.Context, method string, text []byte) error {
	if !s.busy.TryLock() {
		panic("calls of one object overlap")
	}
	defer s.busy.Unlock()
	if err := s.check(ctx); err != nil {
		return err
	}
	if method != "stop" && plugin.Check(text) != nil {
		return &plugin.RequestError{Plugin: "trouble", Problem: method}
	}
	refusal := ""
	switch w := carryOut(text); {
	case method == "start" && w.Do == "refuse":
		refusal = "as the config wants it"
	case method == "start" && w.Do == "tell":
		refusal = strings.Join(s.seen, "|")
	default:
		s.seen = append(s.seen, strings.TrimSpace(method+" "+string(text)))
		return nil
	}
	return &plugin.FailureError{Plugin: "trouble", Call: method, Text: refusal}
}

type fakeOutput struct{ fakeSerial }

func (o *fakeOutput) Name() string { return "an output" }

func (o *fakeOutput) Start(ctx context.Context, config []byte) error {
	return o.call(ctx, "start", config)
}

func (o *fakeOutput) Samples(ctx context.Context, samples []byte) error {
	return o.call(ctx, "samples", samples)
}

func (o *fakeOutput) Snapshot(ctx context.Context, snapshot []byte) error {
	return o.call(ctx, "snapshot", snapshot)
}

func (o *fakeOutput) Finish(ctx context.Context, summary []byte) error {
	return o.call(ctx, "finish", summary)
}

type fakeService struct{ fakeSerial }

func (s *fakeService) Name() string { return "a service" }

func (s *fakeService) Start(ctx context.Context, config []byte) (string, error) {
	stopped := 0
	for _, call := range s.seen {
		if call == "stop" {
			stopped++
		}
	}
	return fmt.Sprintf("started, stopped %d times", stopped), s.call(ctx, "start", config)
}

func (s *fakeService) Stop(ctx context.Context) error { return s.call(ctx, "stop", nil) }
