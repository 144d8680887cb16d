package worker

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/loadr-plugins/loadr/loader/plugin"
)

func TestOtherBuildIsRefused(t *testing.T) {
	l := connect(t, t.Context(), linkOptions{build: "other", open: opens(echo)})
	var hello *HelloError
	if !errors.As(l.err, &hello) || !strings.Contains(l.err.Error(), `expected build "b" (protocol 2), found "other"`) {
		t.Errorf("the client found %v", l.err)
	}
	err := <-l.served
	if !errors.As(err, &hello) {
		t.Errorf("the server found %v", err)
	}
	l.served <- err
}

func TestServerRefusesWhatNoClientSends(t *testing.T) {
	greeting := string(encode(kindHello, 0, `{"protocol":2,"build":"b"}`))
	open := string(encode(kindOpen, 1, `{}`))
	tests := map[string]struct {
		input string
		want  string // of the error; empty: none
	}{
		"nothing after hello":  {greeting, ""},
		"nothing":              {"", "hello: EOF"},
		"no hello":             {open, "expected a hello"},
		"hello that is broken": {string(encode(kindHello, 0, "{")), "expected a hello"},
		"call before open":     {greeting + string(encode(kindCall, 1, "{}")), "expected an open request before anything else"},
		"open twice":           {greeting + open + open, "expected one open request in JSON"},
		"open that is broken":  {greeting + string(encode(kindOpen, 1, "{")), "expected one open request in JSON"},
		"reply":                {greeting + string(encode(kindReply, 1, "{}")), "expected an open request before"},
		"unknown kind":         {greeting + string(encode(99, 1, "{}")), "expected a frame's kind, found 99"},
		"cut header":           {greeting + "\x01", "unexpected EOF"},
		"cut payload":          {greeting + string(encode(kindCall, 1, "{}")[:14]), "unexpected EOF"},
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
	greeting := string(encode(kindHello, 0, `{"protocol":2,"build":"b"}`))
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

func TestRequestThatIsTooLarge(t *testing.T) {
	l := mustConnect(t, linkOptions{open: opens(echo)})
	var request *plugin.RequestError
	if err := l.p.Execute(t.Context(), make([]byte, MaxPayload+1), nil); !errors.As(err, &request) {
		t.Errorf("found %v", err)
	}
}

func encode(k kind, call uint64, payload string) []byte {
	return append(appendHeader(nil, k, call, len(payload)), payload...)
}

// TestTheHelloIsOutBeforeAnythingOpens: opening runs a library's constructors, which may end the process.
func TestTheHelloIsOutBeforeAnythingOpens(t *testing.T) {
	for range 100 {
		var sent atomic.Int64
		atOpen := make(chan int64, 1)
		input := append(encode(kindHello, 0, `{"protocol":`+strconv.Itoa(protocolVersion)+`,"build":"b"}`), encode(kindOpen, 1, `{}`)...)
		err := Serve(t.Context(), bytes.NewReader(input), countingWriter{&sent}, ServeOptions{
			Build: "b",
			Open: func(context.Context, OpenRequest) (plugin.Library, error) {
				atOpen <- sent.Load()
				return nil, errors.New("not opened")
			},
		})
		if n := <-atOpen; err != nil || n == 0 {
			t.Fatalf("%d bytes were sent before opening, %v", n, err)
		}
	}
}

type countingWriter struct{ n *atomic.Int64 }

func (w countingWriter) Write(p []byte) (int, error) {
	w.n.Add(int64(len(p)))
	return len(p), nil
}
