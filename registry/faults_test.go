package registry_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/loadr-plugins/loadr/internal/testregistry"
	"github.com/loadr-plugins/loadr/registry"
)

// published is a registry with echo 1.0.0, and an impatient client of it.
func published(t *testing.T, o registry.Options, opts ...testregistry.Option) (*testregistry.Registry, *registry.Client, *registry.Pack) {
	t.Helper()
	server := testregistry.New(t, opts...)
	client := newClient(t, o).Impatient()
	pack := testregistry.Pack(t, testregistry.Spec{Library: strings.Repeat("a library ", 40_000)})
	if _, err := client.Push(t.Context(), repoIn(server.Host()), pack); err != nil {
		t.Fatal(err)
	}
	server.Take()
	return server, client, pack
}

func TestRetries(t *testing.T) {
	server, client, pack := published(t, registry.Options{})
	repo := repoIn(server.Host())
	for _, fault := range []testregistry.Fault{
		{Status: http.StatusInternalServerError, Times: 3},
		{Status: http.StatusServiceUnavailable, Times: 1},
		{Status: http.StatusTooManyRequests, Times: 1, Header: http.Header{"Retry-After": {"1"}}},
	} {
		server.Inject(fault)
		if _, err := client.Release(t.Context(), repo, "1.0.0"); err != nil {
			t.Errorf("after %d answers of %d: %v", fault.Times, fault.Status, err)
		}
		server.Heal()
	}
	for _, match := range []string{"POST upload", "PUT upload", "PUT manifest"} {
		server.Inject(testregistry.Fault{Match: match, Status: http.StatusBadGateway, Times: 2})
		other := testregistry.Pack(t, testregistry.Spec{Version: "2.0.0-" + strings.ReplaceAll(strings.ToLower(match), " ", ".")})
		if _, err := client.Push(t.Context(), repo, other); err != nil {
			t.Errorf("push after two failures of %s: %v", match, err)
		}
		server.Heal()
	}
	if got := readAll(t, client, repo, pack.Release().Targets[0].Library); len(got) == 0 {
		t.Error("nothing fetched")
	}
}

// TestFailuresAreNotAbsence has registries that answer with everything but the plugin: none of it may look like "not
// found", since then another namespace's plugin of that name would be taken.
func TestFailuresAreNotAbsence(t *testing.T) {
	server, client, _ := published(t, registry.Options{})
	repo := repoIn(server.Host())
	for name, fault := range map[string]testregistry.Fault{
		"500":                      {Status: 500},
		"429":                      {Status: 429},
		"404 of a proxy":           {Status: 404, Body: "<html>not found"},
		"404 with another code":    {Status: 404, Body: `{"errors":[{"code":"MANIFEST_UNKNOWN"}]}`},
		"a page of a login portal": {Status: 200, Header: http.Header{"Content-Type": {"text/html"}}, Body: "<html>please log in"},
		"a broken connection":      {Match: "GET tags", Cut: 3},
		"400":                      {Status: 400},
	} {
		server.Inject(fault)
		_, err := client.Versions(t.Context(), repo)
		e := expectError[*registry.UnavailableError](t, name, err)
		if e != nil && (e.Hint() == "" || !strings.Contains(e.Error(), server.Host())) {
			t.Errorf("%s: error %q with hint %q", name, e, e.Hint())
		}
		server.Heal()
	}
	for status, denied := range map[int]bool{401: false, 403: true} {
		server.Inject(testregistry.Fault{Status: status, Body: `{"errors":[{"code":"UNAUTHORIZED"}]}`})
		_, err := client.Versions(t.Context(), repo)
		e := expectError[*registry.AuthError](t, "versions", err)
		if e != nil && (e.Denied != denied || !strings.Contains(e.Hint(), "loadr registry login "+server.Host())) {
			t.Errorf("%d: denied %v, hint %q", status, e.Denied, e.Hint())
		}
		server.Heal()
	}
	server.Inject(testregistry.Fault{Status: 404, Body: `{"errors":[{"code":"NAME_UNKNOWN","message":"unknown"}]}`})
	_, err := client.Versions(t.Context(), repo)
	expectError[*registry.NotFoundError](t, "NAME_UNKNOWN", err)
	server.Heal()
	server.Inject(testregistry.Fault{Status: 200, Body: `{"name":"team/echo","tags":null}`})
	_, err = client.Versions(t.Context(), repo)
	expectError[*registry.NotFoundError](t, "a repository without tags", err)
}

func TestUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host := l.Addr().String()
	l.Close()
	_, err = newClient(t, registry.Options{}).Impatient().Versions(t.Context(), repoIn(host))
	expectError[*registry.UnavailableError](t, "nobody listens", err)
}

func TestSilence(t *testing.T) {
	server, client, pack := published(t, registry.Options{Idle: 300 * time.Millisecond})
	server.Inject(testregistry.Fault{Delay: 20 * time.Second})
	start := time.Now()
	_, err := client.Versions(t.Context(), repoIn(server.Host()))
	if e := expectError[*registry.UnavailableError](t, "versions", err); e != nil && !e.Timeout {
		t.Errorf("%v is not reported as a timeout", e)
	}
	_, err = client.Fetch(t.Context(), repoIn(server.Host()), pack.Release().Targets[0].Library)
	expectError[*registry.UnavailableError](t, "fetch", err)
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("gave up after %v", took)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = client.Versions(ctx, repoIn(server.Host()))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with a deadline: %v, expected it to wrap context.DeadlineExceeded", err)
	}
}

