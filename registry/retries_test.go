package registry_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/loadr-plugins/loadr/internal/testregistry"
	"github.com/loadr-plugins/loadr/registry"
)

// TestRetryAfter waits as long as a registry asks for, in either form and with either status, and says so.
func TestRetryAfter(t *testing.T) {
	for name, test := range map[string]struct {
		status int
		after  func() string
	}{
		"429, seconds": {http.StatusTooManyRequests, func() string { return "1" }},
		"503, seconds": {http.StatusServiceUnavailable, func() string { return "1" }},
		// Dates have whole seconds, so this is one to two from now.
		"429, date": {http.StatusTooManyRequests, func() string { return time.Now().Add(2 * time.Second).UTC().Format(http.TimeFormat) }},
		"503, date": {http.StatusServiceUnavailable, func() string { return time.Now().Add(2 * time.Second).UTC().Format(http.TimeFormat) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, log := testregistry.New(t), &told{}
			server.Inject(testregistry.Fault{Status: test.status, Times: 1, Header: http.Header{"Retry-After": {test.after()}}})
			start := time.Now()
			_, err := newClient(t, registry.Options{Events: log.events()}).Versions(t.Context(), repoIn(server.Host()))
			expectError[*registry.NotFoundError](t, "versions", err)
			if took := time.Since(start); took < 900*time.Millisecond {
				t.Errorf("asked again after %v, expected about a second", took)
			}
			if len(log.pausing) != 1 || !strings.Contains(log.pausing[0], http.StatusText(test.status)) {
				t.Errorf("told of pauses: %q", log.pausing)
			}
			expectRequests(t, server, "versions", "GET tags", "GET tags")
		})
	}
}

// TestRetryAfterTooLong: nobody waits an hour, and nobody a minute for several minutes in a row. The error says for how long.
func TestRetryAfterTooLong(t *testing.T) {
	server, log := testregistry.New(t), &told{}
	client := newClient(t, registry.Options{Events: log.events()}).Impatient()
	versions := func() *registry.UnavailableError {
		_, err := client.Versions(t.Context(), repoIn(server.Host()))
		return expectError[*registry.UnavailableError](t, "versions", err)
	}
	for _, after := range []string{"3600", "99999999999999999999", time.Now().Add(24 * time.Hour).UTC().Format(http.TimeFormat)} {
		server.Inject(testregistry.Fault{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {after}}})
		if e := versions(); after == "3600" && e != nil && (e.Status != http.StatusTooManyRequests || !strings.Contains(e.Error(), "1h0m0s")) {
			t.Errorf("status %d: %v", e.Status, e)
		}
		server.Heal()
	}
	server.Take()
	server.Inject(testregistry.Fault{Status: http.StatusServiceUnavailable, Header: http.Header{"Retry-After": {"25"}}})
	versions()
	expectRequests(t, server, "25 seconds, again and again", "GET tags", "GET tags", "GET tags")
}

// TestPauseEndsWithContext: an interrupted command does not sit out its pause.
func TestPauseEndsWithContext(t *testing.T) {
	server := testregistry.New(t)
	server.Inject(testregistry.Fault{Status: http.StatusServiceUnavailable, Header: http.Header{"Retry-After": {"30"}}})
	ctx, cancel := context.WithCancel(t.Context())
	log := registry.Events{Pausing: func(string, time.Duration, string) { cancel() }}
	start := time.Now()
	_, err := newClient(t, registry.Options{Events: log}).Versions(ctx, repoIn(server.Host()))
	if !errors.Is(err, context.Canceled) || time.Since(start) > 5*time.Second {
		t.Errorf("after %v: %v", time.Since(start), err)
	}
}

// TestBrokenRequests: a connection that ends in place of an answer is tried again, a few times.
func TestBrokenRequests(t *testing.T) {
	server, client, _ := published(t, registry.Options{})
	server.Inject(testregistry.Fault{Match: "GET manifest", Close: true, Times: 2})
	if _, err := client.Release(t.Context(), repoIn(server.Host()), "1.0.0"); err != nil {
		t.Error(err)
	}
	server.Inject(testregistry.Fault{Match: "GET manifest", Close: true})
	_, err := client.Release(t.Context(), repoIn(server.Host()), "1.0.0")
	expectError[*registry.UnavailableError](t, "always", err)
}

