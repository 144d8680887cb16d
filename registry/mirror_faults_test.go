package registry_test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/loadr-plugins/loadr/internal/testregistry"
	"github.com/loadr-plugins/loadr/registry"
)

// TestMirrorsThatFail: one that is down, lies, stays silent, refuses or lacks something is left, for the next one and at last
// the registry; and only one that lacks something is asked again.
func TestMirrorsThatFail(t *testing.T) {
	flip := func(b []byte) []byte { b[len(b)/2] ^= 1; return b }
	for name, test := range map[string]struct {
		fault testregistry.Fault
		again bool // asked for other things afterwards
	}{
		"500":            {testregistry.Fault{Status: 500}, false},
		"429":            {testregistry.Fault{Status: 429, Header: http.Header{"Retry-After": {"30"}}}, false},
		"401":            {testregistry.Fault{Status: 401}, false},
		"403":            {testregistry.Fault{Status: 403, Body: `{"errors":[{"code":"DENIED"}]}`}, false},
		"404":            {testregistry.Fault{Status: 404, Body: `{"errors":[{"code":"BLOB_UNKNOWN"}]}`}, true},
		"a login page":   {testregistry.Fault{Status: 200, Header: http.Header{"Content-Type": {"text/html"}}, Body: "<html>"}, false},
		"silence":        {testregistry.Fault{Delay: 20 * time.Second}, false},
		"other bytes":    {testregistry.Fault{Alter: flip}, false},
		"more bytes":     {testregistry.Fault{Alter: func(b []byte) []byte { return append(b, 'x') }}, false},
		"half the bytes": {testregistry.Fault{Cut: 20}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMirrored(t, registry.Options{Idle: 400 * time.Millisecond})
			m.first.Inject(test.fault)
			start := time.Now()
			if got, attempts := m.readAgain(t, m.library()); int64(len(got)) != m.library().Size || attempts > 2 {
				t.Errorf("read %d bytes in %d attempts", len(got), attempts)
			}
			if len(m.first.Take()) != 1 {
				t.Error("the mirror was not asked exactly once")
			}
			if _, err := m.client.Release(t.Context(), m.repo, m.index()); err != nil {
				t.Error(err)
			}
			if asked := len(m.first.Take()) > 0; asked != test.again {
				t.Errorf("the mirror was asked again: %v", asked)
			}
			expectRequests(t, m.second, "the second mirror", "GET blob", "GET manifest")
			expectRequests(t, m.origin, "the registry")
			if took := time.Since(start); took > 10*time.Second {
				t.Errorf("took %v", took)
			}
			if len(m.told.left) != 1 != test.again || len(m.told.pausing) > 0 {
				t.Errorf("told of mirrors left: %q, of pauses: %q", m.told.left, m.told.pausing)
			}
		})
	}
}

// TestManifestsOfLyingMirrors are caught at once: a manifest is judged before it is handed on.
func TestManifestsOfLyingMirrors(t *testing.T) {
	m := newMirrored(t, registry.Options{})
	m.first.Inject(testregistry.Fault{Alter: func(b []byte) []byte { return append(b, ' ') }})
	other := testregistry.Pack(t, testregistry.Spec{Name: "echo", Extra: "# another\n"})
	text := readIndex(t, other)
	m.second.Inject(testregistry.Fault{Alter: func([]byte) []byte { return text }}) // a sound one, and not the one asked for
	r, err := m.client.Release(t.Context(), m.repo, m.index())
	if err != nil || r.Digest.String() != m.index() {
		t.Errorf("release %v, %v", r, err)
	}
	expectRequests(t, m.origin, "the registry", "GET manifest")
}

