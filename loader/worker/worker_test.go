package worker

import (
	"bytes"
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

// fake is a plugin in Go, in place of a library.
type fake struct {
	execute func(request []byte, use func([]byte) error) error
}

func (f *fake) Info() plugin.Info {
	return plugin.Info{Name: "fake", Version: "1.2.3", Schemes: []string{"x"}}
}
func (f *fake) Close() error { return nil }

func (f *fake) Execute(_ context.Context, request []byte, use func([]byte) error) error {
	return f.execute(request, use)
}

func echo(request []byte, use func([]byte) error) error { return use(request) }

func opens(execute func([]byte, func([]byte) error) error) func(context.Context, OpenRequest) (plugin.Protocol, error) {
	return func(context.Context, OpenRequest) (plugin.Protocol, error) { return &fake{execute}, nil }
}

// link is a client and a server in one process, over pipes.
type link struct {
	*Client
	requests, replies *os.File // the client's ends
	served            chan error
	err               error // of Connect
}

type linkOptions struct {
	build      string // of the server; the client's is "b"
	open       func(context.Context, OpenRequest) (plugin.Protocol, error)
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
		Build: "b", Open: OpenRequest{Name: "fake", Concurrent: o.concurrent}, Fate: o.fate,
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
		if got, err := ask(t.Context(), l, request); err != nil || got != request {
			t.Errorf("sent %d bytes, found %d, %v", len(request), len(got), err)
		}
	}
	want := errors.New("of use")
	if err := l.Execute(t.Context(), nil, func([]byte) error { return want }); err != want {
		t.Errorf("found %v", err)
	}
	if err := l.Execute(t.Context(), nil, func([]byte) error { return context.Canceled }); err != context.Canceled {
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
				if got, err := ask(t.Context(), l, request); err != nil || got != request {
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
			got, err := ask(context.Background(), l, name)
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
		&plugin.RequestError{Plugin: "p", Problem: "q"},
		plugin.NewReplyError("p", "execute", "q", []byte("{")),
		&plugin.ClosedError{Plugin: "p"},
		errors.New("another one"),
	}
	for _, want := range errs {
		l := connect(t, t.Context(), linkOptions{open: func(context.Context, OpenRequest) (plugin.Protocol, error) {
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

	l := mustConnect(t, linkOptions{open: opens(func([]byte, func([]byte) error) error { return errs[6] })})
	var reply *plugin.ReplyError
	if _, err := ask(t.Context(), l, "x"); !errors.As(err, &reply) || reply.Excerpt != "{" {
		t.Errorf("in a call: found %v", err)
	}
}

func dereference(err error) any {
	text, _ := json.Marshal(err)
	return fmt.Sprintf("%T %s", err, text)
}

func TestOtherBuildIsRefused(t *testing.T) {
	l := connect(t, t.Context(), linkOptions{build: "other", open: opens(echo)})
	var hello *HelloError
	if !errors.As(l.err, &hello) || !strings.Contains(l.err.Error(), `expected build "b" (protocol 1), found "other"`) {
		t.Errorf("the client found %v", l.err)
	}
	err := <-l.served
	if !errors.As(err, &hello) {
		t.Errorf("the server found %v", err)
	}
	l.served <- err
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
		_, err := ask(ctx, l, request)
		cancel()
		var timeout *plugin.TimeoutError
		if !errors.As(err, &timeout) || timeout.Call != "execute" || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: found %v", request, err)
		}
	}
	close(release)
	if got, err := ask(t.Context(), l, "next"); err != nil || got != "next" {
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
	if _, err := ask(ctx, l, "x"); !errors.Is(err, context.Canceled) || errors.As(err, &timeout) {
		t.Errorf("found %v", err)
	}
	if _, err := ask(ctx, l, "x"); !errors.Is(err, context.Canceled) {
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
			_, err := ask(context.Background(), l, "x")
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
	if _, err := ask(t.Context(), l, "x"); !errors.As(err, &closed) {
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
		_, err := ask(context.Background(), l, "x")
		errs <- err
	}()
	<-entered
	l.requests.Close() // the server returns at once and closes its ends
	if err := <-errs; err != fate {
		t.Errorf("in flight: found %v", err)
	}
	if _, err := ask(t.Context(), l, "x"); err != fate {
		t.Errorf("later: found %v", err)
	}
	if l.Err() != fate {
		t.Errorf("Err gives %v", l.Err())
	}
	<-l.Done()
}

func TestServerRefusesWhatNoClientSends(t *testing.T) {
	greeting := string(encode(kindHello, 0, `{"protocol":1,"build":"b"}`))
	open := string(encode(kindOpen, 1, `{}`))
	tests := map[string]struct {
		input string
		want  string // of the error; empty: none
	}{
		"nothing after hello":  {greeting, ""},
		"nothing":              {"", "hello: EOF"},
		"no hello":             {open, "expected a hello"},
		"hello that is broken": {string(encode(kindHello, 0, "{")), "expected a hello"},
		"call before open":     {greeting + string(encode(kindExecute, 1, "{}")), "expected an open plugin before a call"},
		"open twice":           {greeting + open + open, "expected one open request in JSON"},
		"open that is broken":  {greeting + string(encode(kindOpen, 1, "{")), "expected one open request in JSON"},
		"reply":                {greeting + string(encode(kindReply, 1, "{}")), "found a frame of kind 5"},
		"unknown kind":         {greeting + string(encode(99, 1, "{}")), "expected a frame's kind, found 99"},
		"cut header":           {greeting + "\x01", "unexpected EOF"},
		"cut payload":          {greeting + string(encode(kindExecute, 1, "{}")[:14]), "unexpected EOF"},
		"length of a liar":     {greeting + "\xff\xff\xff\xff\x04" + strings.Repeat("\x00", 8), "at most 268435456 bytes"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := Serve(t.Context(), strings.NewReader(tt.input), io.Discard, ServeOptions{Build: "b", Open: opens(echo)})
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("found %v", err)
			}
		})
	}
}

func TestClientRefusesWhatNoServerSends(t *testing.T) {
	greeting := string(encode(kindHello, 0, `{"protocol":1,"build":"b"}`))
	for name, input := range map[string]string{
		"nothing":                "",
		"no hello":               "GET / HTTP/1.1\r\n\r\n",
		"answer to no call":      greeting + string(encode(kindReply, 77, "{}")),
		"other answer to open":   greeting + string(encode(kindReply, 1, "{}")),
		"failure that is broken": greeting + string(encode(kindFailed, 1, "{")),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Connect(t.Context(), strings.NewReader(input), io.Discard, ClientOptions{
				Build: "b", Open: OpenRequest{Name: "fake", Concurrent: 1},
			})
			var bad *FrameError
			if !errors.As(err, &bad) {
				t.Errorf("found %v", err)
			}
		})
	}
}

func TestStartDeadline(t *testing.T) {
	release := make(chan struct{})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	l := connect(t, ctx, linkOptions{open: func(context.Context, OpenRequest) (plugin.Protocol, error) {
		<-release
		return nil, errors.New("too late")
	}})
	close(release)
	var timeout *plugin.TimeoutError
	if !errors.As(l.err, &timeout) || timeout.Call != "start" {
		t.Errorf("found %v", l.err)
	}
}

func TestRequestThatIsTooLarge(t *testing.T) {
	l := mustConnect(t, linkOptions{open: opens(echo)})
	var request *plugin.RequestError
	if err := l.Execute(t.Context(), make([]byte, MaxPayload+1), nil); !errors.As(err, &request) {
		t.Errorf("found %v", err)
	}
}

// slowWriter takes what is written when it is told to.
type slowWriter struct {
	mu    sync.Mutex
	taken bytes.Buffer
	calls int
	gate  chan struct{}
}

func (w *slowWriter) Write(p []byte) (int, error) {
	<-w.gate
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls++
	return w.taken.Write(p)
}

func TestSenderGathersAndBounds(t *testing.T) {
	w := &slowWriter{gate: make(chan struct{})}
	s := newSender(w, 1000)
	for range 50 { // the first is taken by the writer, which waits; the rest is gathered
		if err := s.send(kindReply, 1, make([]byte, 10)); err != nil {
			t.Fatal(err)
		}
	}
	for { // fill up
		s.mu.Lock()
		full := len(s.pending) > s.limit
		s.mu.Unlock()
		if full {
			break
		}
		if err := s.send(kindReply, 1, make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
	}
	waiting := make(chan error)
	go func() { waiting <- s.send(kindReply, 2, nil) }()
	select {
	case <-waiting:
		t.Error("send went over the limit")
	case <-time.After(50 * time.Millisecond):
	}
	close(w.gate)
	if err := <-waiting; err != nil {
		t.Error(err)
	}
	s.stop()
	<-s.done
	if w.calls > 4 {
		t.Errorf("expected few writes, found %d", w.calls)
	}
}

func TestSenderAfterAnError(t *testing.T) {
	r, w := io.Pipe()
	r.CloseWithError(errors.New("gone"))
	s := newSender(w, 0)
	for s.send(kindReply, 1, nil) == nil {
		time.Sleep(time.Millisecond)
	}
	<-s.done
}

func encode(k kind, call uint64, payload string) []byte {
	return append(appendHeader(nil, k, call, len(payload)), payload...)
}
