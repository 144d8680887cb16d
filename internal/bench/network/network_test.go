//go:build unix

package main

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestTable(t *testing.T) {
	contenders := []contender{{name: "ours"}, {name: "other", base: "ours"}}
	var out bytes.Buffer
	writeTable(&out, "title", contenders, [][]turn{
		{{wall: 2 * time.Second, requests: 4, connections: 2, peak: 3 << 20}, {wall: 40 * time.Millisecond, requests: 4, connections: 2, peak: 1 << 20}},
		{{wall: 3 * time.Second}, {wall: time.Second}, {wall: 2040 * time.Millisecond}},
	})
	const want = `
| title | median | minimum | ratio of medians | requests | connections | peak memory |
|---|---:|---:|---:|---:|---:|---:|
| ours | 1.02 s | 40.0 ms |  | 4 | 2 | 2 MB |
| other | 2.04 s | 1.00 s | 2.00 | 0 | 0 | 0 MB |
`
	if out.String() != want {
		t.Errorf("expected %s\nfound %s", want, out.String())
	}
}

// TestDistant: each request is late, the first one of a connection twice.
func TestDistant(t *testing.T) {
	const delay = 30 * time.Millisecond
	d := newDistant(t.TempDir(), delay)
	defer d.http.Close()
	for i, least := range []time.Duration{2 * delay, delay} {
		start := time.Now()
		resp, err := d.http.Client().Get(d.http.URL + "/v2/plugins/x/tags/list")
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if took := time.Since(start); took < least || resp.StatusCode != http.StatusNotFound {
			t.Errorf("request %d: %s after %v, expected at least %v", i, resp.Status, took, least)
		}
	}
	if d.requests.Load() != 2 || d.connections.Load() != 1 {
		t.Errorf("counted %d requests and %d connections", d.requests.Load(), d.connections.Load())
	}
}

func TestOnePass(t *testing.T) {
	d := newDistant(t.TempDir(), 0)
	defer d.http.Close()
	path := filepath.Join(t.TempDir(), "passed")
	if err := onePass(d.http.URL+"/v2/plugins/x/tags/list", path); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(path); err != nil || !strings.Contains(string(text), "NAME_UNKNOWN") {
		t.Errorf("%q, %v", text, err)
	}
}
