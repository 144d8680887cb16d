package worker

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"testing"
)

// FuzzReadFrame: whatever comes, reading ends, allocates little more than came, and what is read is what was written.
func FuzzReadFrame(f *testing.F) {
	f.Add(encode(kindHello, 0, `{"protocol":1}`))
	f.Add(append(encode(kindCall, 1<<63, ""), encode(kindReply, 2, "{}")...))
	f.Add([]byte("\x00\x00\x00\x10\x04\x00\x00\x00\x00\x00\x00\x00\x00short"))
	f.Add([]byte("\x01"))
	f.Fuzz(func(t *testing.T, input []byte) {
		in := bufio.NewReader(bytes.NewReader(input))
		var again []byte
		for {
			got, err := readFrame(in, nil)
			if err != nil {
				checkReadError(t, err, input, again)
				return
			}
			if cap(got.payload) > 2*growth+2*len(input) {
				t.Fatalf("allocated %d bytes for an input of %d", cap(got.payload), len(input))
			}
			again = append(again, encode(got.kind, got.call, string(got.payload))...)
		}
	})
}

func checkReadError(t *testing.T, err error, input, again []byte) {
	var bad *FrameError
	if !bytes.HasPrefix(input, again) {
		t.Fatalf("read %q from %q", again, input)
	}
	switch {
	case err == io.EOF:
		if len(again) != len(input) {
			t.Fatalf("a clean end after %d of %d bytes", len(again), len(input))
		}
	case err == io.ErrUnexpectedEOF, errors.As(err, &bad):
	default:
		t.Fatal(err)
	}
}

func TestReadFrameUsesTheBuffer(t *testing.T) {
	buffer := make([]byte, 3, 100)
	f, err := readFrame(bufio.NewReader(bytes.NewReader(encode(kindReply, 7, "payload"))), buffer)
	if err != nil || string(f.payload) != "payload" || f.call != 7 || &f.payload[0] != &buffer[0] {
		t.Errorf("found %+v, %v", f, err)
	}
}

func TestReadFrameOfALargePayload(t *testing.T) {
	payload := bytes.Repeat([]byte("0123456789abcdef"), 5*growth/16)
	f, err := readFrame(bufio.NewReader(bytes.NewReader(encode(kindReply, 7, string(payload)))), nil)
	if err != nil || !bytes.Equal(f.payload, payload) {
		t.Errorf("found %d bytes, %v", len(f.payload), err)
	}
}

// greedy is a stream that ends at once and keeps how much was asked for.
type greedy struct{ asked int }

func (g *greedy) Read(p []byte) (int, error) {
	g.asked = max(g.asked, len(p))
	return 0, io.EOF
}

func TestALyingLengthAllocatesLittle(t *testing.T) {
	var g greedy
	if _, err := readPayload(&g, nil, MaxPayload); err != io.ErrUnexpectedEOF || g.asked != growth {
		t.Errorf("%d bytes were made ready for nothing, %v", g.asked, err)
	}
}
