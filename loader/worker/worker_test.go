package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"go.uber.org/goleak"

	"github.com/loadr-plugins/loadr/loader/plugin"
	"github.com/loadr-plugins/loadr/manifest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a library in Go that makes one protocol, itself.
type fake struct {
	plugin.Library
	execute func(request []byte, use func([]byte) error) error
}

func (f *fake) Name() string { return f.Info().Name }

func (f *fake) Info() plugin.Info {
	return plugin.Info{Name: "fake", Version: "1.2.3", Schemes: []string{"x"}}
}

func (f *fake) Parts() plugin.Parts                               { return plugin.Parts{Protocol: true} }
func (f *fake) Protocol(context.Context) (plugin.Protocol, error) { return f, nil }
func (f *fake) Close() error                                      { return nil }

func (f *fake) Execute(_ context.Context, request []byte, use func([]byte) error) error {
	return f.execute(request, use)
}

func echo(request []byte, use func([]byte) error) error { return use(request) }

func opens(execute func([]byte, func([]byte) error) error) func(context.Context, OpenRequest) (plugin.Library, error) {
	return func(context.Context, OpenRequest) (plugin.Library, error) { return &fake{execute: execute}, nil }
}

// link is a client and a server in one process, over pipes.
type link struct {
	*Client
	p                 plugin.Protocol // made by mustConnect
	requests, replies *os.File        // the client's ends
	served            chan error
	err               error // of Connect
}

type linkOptions struct {
	build      string // of the server; the client's is "b"
	open       func(context.Context, OpenRequest) (plugin.Library, error)
	name       string // the plugin's; empty: fake
	concurrent int
	fate       func(error) error
}

// connect ends the server and the client at the end of the test, and fails the test when one does not end.
func connect(t testing.TB, ctx context.Context, o linkOptions) *link {
	t.Helper()
	theirRequests, requests := pipe(t)
	replies, theirReplies := pipe(t)
	l := &link{requests: requests, replies: replies, served: make(chan error, 1)}
	if o.build == "" {
		o.build = "b"
	}
	if o.name == "" {
		o.name = "fake"
	}
	if o.concurrent == 0 {
		o.concurrent = 100
	}
	go func() {
		err := Serve(context.Background(), theirRequests, theirReplies, ServeOptions{Build: o.build, Open: o.open})
		theirRequests.Close()
		theirReplies.Close()
		l.served <- err
	}()
	l.Client, l.err = Connect(ctx, replies, requests, ClientOptions{
		Build: "b", Open: OpenRequest{Name: o.name, Concurrent: o.concurrent}, Fate: o.fate,
	})
	t.Cleanup(func() {
		if l.Client != nil {
			l.Close()
		}
		requests.Close()
		select {
		case <-l.served:
		case <-time.After(5 * time.Second):
			t.Error("the server does not end")
		}
		replies.Close()
		if l.Client != nil {
			<-l.Client.done
			<-l.Client.send.done
		}
	})
	return l
}

func pipe(t testing.TB) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	return r, w
}

func mustConnect(t testing.TB, o linkOptions) *link {
	t.Helper()
	l := connect(t, t.Context(), o)
	if l.err != nil {
		t.Fatal(l.err)
	}
	var err error
	if l.p, err = l.Client.Protocol(t.Context()); err != nil {
		t.Fatal(err)
	}
	return l
}

// ask sends a request and gives a copy of the reply.
func ask(ctx context.Context, p plugin.Protocol, request string) (reply string, err error) {
	err = p.Execute(ctx, []byte(request), func(text []byte) error {
		reply = string(text)
		return nil
	})
	return reply, err
}

