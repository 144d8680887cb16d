package native_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/internal/testplugin"
	"github.com/loadr-plugins/loadr/loader"
	"github.com/loadr-plugins/loadr/loader/native"
	"github.com/loadr-plugins/loadr/loader/plugin"
)

// trouble compiles testdata/trouble.c, which misbehaves as the requests say.
func trouble(t testing.TB, flags ...string) native.Options {
	t.Helper()
	source, err := os.ReadFile("testdata/trouble.c")
	if err != nil {
		t.Fatal(err)
	}
	target, ok := loader.HostTarget()
	if !ok {
		t.Skip("this machine's target is not known")
	}
	return options(t, testplugin.C(t, target, string(source), flags...))
}

func options(t testing.TB, path string) native.Options {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return native.Options{Path: path, Digest: digest.FromBytes(text), Name: "trouble", TempDir: t.TempDir()}
}

// open opens a library that a test is alone with: the flag makes its bytes differ from all others'.
func open(t testing.TB, o native.Options) plugin.Protocol {
	t.Helper()
	p, err := openLibrary(t, o).Protocol(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func openLibrary(t testing.TB, o native.Options) *native.Library {
	t.Helper()
	lib, err := native.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lib.Close(); err != nil {
			t.Error(err)
		}
	})
	return lib
}

func alone(t testing.TB) string { return "-DINFO=\"{\\\"name\\\":\\\"" + t.Name() + "\\\"}\"" }

type stats struct {
	HandedOut   int `json:"handed_out"`
	CameBack    int `json:"came_back"`
	WrongLength int `json:"wrong_length"`
	Twice       int `json:"twice"`
	Executes    int `json:"executes"`
	Infos       int `json:"infos"`
	Versions    int `json:"versions"`
	MostBusy    int `json:"most_busy"`
	Torn        int `json:"torn"` // requests that changed while the plugin had them
}