// TestTagIsNotPushedBlindly: after an answer that leaves open whether a version was published, push looks before it pushes
// again; a registry that says that it did nothing is simply asked again.
func TestTagIsNotPushedBlindly(t *testing.T) {
	pack := testregistry.Pack(t, testregistry.Spec{})
	for name, test := range map[string]struct {
		fault testregistry.Fault
		looks int // the catalogue's is one
		puts  int // the platform manifest's is one, and the catalogue's
	}{
		"broken after it was done": {testregistry.Fault{Close: true}, 4, 3},
		"502, nothing done":        {testregistry.Fault{Status: 502}, 4, 4},
		"429":                      {testregistry.Fault{Status: 429, Header: http.Header{"Retry-After": {"1"}}}, 3, 4},
	} {
		t.Run(name, func(t *testing.T) {
			server := testregistry.New(t)
			test.fault.Match, test.fault.Times = "PUT manifest", 1
			server.Inject(testregistry.Fault{Match: "PUT manifest", Alter: func(b []byte) []byte { return b }, Times: 1})
			server.Inject(test.fault)
			got, err := newClient(t, registry.Options{}).Impatient().Push(t.Context(), repoIn(server.Host()), pack)
			if err != nil || got.Already || got.Digest != pack.Release().Digest {
				t.Fatalf("%+v, %v", got, err)
			}
			looks, puts := 0, 0
			for _, request := range server.Take() {
				switch request {
				case "GET manifest":
					looks++
				case "PUT manifest":
					puts++
				}
			}
			if looks != test.looks || puts != test.puts {
				t.Errorf("looked %d times and put %d manifests, expected %d and %d", looks, puts, test.looks, test.puts)
			}
		})
	}
}