// TestResume breaks a download several times: it goes on where it was, and the digest covers all of it.
func TestResume(t *testing.T) {
	server, client, pack := published(t, registry.Options{})
	library := pack.Release().Targets[0].Library
	want := readAll(t, client, repoIn(server.Host()), library)
	server.Take()
	server.Inject(testregistry.Fault{Match: "GET blob", Cut: len(want) / 4, Times: 3})
	if got := readAll(t, client, repoIn(server.Host()), library); !bytes.Equal(got, want) {
		t.Error("the resumed download differs")
	}
	expectRequests(t, server, "a download broken three times", "GET blob", "GET blob", "GET blob", "GET blob")
	server.Inject(testregistry.Fault{Match: "GET blob", Cut: 1})
	_, err := tryRead(t.Context(), client, repoIn(server.Host()), library)
	expectError[*registry.UnavailableError](t, "a download that always breaks", err)
}

func TestAlteredBytes(t *testing.T) {
	server, client, pack := published(t, registry.Options{})
	repo, library := repoIn(server.Host()), pack.Release().Targets[0].Library
	flip := func(b []byte) []byte { b[len(b)/2] ^= 1; return b }
	longer := func(b []byte) []byte { return append(b, "more"...) }
	shorter := func(b []byte) []byte { return b[:len(b)-1] }
	for name, alter := range map[string]func([]byte) []byte{"one bit": flip, "longer": longer, "shorter": shorter} {
		server.Inject(testregistry.Fault{Match: "GET blob", Alter: alter})
		_, err := tryRead(t.Context(), client, repo, library)
		expectError[*registry.IntegrityError](t, "blob, "+name, err)
		server.Heal()
		server.Inject(testregistry.Fault{Match: "GET manifest", Alter: alter})
		_, err = client.Release(t.Context(), repo, "1.0.0")
		expectError[*registry.IntegrityError](t, "manifest, "+name, err)
		server.Heal()
	}
}

// TestEndlessBlob has a registry that sends more than the descriptor says, without a length: reading stops there.
func TestEndlessBlob(t *testing.T) {
	server, client, pack := published(t, registry.Options{})
	library := pack.Release().Targets[0].Library
	server.Inject(testregistry.Fault{Match: "GET blob", Status: 200, Header: http.Header{"Transfer-Encoding": {"chunked"}}, Body: strings.Repeat("x", 1<<20)})
	got, err := tryRead(t.Context(), client, repoIn(server.Host()), library)
	if err == nil || int64(len(got)) > library.Size {
		t.Errorf("read %d bytes of %d, error %v", len(got), library.Size, err)
	}
	expectError[*registry.IntegrityError](t, "endless blob", err)
}

func TestHugeManifest(t *testing.T) {
	server, client, _ := published(t, registry.Options{})
	huge := func([]byte) []byte { return bytes.Repeat([]byte("x"), registry.MaxManifest+1) }
	server.Inject(testregistry.Fault{Match: "GET manifest", Alter: huge})
	_, err := client.Release(t.Context(), repoIn(server.Host()), "1.0.0")
	expectError[*registry.InvalidArtifactError](t, "release", err)
}

// TestPlainHTTP speaks without TLS to loopback and to listed hosts only, redirects included.
func TestPlainHTTP(t *testing.T) {
	transport := &recorded{}
	_, err := newClient(t, registry.Options{Transport: transport}).Versions(t.Context(), repoIn("registry.example"))
	expectError[*registry.UnavailableError](t, "versions", err)
	_, err = newClient(t, registry.Options{Transport: transport, PlainHTTP: []string{"registry.example:5000"}}).Versions(t.Context(), repoIn("registry.example:5000"))
	expectError[*registry.UnavailableError](t, "versions", err)
	want := []string{"https://registry.example", "http://registry.example:5000"}
	if strings.Join(transport.asked, " ") != strings.Join(want, " ") {
		t.Errorf("asked %v, expected %v", transport.asked, want)
	}
	transport.asked, transport.redirect = nil, "http://elsewhere.example/v2/"
	_, err = newClient(t, registry.Options{Transport: transport}).Versions(t.Context(), repoIn("registry.example"))
	expectError[*registry.UnavailableError](t, "a redirect to http", err)
	if len(transport.asked) != 1 || !strings.Contains(err.Error(), "plain-http") {
		t.Errorf("after a redirect to http: asked %v, error %v", transport.asked, err)
	}
}

// recorded notes where requests would go and goes nowhere.
type recorded struct {
	asked    []string
	redirect string
}

func (r *recorded) RoundTrip(req *http.Request) (*http.Response, error) {
	r.asked = append(r.asked, req.URL.Scheme+"://"+req.URL.Host)
	if r.redirect == "" {
		return nil, errors.New("no network in this test")
	}
	return &http.Response{StatusCode: http.StatusFound, Header: http.Header{"Location": {r.redirect}}, Body: http.NoBody, Request: req}, nil
}
