package download

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// serve answers as handler does, with a client that trusts it.
func serve(t *testing.T, tls bool, handler http.HandlerFunc) (*Client, string) {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	if tls {
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	c := New(Options{UserAgent: "test", Transport: server.Client().Transport, Idle: 200 * time.Millisecond})
	t.Cleanup(c.Close)
	return c, server.URL
}

func TestGet(t *testing.T) {
	c, url := serve(t, false, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("User-Agent") != "test" {
			t.Errorf("user agent %q", r.Header.Get("User-Agent"))
		}
		fmt.Fprint(w, "twelve bytes")
	})
	body, size, err := c.Get(t.Context(), url+"/x", 12)
	if err != nil || size != 12 {
		t.Fatal(size, err)
	}
	defer body.Close()
	if text, err := io.ReadAll(body); err != nil || string(text) != "twelve bytes" {
		t.Errorf("%q, %v", text, err)
	}
}

func TestGetRefuses(t *testing.T) {
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	for name, c := range map[string]struct {
		tls     bool
		handler http.HandlerFunc
		want    string
	}{
		"absent":    {false, http.NotFound, "not found"},
		"forbidden": {false, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) }, "answered 403"},
		"broken":    {false, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, "answered 500"},
		"announced": {false, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Repeat("x", 13)) }, "at most 12 bytes"},
		"unbounded": {false, endless, "at most 12 bytes"},
		"short": {false, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "12")
			fmt.Fprint(w, "x")
		}, "unexpected EOF"},
		"silent":     {false, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "fell silent"},
		"half":       {false, halfThenSilent, "fell silent"},
		"a loop":     {false, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/again", http.StatusFound) }, "more than 5 redirects"},
		"downgraded": {true, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, http.StatusFound) }, "redirect from https"},
		"elsewhere": {false, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://host.example/", http.StatusFound)
		}, "expected https"},
		"a file": {false, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
		}, "expected https"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, url := serve(t, c.tls, c.handler)
			body, _, err := client.Get(t.Context(), url, 12)
			if err == nil {
				_, err = io.ReadAll(body)
				body.Close()
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func endless(w http.ResponseWriter, _ *http.Request) {
	for range 100 {
		fmt.Fprint(w, "more")
		w.(http.Flusher).Flush()
	}
}

func halfThenSilent(w http.ResponseWriter, r *http.Request) {
	fmt.Fprint(w, "half")
	w.(http.Flusher).Flush()
	<-r.Context().Done()
}

func TestGetRefusesAddresses(t *testing.T) {
	c := New(Options{})
	for _, address := range []string{"http://host.example/x", "file:///etc/passwd", "ftp://localhost/x", "https:///x", "x", ""} {
		if _, _, err := c.Get(t.Context(), address, 1); err == nil || !strings.Contains(err.Error(), "expected https") {
			t.Errorf("%q: %v", address, err)
		}
	}
}

func TestGetEndsWithItsContext(t *testing.T) {
	c, url := serve(t, false, halfThenSilent)
	ctx, cancel := context.WithCancel(t.Context())
	body, _, err := c.Get(ctx, url, 100)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	cancel()
	if _, err := io.ReadAll(body); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