// TestTagOfAnother: the answer to the push was lost, and another publisher's content is there now. It stays.
func TestTagOfAnother(t *testing.T) {
	server := testregistry.New(t)
	repo, other := repoIn(server.Host()), testregistry.Pack(t, testregistry.Spec{Library: "another library"})
	fast := newClient(t, registry.Options{})
	server.Inject(testregistry.Fault{Match: "PUT manifest", Alter: func(b []byte) []byte { return b }, Times: 1})
	server.Inject(testregistry.Fault{Match: "PUT manifest", Status: 502, Times: 1})
	pushed := false
	log := registry.Events{Pausing: func(string, time.Duration, string) { t.Error("the tag was about to be pushed again, blindly") }}
	transport := roundTripper(func(r *http.Request) (*http.Response, error) {
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err == nil && resp.StatusCode == 502 && !pushed {
			pushed = true
			if _, err := fast.Push(context.Background(), repo, other); err != nil {
				t.Error(err)
			}
		}
		return resp, err
	})
	pack := testregistry.Pack(t, testregistry.Spec{})
	_, err := newClient(t, registry.Options{Transport: transport, Events: log}).Impatient().Push(t.Context(), repo, pack)
	expectError[*registry.VersionExistsError](t, "push", err)
	if there, err := fast.Release(t.Context(), repo, "1.0.0"); err != nil || there.Digest != other.Release().Digest {
		t.Errorf("published: %v, %v", there, err)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestResumeWithoutRanges: a registry that does not know ranges sends the beginning again, which is read over.
func TestResumeWithoutRanges(t *testing.T) {
	server, client, pack := published(t, registry.Options{})
	library := pack.Release().Targets[0].Library
	want := readAll(t, client, repoIn(server.Host()), library)
	server.Take()
	for i := range 3 {
		server.Inject(testregistry.Fault{Match: "GET blob", Cut: len(want) * (i + 1) / 4, Whole: true, Times: 1})
	}
	server.Inject(testregistry.Fault{Match: "GET blob", Whole: true})
	if got := readAll(t, client, repoIn(server.Host()), library); !bytes.Equal(got, want) {
		t.Error("the resumed download differs")
	}
	expectRequests(t, server, "a download broken three times", "GET blob", "GET blob", "GET blob", "GET blob")
	server.Heal()

	server.Inject(testregistry.Fault{Match: "GET blob", Cut: len(want) / 2, Whole: true})
	_, err := tryRead(t.Context(), client, repoIn(server.Host()), library)
	expectError[*registry.UnavailableError](t, "a download that never gets beyond its middle", err)
	if n := len(server.Take()); n > 6 {
		t.Errorf("tried %d times", n)
	}
	server.Heal()

	server.Inject(testregistry.Fault{Match: "GET blob", Cut: len(want) / 2, Times: 1})
	server.Inject(testregistry.Fault{Match: "GET blob", Whole: true, Alter: func(b []byte) []byte { b[len(b)-1] ^= 1; return b }})
	_, err = tryRead(t.Context(), client, repoIn(server.Host()), library)
	expectError[*registry.IntegrityError](t, "the rest is another's", err)
}

// TestResumeWithProgress: a connection that breaks every few megabytes is a slow one, and no reason to give up.
func TestResumeWithProgress(t *testing.T) {
	server := testregistry.New(t)
	client := newClient(t, registry.Options{}).Impatient()
	noise := make([]byte, 8<<20)
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise)
	pack := testregistry.Pack(t, testregistry.Spec{Library: string(noise)})
	if _, err := client.Push(t.Context(), repoIn(server.Host()), pack); err != nil {
		t.Fatal(err)
	}
	library := pack.Release().Targets[0].Library
	server.Inject(testregistry.Fault{Match: "GET blob", Cut: 5 << 18, Times: 6})
	if got := readAll(t, client, repoIn(server.Host()), library); int64(len(got)) != library.Size {
		t.Errorf("%d bytes", len(got))
	}
}

// TestResumeCancelled: the pauses between attempts end with the context.
func TestResumeCancelled(t *testing.T) {
	server, _, pack := published(t, registry.Options{})
	server.Inject(testregistry.Fault{Match: "GET blob", Cut: 1})
	ctx, cancel := context.WithTimeout(t.Context(), 400*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := tryRead(ctx, newClient(t, registry.Options{}), repoIn(server.Host()), pack.Release().Targets[0].Library)
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 5*time.Second {
		t.Errorf("after %v: %v", time.Since(start), err)
	}
}

// TestSlowReader: the time that a reader takes between its reads is not the registry's silence.
func TestSlowReader(t *testing.T) {
	server := testregistry.New(t)
	client := newClient(t, registry.Options{Idle: 200 * time.Millisecond})
	noise := make([]byte, 2<<20)
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise)
	pack := testregistry.Pack(t, testregistry.Spec{Library: string(noise)})
	if _, err := client.Push(t.Context(), repoIn(server.Host()), pack); err != nil {
		t.Fatal(err)
	}
	server.Take()
	stream, err := client.Fetch(t.Context(), repoIn(server.Host()), pack.Release().Targets[0].Library)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	if _, err := io.CopyN(io.Discard, stream, 1000); err != nil {
		t.Fatal(err)
	}
	time.Sleep(600 * time.Millisecond)
	if _, err := io.Copy(io.Discard, stream); err != nil {
		t.Error(err)
	}
	expectRequests(t, server, "a slow reader", "GET blob")
}

// TestErrorsWorthRetrying counts the tries after each kind of error that a transport gives.
func TestErrorsWorthRetrying(t *testing.T) {
	dial := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }
	for name, test := range map[string]struct {
		err   error
		tries int
	}{
		"refused":               {dial(syscall.ECONNREFUSED), 3},
		"unreachable":           {dial(syscall.EHOSTUNREACH), 3},
		"name server down":      {dial(&net.DNSError{Err: "server misbehaving", IsTemporary: true}), 3},
		"no such name":          {dial(&net.DNSError{Err: "no such host", IsNotFound: true}), 1},
		"ended":                 {io.EOF, 6},
		"ended in the middle":   {io.ErrUnexpectedEOF, 6},
		"reset":                 {&net.OpError{Op: "read", Err: syscall.ECONNRESET}, 6},
		"a certificate, say":    {errors.New("x509: certificate signed by unknown authority"), 1},
		"an answer that is odd": {&net.OpError{Op: "remote error", Err: errors.New("tls: handshake failure")}, 1},
	} {
		tries := 0
		transport := roundTripper(func(*http.Request) (*http.Response, error) { tries++; return nil, test.err })
		_, err := newClient(t, registry.Options{Transport: transport}).Impatient().Versions(t.Context(), repoIn("registry.example"))
		expectError[*registry.UnavailableError](t, name, err)
		if tries != test.tries {
			t.Errorf("%s: tried %d times, expected %d", name, tries, test.tries)
		}
	}
}
