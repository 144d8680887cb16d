package worker

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/loadr-plugins/loadr/loader/plugin"
	"github.com/loadr-plugins/loadr/loader/plugin/plugintest"
)

func opensLibrary(l plugin.Library) func(context.Context, OpenRequest) (plugin.Library, error) {
	return func(context.Context, OpenRequest) (plugin.Library, error) { return l, nil }
}

// connectTo gives a client of a library in Go, whose plugin is named trouble.
func connectTo(t *testing.T, library plugin.Library) *link {
	t.Helper()
	l := connect(t, t.Context(), linkOptions{open: opensLibrary(library), name: "trouble"})
	if l.err != nil {
		t.Fatal(l.err)
	}
	return l
}

func TestContract(t *testing.T) {
	plugintest.Run(t, func(t *testing.T) plugin.Library { return connectTo(t, &plugintest.Fake{}).Client })
}

// recorder is a library whose outputs note the calls and the ends of all of them.
type recorder struct {
	plugintest.Fake
	mu    sync.Mutex
	noted []string
	gate  chan struct{} // that snapshots wait for
}

func (r *recorder) note(what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.noted = append(r.noted, what)
}

func (r *recorder) all() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.noted, "|")
}

func (r *recorder) Output(context.Context) (plugin.Output, error) {
	<-r.gate
	r.note("made")
	return &recording{r}, nil
}

func (r *recorder) Close() error { r.note("library closed"); return nil }

type recording struct{ *recorder }

func (o *recording) Name() string                          { return "recording" }
func (o *recording) Start(context.Context, []byte) error   { return nil }
func (o *recording) Samples(context.Context, []byte) error { return nil }
func (o *recording) Finish(context.Context, []byte) error  { return nil }
func (o *recording) Close() error                          { o.note("closed"); return nil }
func (o *recording) Snapshot(_ context.Context, s []byte) error {
	<-o.gate
	o.note(string(s))
	return nil
}

func waitFor(t *testing.T, r *recorder, want string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); r.all() != want; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("expected %s, found %s", want, r.all())
		}
	}
}

// TestMakingLeftBehind: an object that nobody waits for any more is dropped when it has been made.
func TestMakingLeftBehind(t *testing.T) {
	r := &recorder{gate: make(chan struct{})}
	l := connectTo(t, r)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	var timeout *plugin.TimeoutError
	if _, err := l.Output(ctx); !errors.As(err, &timeout) || timeout.Call != "make_output" {
		t.Errorf("found %v", err)
	}
	close(r.gate)
	waitFor(t, r, "made|closed")
}

// TestCallsLeftBehind are carried out all the same, in the order in which they were sent and before a drop; only so many
// may wait, and they take no places from other objects.
func TestCallsLeftBehind(t *testing.T) {
	r := &recorder{gate: make(chan struct{}, 1)}
	l := connectTo(t, r)
	r.gate <- struct{}{}
	o, err := l.Output(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"made"}
	for n := range serialAhead + 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		text := `{"n":` + string(rune('a'+n)) + `}`
		if err := o.Snapshot(ctx, []byte(text)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("found %v", err)
		}
		cancel()
		if n < serialAhead {
			want = append(want, text)
		}
	}
	if len(l.slots) != serialAhead {
		t.Errorf("expected %d places taken, found %d", serialAhead, len(l.slots))
	}
	if err := o.Close(); err != nil {
		t.Error(err)
	}
	close(r.gate)
	waitFor(t, r, strings.Join(append(want, "closed"), "|"))
}

// TestTheLibraryIsClosedAtTheEnd: objects are dropped while the worker still lives.
func TestTheLibraryIsClosedAtTheEnd(t *testing.T) {
	r := &recorder{}
	l := connectTo(t, r)
	l.Close()
	l.requests.Close()
	waitFor(t, r, "library closed")
}

// hanging is a library that never finishes closing.
type hanging struct {
	plugintest.Fake
	release chan struct{}
}

func (h *hanging) Close() error { <-h.release; return nil }

func TestALibraryThatHangsIsLeft(t *testing.T) {
	h := &hanging{release: make(chan struct{})}
	defer close(h.release)
	l := connectTo(t, h)
	started := time.Now()
	l.requests.Close()
	err := <-l.served
	if took := time.Since(started); err != nil || took < closeTime/2 || took > closeTime*4 {
		t.Errorf("ended after %v with %v", took, err)
	}
	l.served <- err
}

func TestServerRefusesObjectsThatNoClientUses(t *testing.T) {
	callOf := func(object uint64, m method, text string) string {
		var head [callSize]byte
		putCall(&head, object, m)
		return string(encode(kindCall, 9, string(head[:])+text))
	}
	drop := string(binary.LittleEndian.AppendUint64(nil, 5))
	for name, tt := range map[string]struct{ input, want string }{
		"no part":           {string(encode(kindMake, 5, "")), "expected a part"},
		"unknown part":      {string(encode(kindMake, 5, "\x04")), "expected a part"},
		"made twice":        {strings.Repeat(string(encode(kindMake, 5, "\x01")), 2), "not there yet"},
		"short call":        {string(encode(kindCall, 9, "12345678")), "expected an object and a method"},
		"no method":         {callOf(5, 0, ""), "expected a method's number"},
		"unknown method":    {callOf(5, methodStop+1, ""), "expected a method's number"},
		"short drop":        {string(encode(kindDrop, 0, "1234567")), "expected an object's number"},
		"unknown object":    {callOf(5, methodStop, ""), ""}, // it may have been closed on the way
		"drop of an absent": {string(encode(kindDrop, 0, drop)), ""},
	} {
		t.Run(name, func(t *testing.T) {
			input, w := io.Pipe()
			answers, out := io.Pipe()
			go io.Copy(io.Discard, answers) // the server says hello before it reads
			go func() {
				_, _ = io.WriteString(w, string(encode(kindHello, 0, `{"protocol":2,"build":"b"}`))+string(encode(kindOpen, 1, `{}`)))
				time.Sleep(50 * time.Millisecond) // the library is open
				_, _ = io.WriteString(w, tt.input)
				w.Close()
			}()
			err := Serve(t.Context(), input, out, ServeOptions{Build: "b", Open: opensLibrary(&plugintest.Fake{})})
			input.Close()
			out.Close()
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("found %v", err)
			}
		})
	}
}
