package testregistry

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"path"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/loadr-plugins/loadr/registry/server"
)

// Registry is the embedded server on a loopback port, without its write token. It is safe for concurrent use.
type Registry struct {
	// Dir is the directory that it serves.
	Dir string

	http    *httptest.Server
	next    http.Handler
	auth    *tokens
	options options

	mu       sync.Mutex
	requests []string
	tokens   int
	faults   []*Fault

	connections, inFlight, most int
}

// Option changes how a Registry behaves.
type Option func(*options)

type options struct {
	noReferrers bool
	auth        *tokens
}

// NoReferrers makes a registry without the referrers API, as it was before version 1.1 of the distribution
// specification.
func NoReferrers() Option { return func(o *options) { o.noReferrers = true } }

// New starts a registry that ends with the test.
func New(t testing.TB, opts ...Option) *Registry {
	t.Helper()
	r := &Registry{Dir: t.TempDir()}
	for _, o := range opts {
		o(&r.options)
	}
	writer, err := server.OpenWriter(context.Background(), r.Dir, server.WriterOptions{Note: "a test"})
	if err != nil {
		t.Fatal(err)
	}
	r.next, r.auth = writer, r.options.auth
	r.http = httptest.NewUnstartedServer(r)
	r.http.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			r.count(func() { r.connections++ })
		}
	}
	r.http.Start()
	t.Cleanup(func() {
		r.http.Close()
		if err := writer.Close(); err != nil {
			t.Errorf("closing the test registry: %v", err)
		}
	})
	return r
}

// Host gives host:port.
func (r *Registry) Host() string { return strings.TrimPrefix(r.http.URL, "http://") }

// Take gives the requests since the last Take, each as "METHOD kind" with kind one of manifest, blob, upload, tags,
// referrers, ping and other, in the order of their arrival. Requests for tokens, and those that were only answered with
// the demand for one, are counted apart.
func (r *Registry) Take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	taken := r.requests
	r.requests = nil
	return taken
}

// TakeTokens gives how many tokens were asked for since the last TakeTokens.
func (r *Registry) TakeTokens() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.tokens
	r.tokens = 0
	return n
}

// TakeLoad gives how many connections were made since the last TakeLoad, and the most requests that were being answered at
// one time.
func (r *Registry) TakeLoad() (connections, most int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	connections, most = r.connections, r.most
	r.connections, r.most = 0, r.inFlight
	return connections, most
}

// ServeHTTP counts, fails if told to, and serves.
func (r *Registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.count(func() { r.inFlight++; r.most = max(r.most, r.inFlight) })
	defer r.count(func() { r.inFlight-- })
	if r.auth != nil && req.URL.Path == "/token" {
		r.count(func() { r.tokens++ })
		r.auth.issue(w, req)
		return
	}
	if r.auth != nil && !r.auth.allows(req) {
		r.auth.challenge(w, req, r.http.URL)
		return
	}
	r.count(func() { r.requests = append(r.requests, req.Method+" "+kind(req.URL.Path)) })
	if fault := r.fault(req); fault != nil {
		fault.serve(w, req, r.serve)
		return
	}
	r.serve(w, req)
}

func (r *Registry) serve(w http.ResponseWriter, req *http.Request) {
	if r.options.noReferrers && kind(req.URL.Path) == "referrers" {
		http.NotFound(w, req)
		return
	}
	r.next.ServeHTTP(w, req)
}

func (r *Registry) count(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
}

func kind(urlPath string) string {
	switch segments := strings.Split(path.Clean(urlPath), "/"); {
	case path.Clean(urlPath) == "/v2":
		return "ping"
	case strings.Contains(urlPath, "/blobs/uploads/"):
		return "upload"
	case len(segments) < 3:
		return "other"
	default:
		return map[string]string{"manifests": "manifest", "blobs": "blob", "tags": "tags", "referrers": "referrers"}[segments[len(segments)-2]]
	}
}

// Fault is something that goes wrong. Its fields act in the order in which they are listed.
type Fault struct {
	Match  string        // "METHOD kind", as Take reports it; empty: every request
	Times  int           // how often; 0: always
	Delay  time.Duration // before anything is answered; ends early when the client gives up
	Status int           // answered instead of serving, with Header and Body
	Header http.Header
	Body   string
	Alter  func(body []byte) []byte // what is served in place of the body
	Cut    int                      // after so many bytes of the body the connection breaks; 0: never
	Whole  bool                     // answers a request for a range with everything, as a server without ranges does
	Close  bool                     // serves, and breaks the connection in place of the answer
}

// Inject adds a fault. Those injected first act first, one per request.
func (r *Registry) Inject(f Fault) {
	r.count(func() { r.faults = append(r.faults, &f) })
}

// Heal removes all faults.
func (r *Registry) Heal() { r.count(func() { r.faults = nil }) }

func (r *Registry) fault(req *http.Request) *Fault {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, f := range r.faults {
		if f.Match != "" && f.Match != req.Method+" "+kind(req.URL.Path) {
			continue
		}
		if f.Times == 1 {
			r.faults = append(r.faults[:i:i], r.faults[i+1:]...)
		}
		f.Times--
		return f
	}
	return nil
}

func (f *Fault) serve(w http.ResponseWriter, req *http.Request, next http.HandlerFunc) {
	select {
	case <-time.After(f.Delay):
	case <-req.Context().Done():
		return
	}
	if f.Status != 0 {
		for k, v := range f.Header {
			w.Header()[k] = v
		}
		w.WriteHeader(f.Status)
		_, _ = w.Write([]byte(f.Body))
		return
	}
	if f.Whole {
		req.Header.Del("Range")
	}
	held := httptest.NewRecorder()
	next(held, req)
	if f.Close {
		panic(http.ErrAbortHandler)
	}
	f.answer(w, held)
}

func (f *Fault) answer(w http.ResponseWriter, held *httptest.ResponseRecorder) {
	body := held.Body.Bytes()
	if f.Alter != nil {
		body = f.Alter(bytes.Clone(body))
		held.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	for k, v := range held.Header() {
		w.Header()[k] = v
	}
	w.WriteHeader(held.Code)
	if f.Cut == 0 || f.Cut >= len(body) {
		_, _ = w.Write(body)
		return
	}
	_, _ = w.Write(body[:f.Cut])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler) // how net/http breaks a connection
}