func TestCalls(t *testing.T) {
	l := mustConnect(t, linkOptions{open: opens(echo)})
	if got := l.Info(); got.Name != "fake" || got.Version != "1.2.3" || len(got.Schemes) != 1 {
		t.Errorf("found %+v", got)
	}
	for _, request := range []string{"x", "", strings.Repeat("long", 1<<20)} {
		if got, err := ask(t.Context(), l.p, request); err != nil || got != request {
			t.Errorf("sent %d bytes, found %d, %v", len(request), len(got), err)
		}
	}
	want := errors.New("of use")
	if err := l.p.Execute(t.Context(), nil, func([]byte) error { return want }); err != want {
		t.Errorf("found %v", err)
	}
	if err := l.p.Execute(t.Context(), nil, func([]byte) error { return context.Canceled }); err != context.Canceled {
		t.Errorf("found %v", err)
	}
}

func TestManyGoroutinesShareOneWorker(t *testing.T) {
	l := mustConnect(t, linkOptions{concurrent: 30, open: opens(echo)})
	var wg sync.WaitGroup
	for g := range 100 {
		wg.Go(func() {
			for n := range 100 {
				request := fmt.Sprintf("%d.%d.%s", g, n, strings.Repeat("x", n*g%5000))
				if got, err := ask(t.Context(), l.p, request); err != nil || got != request {
					t.Errorf("sent %.20s, found %.20s, %v", request, got, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestRepliesComeInAnyOrder(t *testing.T) {
	release := map[string]chan struct{}{"a": make(chan struct{}), "b": make(chan struct{}), "c": make(chan struct{})}
	l := mustConnect(t, linkOptions{open: opens(func(request []byte, use func([]byte) error) error {
		<-release[string(request)]
		return use(request)
	})})
	answers := make(chan string)
	for name := range release {
		go func() {
			got, err := ask(context.Background(), l.p, name)
			if err != nil {
				got = err.Error()
			}
			answers <- got
		}()
	}
	for _, name := range []string{"c", "a", "b"} {
		close(release[name])
		if got := <-answers; got != name {
			t.Errorf("expected %s, found %s", name, got)
		}
	}
}

func TestTypedErrorsCross(t *testing.T) {
	errs := []error{
		&plugin.DigestError{Path: "p", Want: digest.FromString("a"), Found: digest.FromString("b")},
		&plugin.OpenError{Library: "l", Problem: "p"},
		&plugin.FamilyError{Library: "l", Family: manifest.FamilyNative, Hosted: []manifest.Family{manifest.FamilyC}},
		&plugin.MissingSymbolError{Library: "l", Symbol: "s"},
		&plugin.VersionError{Library: "l", Want: 1, Found: 2},
		&plugin.LayoutError{Library: "l", Report: manifest.ABIReport{Family: manifest.FamilyNative, Version: "1.0.0",
			Verdict: manifest.Differs, Problems: []manifest.Problem{{Path: "a.b", Rule: "size", Want: "8", Got: "16"}}}},
		&plugin.ConstructorError{Library: "l", Panicked: true},
		&plugin.ModuleError{Library: "l", Field: "f", Problem: "absent"},
		&plugin.PartError{Plugin: "p", Part: "output", Has: plugin.Parts{Protocol: true}},
		&plugin.FailureError{Plugin: "p", Call: "start", Text: "t"},
		&plugin.RequestError{Plugin: "p", Problem: "q"},
		plugin.NewReplyError("p", "execute", "q", []byte("{")),
		&plugin.ClosedError{Plugin: "p"},
		errors.New("another one"),
	}
	for _, want := range errs {
		l := connect(t, t.Context(), linkOptions{open: func(context.Context, OpenRequest) (plugin.Library, error) {
			return nil, errors.Join(fmt.Errorf("wrapped: %w", want), nil)
		}})
		if want == errs[len(errs)-1] {
			if l.err == nil || l.err.Error() != "wrapped: "+want.Error() {
				t.Errorf("%T: found %v", want, l.err)
			}
			continue
		}
		if fmt.Sprintf("%#v", dereference(l.err)) != fmt.Sprintf("%#v", dereference(want)) {
			t.Errorf("%T: sent %v, found %T: %v", want, want, l.err, l.err)
		}
	}

	l := mustConnect(t, linkOptions{open: opens(func([]byte, func([]byte) error) error { return plugin.NewReplyError("p", "execute", "q", []byte("{")) })})
	var reply *plugin.ReplyError
	if _, err := ask(t.Context(), l.p, "x"); !errors.As(err, &reply) || reply.Excerpt != "{" {
		t.Errorf("in a call: found %v", err)
	}
}

func dereference(err error) any {
	text, _ := json.Marshal(err)
	return fmt.Sprintf("%T %s", err, text)
}

func TestDeadlineLeavesTheCallBehind(t *testing.T) {
	release := make(chan struct{})
	l := mustConnect(t, linkOptions{concurrent: 1, open: opens(func(request []byte, use func([]byte) error) error {
		if string(request) == "slow" {
			<-release
		}
		return use(request)
	})})
	for _, request := range []string{"slow", "waits for a place"} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		_, err := ask(ctx, l.p, request)
		cancel()
		var timeout *plugin.TimeoutError
		if !errors.As(err, &timeout) || timeout.Call != "execute" || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: found %v", request, err)
		}
	}
	close(release)
	if got, err := ask(t.Context(), l.p, "next"); err != nil || got != "next" {
		t.Errorf("after the deadline: found %q, %v", got, err)
	}
}

func TestCancelled(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	l := mustConnect(t, linkOptions{open: opens(func([]byte, func([]byte) error) error {
		<-release
		return nil
	})})
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	var timeout *plugin.TimeoutError
	if _, err := ask(ctx, l.p, "x"); !errors.Is(err, context.Canceled) || errors.As(err, &timeout) {
		t.Errorf("found %v", err)
	}
	if _, err := ask(ctx, l.p, "x"); !errors.Is(err, context.Canceled) {
		t.Errorf("found %v", err)
	}
}

func TestCloseEndsCallsInFlight(t *testing.T) {
	release, entered := make(chan struct{}), make(chan struct{}, 3)
	defer close(release)
	l := mustConnect(t, linkOptions{open: opens(func([]byte, func([]byte) error) error {
		entered <- struct{}{}
		<-release
		return nil
	})})
	errs := make(chan error)
	for range 3 {
		go func() {
			_, err := ask(context.Background(), l.p, "x")
			errs <- err
		}()
	}
	for range 3 {
		<-entered
	}
	l.Close()
	var closed *plugin.ClosedError
	for range 3 {
		if err := <-errs; !errors.As(err, &closed) {
			t.Errorf("in flight: found %v", err)
		}
	}
	if _, err := ask(t.Context(), l.p, "x"); !errors.As(err, &closed) {
		t.Errorf("later: found %v", err)
	}
}

func TestEndOfTheServerIsExplained(t *testing.T) {
	fate := errors.New("its fate")
	entered, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	l := mustConnect(t, linkOptions{
		fate: func(err error) error {
			if err != io.EOF {
				t.Errorf("expected the end of the pipe, found %v", err)
			}
			return fate
		},
		open: opens(func(_ []byte, use func([]byte) error) error {
			close(entered)
			<-release // as a hung plugin does; the server leaves it behind
			return nil
		}),
	})
	errs := make(chan error)
	go func() {
		_, err := ask(context.Background(), l.p, "x")
		errs <- err
	}()
	<-entered
	l.requests.Close() // the server returns at once and closes its ends
	if err := <-errs; err != fate {
		t.Errorf("in flight: found %v", err)
	}
	if _, err := ask(t.Context(), l.p, "x"); err != fate {
		t.Errorf("later: found %v", err)
	}
	if l.Err() != fate {
		t.Errorf("Err gives %v", l.Err())
	}
	<-l.Done()
}

func TestStartDeadline(t *testing.T) {
	release := make(chan struct{})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	l := connect(t, ctx, linkOptions{open: func(context.Context, OpenRequest) (plugin.Library, error) {
		<-release
		return nil, errors.New("too late")
	}})
	close(release)
	var timeout *plugin.TimeoutError
	if !errors.As(l.err, &timeout) || timeout.Call != "start" {
		t.Errorf("found %v", l.err)
	}
}