func statsOf(t testing.TB, p plugin.Protocol) (s stats) {
	t.Helper()
	err := p.Execute(context.Background(), []byte(`{"do":"stats"}`), func(reply []byte) error {
		return json.Unmarshal(reply, &s)
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// checkFreed proves that every buffer but the one with the statistics came back once, with its own length.
func checkFreed(t testing.TB, p plugin.Protocol) stats {
	t.Helper()
	s := statsOf(t, p)
	if s.HandedOut != s.CameBack || s.WrongLength != 0 || s.Twice != 0 {
		t.Errorf("expected every buffer back once with its length, found %+v", s)
	}
	return s
}

func TestInfo(t *testing.T) {
	got := openLibrary(t, trouble(t)).Info()
	if got.Name != "trouble" || got.Version != "0.1.0" || got.Kind != "protocol" || fmt.Sprint(got.Schemes) != "[trouble]" {
		t.Errorf("found %+v", got)
	}
}

func TestExecuteFromManyGoroutines(t *testing.T) {
	const goroutines, calls = 300, 100
	p := open(t, trouble(t, alone(t)))
	ctx, cancel := context.WithCancel(t.Context()) // the path with a goroutine of its own for each call
	defer cancel()
	var wg sync.WaitGroup
	for g := range goroutines {
		ctx := ctx
		if g%2 == 0 {
			ctx = context.Background()
		}
		wg.Go(func() {
			for n := range calls {
				request := fmt.Appendf(nil, `{"g":%d,"n":%d,"pad":"%s"}`, g, n, strings.Repeat("x", n))
				err := p.Execute(ctx, request, func(reply []byte) error {
					if !bytes.Equal(reply, request) {
						return fmt.Errorf("sent %s, found %s", request, reply)
					}
					return nil
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	s := checkFreed(t, p)
	if s.Executes != goroutines*calls+1 || s.Infos != 1 || s.Versions != 1 {
		t.Errorf("expected %d calls and one info and version, found %+v", goroutines*calls, s)
	}
}

func TestReplies(t *testing.T) {
	tests := map[string]struct {
		request string
		problem string // of the ReplyError
	}{
		"null":            {`{"do":"null"}`, "expected a value at byte 0"},
		"null and length": {`{"do":"null-length"}`, "found a null pointer with length 5"},
		"not JSON":        {`{"do":"not-json"}`, "expected a comma or the end of the array or object at byte 13"},
		"not UTF-8":       {`{"do":"not-utf8"}`, "not UTF-8 at byte 1"},
		"too big":         {`{"do":"big","bytes":1001}`, "found 1001 bytes, more than the limit of 1000"},
	}
	o := trouble(t, alone(t))
	o.MaxReply = 1000
	p := open(t, o)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := p.Execute(t.Context(), []byte(tt.request), func([]byte) error {
				t.Error("a bad reply was used")
				return nil
			})
			var reply *plugin.ReplyError
			if !errors.As(err, &reply) || reply.Problem != tt.problem || reply.Plugin != "trouble" || reply.Call != "execute" {
				t.Errorf("found %v", err)
			}
			checkFreed(t, p)
		})
	}
	t.Run("big enough", func(t *testing.T) {
		err := p.Execute(t.Context(), []byte(`{"do":"big","bytes":1000}`), func(reply []byte) error {
			if len(reply) != 1000 {
				t.Errorf("found %d bytes", len(reply))
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestErrorOfUseComesBack(t *testing.T) {
	p := open(t, trouble(t, alone(t)))
	want := errors.New("of use")
	if err := p.Execute(t.Context(), []byte(`{}`), func([]byte) error { return want }); err != want {
		t.Errorf("found %v", err)
	}
	// Also one that looks like the end of the context.
	if err := p.Execute(t.Context(), []byte(`{}`), func([]byte) error { return context.Canceled }); err != context.Canceled {
		t.Errorf("found %v", err)
	}
	func() {
		defer func() { _ = recover() }()
		_ = p.Execute(t.Context(), []byte(`{}`), func([]byte) error { panic("in use") })
	}()
	checkFreed(t, p)
}

func TestRequestMustBeUTF8(t *testing.T) {
	p := open(t, trouble(t, alone(t)))
	err := p.Execute(t.Context(), []byte("\"\xff\""), func([]byte) error { return nil })
	var request *plugin.RequestError
	if !errors.As(err, &request) {
		t.Errorf("found %v", err)
	}
	if s := statsOf(t, p); s.Executes != 1 { // the question for the statistics
		t.Errorf("the request reached the plugin: %+v", s)
	}
}

func TestDeadline(t *testing.T) {
	p := open(t, trouble(t, alone(t)))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	request := []byte(`{"do":"sleep","ms":700}`)
	started := time.Now()
	err := p.Execute(ctx, request, func([]byte) error {
		t.Error("a late reply was used")
		return nil
	})
	clear(request) // it is the caller's again
	var timeout *plugin.TimeoutError
	if !errors.As(err, &timeout) || timeout.Plugin != "trouble" || timeout.After < 40*time.Millisecond {
		t.Errorf("found %v", err)
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v is not the context's error", err)
	}
	if took := time.Since(started); took > 500*time.Millisecond {
		t.Errorf("returned after %v", took)
	}
	// The call left behind hands its buffer back as well.
	if s := statsOf(t, p); s.Executes != 2 || s.HandedOut-s.CameBack != 0 {
		t.Errorf("while it sleeps: %+v", s)
	}
	deadline := time.Now().Add(5 * time.Second)
	for statsOf(t, p).HandedOut < 4 && time.Now().Before(deadline) { // info, sleep, and at least two statistics
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(800 * time.Millisecond)
	if s := checkFreed(t, p); s.Torn != 0 {
		t.Error("the caller's change of its request reached the plugin")
	}
}

func TestCancelled(t *testing.T) {
	p := open(t, trouble(t))
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	err := p.Execute(ctx, []byte(`{"do":"sleep","ms":300}`), func([]byte) error { return nil })
	var timeout *plugin.TimeoutError
	if !errors.Is(err, context.Canceled) || errors.As(err, &timeout) {
		t.Errorf("found %v", err)
	}
}

func TestConcurrencyIsBounded(t *testing.T) {
	o := trouble(t, alone(t))
	o.Concurrent = 3
	p := open(t, o)
	var wg sync.WaitGroup
	for range 12 {
		wg.Go(func() {
			if err := p.Execute(context.Background(), []byte(`{"do":"sleep","ms":20}`), func([]byte) error { return nil }); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if s := statsOf(t, p); s.MostBusy != 3 {
		t.Errorf("expected 3 calls at once, found %d", s.MostBusy)
	}

}

func TestWaitingForAPlaceEndsWithTheContext(t *testing.T) {
	o := trouble(t)
	o.Concurrent = 1
	p := open(t, o)
	in, out := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = p.Execute(context.Background(), []byte(`{}`), func([]byte) error {
			close(in)
			<-out // keeps the place
			return nil
		})
	})
	<-in
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	var timeout *plugin.TimeoutError
	if err := p.Execute(ctx, []byte(`{}`), func([]byte) error { return nil }); !errors.As(err, &timeout) {
		t.Errorf("found %v", err)
	}
	close(out)
	wg.Wait()
}

func BenchmarkExecute(b *testing.B) {
	target, ok := loader.HostTarget()
	if !ok {
		b.Skip("this machine's target is not known")
	}
	p := open(b, options(b, testplugin.Echo(b, target)))
	for _, size := range []int{80, 64 << 10} {
		request, err := json.Marshal(plugin.Request{
			Method: "SEND", URL: "echo://host", Headers: []plugin.Header{{"a", "b"}}, Body: make([]byte, size),
		})
		if err != nil {
			b.Fatal(err)
		}
		use := func([]byte) error { return nil }
		b.Run(fmt.Sprintf("%dB", len(request)), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := p.Execute(context.Background(), request, use); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("%dB/deadline", len(request)), func(b *testing.B) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
			defer cancel()
			b.ReportAllocs()
			for b.Loop() {
				if err := p.Execute(ctx, request, use); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