func readIndex(t *testing.T, p *registry.Pack) []byte {
	t.Helper()
	server := testregistry.New(t)
	if _, err := newClient(t, registry.Options{}).Push(t.Context(), repoIn(server.Host()), p); err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get("http://" + server.Host() + "/v2/team/echo/manifests/1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestAllMirrorsLie: the registry has the last word, and when it lies too that is final.
func TestAllMirrorsLie(t *testing.T) {
	m := newMirrored(t, registry.Options{})
	flip := func(b []byte) []byte { b[0] ^= 1; return b }
	for _, r := range []*testregistry.Registry{m.first, m.second} {
		r.Inject(testregistry.Fault{Alter: flip})
	}
	if _, attempts := m.readAgain(t, m.library()); attempts != 3 {
		t.Errorf("%d attempts, expected one at each place", attempts)
	}
	m.origin.Inject(testregistry.Fault{Alter: flip})
	_, err := tryRead(t.Context(), m.client, m.repo, m.library())
	if e := expectError[*registry.IntegrityError](t, "everybody lies", err); e != nil && e.Mirror != "" {
		t.Errorf("blamed on %s", e.Mirror)
	}
}

// TestMirrorDown: nobody listens, and dozens of downloads pay for that once.
func TestMirrorDown(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	down := l.Addr().String()
	l.Close()
	origin := testregistry.New(t)
	repo, log := repoIn(origin.Host()), &told{}
	client := newClient(t, registry.Options{Events: log.events(), Mirrors: map[string][]registry.Mirror{origin.Host(): {mirror(t, down)}}})
	pack := testregistry.Pack(t, testregistry.Spec{})
	if _, err := client.Push(t.Context(), repo, pack); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		readAll(t, client, repo, pack.Release().Targets[0].Library)
	}
	if len(log.left) != 1 || len(log.served) > 0 {
		t.Errorf("left %q, served %q", log.left, log.served)
	}
	origin.Inject(testregistry.Fault{Status: 404, Body: "<html>"})
	_, err = client.Release(t.Context(), repo, pack.Release().Digest.String())
	expectError[*registry.NotFoundError](t, "gone", err)
	origin.Heal()
	origin.Inject(testregistry.Fault{Status: 400})
	_, err = client.Release(t.Context(), repo, pack.Release().Digest.String())
	if e := expectError[*registry.UnavailableError](t, "nobody has it", err); e != nil && (len(e.Mirrors) != 1 || !strings.Contains(e.Error(), down)) {
		t.Errorf("%v does not tell of the mirror: %q", e, e.Mirrors)
	}
}

// TestMirrorBreaks: a download that breaks off goes on at the next place, from the byte reached.
func TestMirrorBreaks(t *testing.T) {
	m := newMirrored(t, registry.Options{})
	want := readAll(t, newClient(t, registry.Options{}), m.repo, m.library())
	m.forget()
	m.first.Inject(testregistry.Fault{Match: "GET blob", Cut: len(want) / 3})
	m.second.Inject(testregistry.Fault{Match: "GET blob", Cut: len(want) / 3, Whole: true})
	got := readAll(t, m.client, m.repo, m.library())
	if !bytes.Equal(got, want) {
		t.Error("the download pieced together differs")
	}
	for what, r := range map[string]*testregistry.Registry{"first": m.first, "second": m.second, "origin": m.origin} {
		expectRequests(t, r, what, "GET blob")
	}
	if len(m.told.left) != 2 {
		t.Errorf("left: %q", m.told.left)
	}
}

// TestMirrorLiesAndBreaks: the registry served the rest correctly and must not be blamed.
func TestMirrorLiesAndBreaks(t *testing.T) {
	m := newMirrored(t, registry.Options{})
	m.second.Inject(testregistry.Fault{Status: 404, Body: "{}"})
	m.first.Inject(testregistry.Fault{Match: "GET blob", Cut: 100, Alter: func(b []byte) []byte { b[0] ^= 1; return b }})
	_, err := tryRead(t.Context(), m.client, m.repo, m.library())
	if e := expectError[*registry.IntegrityError](t, "a wrong beginning", err); e != nil && e.Mirror != m.first.Host() {
		t.Errorf("blamed on %q", e.Mirror)
	}
	readAll(t, m.client, m.repo, m.library())
}
