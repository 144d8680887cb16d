//go:build unix

package peer_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/loadr-plugins/loadr/internal/bench/peer"
	"github.com/loadr-plugins/loadr/loader/plugin"
)

func TestRequestHasItsSize(t *testing.T) {
	for _, size := range []int{200, 201, 202, 203, 64 << 10} {
		text := peer.Request(size)
		var request plugin.Request
		if err := json.Unmarshal(text, &request); err != nil || len(text) != size {
			t.Errorf("%d bytes: found %d, %v", size, len(text), err)
		}
		if request.URL != "echo://host/" || len(request.Body) == 0 {
			t.Errorf("%d bytes: found %+v", size, request)
		}
	}
}

func TestServe(t *testing.T) {
	var calls []int
	call := func(request []byte) int {
		calls = append(calls, len(request))
		return len(request)
	}
	var out bytes.Buffer
	if err := peer.Serve(strings.NewReader("200 3\n300 1\n"), &out, call); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(calls) != "[200 200 200 300]" {
		t.Errorf("found calls %v", calls)
	}
	for line := range strings.Lines(out.String()) {
		var cpu, wall int64
		if _, err := fmt.Sscanln(line, &cpu, &wall); err != nil || cpu < 0 || wall <= 0 {
			t.Errorf("answer %q: %v", line, err)
		}
	}
	if n := strings.Count(out.String(), "\n"); n != 2 {
		t.Errorf("expected 2 answers, found %d", n)
	}
}

func TestServeRefuses(t *testing.T) {
	length := 0
	grows := func([]byte) int { length++; return length }
	for lines, want := range map[string]string{
		"200 2\n": "expected a reply of 1 bytes, found 2",
		"200\n":   "EOF",
		"x 1\n":   "expected integer",
	} {
		length = 0
		if err := peer.Serve(strings.NewReader(lines), &bytes.Buffer{}, grows); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: expected %q, found %v", lines, want, err)
		}
	}
}
