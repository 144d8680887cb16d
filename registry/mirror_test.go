package registry_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/loadr-plugins/loadr/internal/testregistry"
	"github.com/loadr-plugins/loadr/registry"
)

// mirrored is a registry with two mirrors of it, all holding echo 1.0.0.
type mirrored struct {
	origin, first, second *testregistry.Registry
	repo                  registry.Repository
	pack                  *registry.Pack
	client                *registry.Client
	told                  *told
}

// told is what a client's events said.
type told struct {
	mu                    sync.Mutex
	served, left, pausing []string
}

func (l *told) events() registry.Events {
	add := func(list *[]string, format string, args ...any) {
		l.mu.Lock()
		defer l.mu.Unlock()
		*list = append(*list, fmt.Sprintf(format, args...))
	}
	return registry.Events{
		Served:  func(_ registry.Repository, what string, m registry.Mirror) { add(&l.served, "%s from %s", what, m) },
		Left:    func(m registry.Mirror, err error) { add(&l.left, "%s: %v", m, err) },
		Pausing: func(_ string, pause time.Duration, why string) { add(&l.pausing, "%v %s", pause, why) },
	}
}

func newMirrored(t *testing.T, o registry.Options, opts ...testregistry.Option) *mirrored {
	t.Helper()
	m := &mirrored{origin: testregistry.New(t), first: testregistry.New(t, opts...), second: testregistry.New(t), told: &told{}}
	m.repo = repoIn(m.origin.Host())
	m.pack = testregistry.Pack(t, testregistry.Spec{Library: strings.Repeat("a library ", 40_000)})
	writer := newClient(t, registry.Options{Credentials: o.Credentials})
	for _, repo := range []registry.Repository{m.repo, repoIn(m.first.Host()), {Registry: m.second.Host(), Namespace: "cache/of/team", Name: "echo"}} {
		if _, err := writer.Push(t.Context(), repo, m.pack); err != nil {
			t.Fatal(err)
		}
	}
	o.Events = m.told.events()
	if o.Mirrors == nil {
		o.Mirrors = map[string][]registry.Mirror{m.origin.Host(): {mirror(t, m.first.Host()), mirror(t, m.second.Host()+"/cache/of")}}
	}
	m.client = newClient(t, o).Impatient()
	m.forget()
	return m
}

func mirror(t *testing.T, location string) registry.Mirror {
	t.Helper()
	m, err := registry.ParseMirror(location)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func (m *mirrored) forget() {
	for _, r := range []*testregistry.Registry{m.origin, m.first, m.second} {
		r.Take()
	}
}

func (m *mirrored) library() v1.Descriptor { return m.pack.Release().Targets[0].Library }
func (m *mirrored) index() string          { return m.pack.Release().Digest.String() }

// readAgain reads a blob as Source asks for it: again, after a mirror served other bytes.
func (m *mirrored) readAgain(t *testing.T, desc v1.Descriptor) (text []byte, attempts int) {
	t.Helper()
	for {
		attempts++
		text, err := tryRead(t.Context(), m.client, m.repo, desc)
		var wrong *registry.IntegrityError
		if errors.As(err, &wrong) && wrong.Mirror != "" && attempts < 10 {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		return text, attempts
	}
}

// TestMirrorsServeBytes: what a digest names comes from the first mirror, tags and their lists from the registry.
func TestMirrorsServeBytes(t *testing.T) {
	m := newMirrored(t, registry.Options{})
	if _, err := m.client.Release(t.Context(), m.repo, m.index()); err != nil {
		t.Fatal(err)
	}
	m.readAgain(t, m.library())
	expectRequests(t, m.first, "digests", "GET manifest", "GET blob")
	expectRequests(t, m.second, "digests")
	expectRequests(t, m.origin, "digests")
	want := []string{m.index() + " from " + m.first.Host(), m.library().Digest.String() + " from " + m.first.Host()}
	if !slices.Equal(m.told.served, want) {
		t.Errorf("told %q, expected %q", m.told.served, want)
	}

	if _, err := m.client.Versions(t.Context(), m.repo); err != nil {
		t.Fatal(err)
	}
	if _, err := m.client.Release(t.Context(), m.repo, "1.0.0"); err != nil {
		t.Fatal(err)
	}
	expectRequests(t, m.origin, "tags", "GET tags", "GET manifest")
	expectRequests(t, m.first, "tags")
	expectRequests(t, m.second, "tags")
}

// TestMirrorMayResolve: only a mirror that is allowed to is asked what a tag names, and pushing never asks one.
func TestMirrorMayResolve(t *testing.T) {
	m := newMirrored(t, registry.Options{})
	trusted := mirror(t, m.first.Host())
	trusted.Resolve = true
	client := newClient(t, registry.Options{Mirrors: map[string][]registry.Mirror{m.origin.Host(): {mirror(t, m.second.Host()+"/cache/of"), trusted}}})
	if got, err := client.Versions(t.Context(), m.repo); err != nil || !slices.Contains(got, "1.0.0") {
		t.Errorf("versions %v, %v", got, err)
	}
	if _, err := client.Release(t.Context(), m.repo, "1.0.0"); err != nil {
		t.Error(err)
	}
	expectRequests(t, m.first, "tags", "GET tags", "GET manifest")
	expectRequests(t, m.second, "tags")
	expectRequests(t, m.origin, "tags")

	// What the mirror does not have is for the registry to say.
	unknown := registry.Repository{Registry: m.origin.Host(), Namespace: "team", Name: "unknown"}
	_, err := client.Versions(t.Context(), unknown)
	expectError[*registry.NotFoundError](t, "unknown to both", err)
	expectRequests(t, m.origin, "an unknown name", "GET tags")

	m.forget()
	next := testregistry.Pack(t, testregistry.Spec{Version: "1.1.0"})
	if _, err := client.Push(t.Context(), m.repo, next); err != nil {
		t.Fatal(err)
	}
	expectRequests(t, m.first, "push")
	expectRequests(t, m.second, "push")
}

// TestMirrorMaySayWhatWasWithdrawn: a mirror that says which versions there are says what was withdrawn, too, with or without the
// referrers API; a site that reaches nothing else can then resolve. Other mirrors are not asked, nor any by who withdraws.
func TestMirrorMaySayWhatWasWithdrawn(t *testing.T) {
	for name, opts := range map[string][]testregistry.Option{"API": nil, "tag": {testregistry.NoReferrers()}} {
		t.Run(name, func(t *testing.T) {
			m := newMirrored(t, registry.Options{}, opts...)
			trusted := mirror(t, m.first.Host())
			trusted.Resolve = true
			client := newClient(t, registry.Options{Mirrors: map[string][]registry.Mirror{m.origin.Host(): {trusted}}}).Impatient()
			withdraw(t, client, m.repo, m.pack.Release(), "leaks")
			expectRequests(t, m.first, "withdrawing")
			m.forget()

			m.origin.Inject(testregistry.Fault{Close: true})
			if reason := statusOf(t, client, m.repo, m.pack.Digest()).Withdrawn(); reason != "" {
				t.Errorf("a mirror that has no statement: %q", reason)
			}
			withdraw(t, newClient(t, registry.Options{}), repoIn(m.first.Host()), m.pack.Release(), "loses data")
			if reason := statusOf(t, client, m.repo, m.pack.Digest()).Withdrawn(); reason != "loses data" {
				t.Errorf("a mirror that has one: %q", reason)
			}
			expectRequests(t, m.origin, "the registry")
			_, err := m.client.Status(t.Context(), m.repo, m.pack.Digest())
			expectError[*registry.UnavailableError](t, "mirrors that may not say it", err)
		})
	}
}

// TestForeignRegistryAsMirror: Debian's docker-registry serves what was published elsewhere, and goes on with a download that
// another mirror broke off.
func TestForeignRegistryAsMirror(t *testing.T) {
	m := newMirrored(t, registry.Options{})
	foreign := testregistry.Debian(t)
	if _, err := newClient(t, registry.Options{}).Push(t.Context(), repoIn(foreign), m.pack); err != nil {
		t.Fatal(err)
	}
	log := &told{}
	client := newClient(t, registry.Options{Events: log.events(), Mirrors: map[string][]registry.Mirror{
		m.origin.Host(): {mirror(t, m.first.Host()), mirror(t, foreign)},
	}})
	m.forget()
	m.first.Inject(testregistry.Fault{Match: "GET blob", Cut: int(m.library().Size / 2)})
	m.first.Inject(testregistry.Fault{Match: "GET manifest", Status: 503})
	if got := readAll(t, client, m.repo, m.library()); int64(len(got)) != m.library().Size {
		t.Errorf("%d bytes", len(got))
	}
	if _, err := client.Release(t.Context(), m.repo, m.index()); err != nil {
		t.Error(err)
	}
	expectRequests(t, m.origin, "the registry")
	if len(log.left) != 1 || !slices.Contains(log.served, m.index()+" from "+foreign) {
		t.Errorf("left %q, served %q", log.left, log.served)
	}
}

// TestMirrorCredentials: a mirror gets its own login and never the registry's, and one token request for all repositories
// that were announced.
func TestMirrorCredentials(t *testing.T) {
	origin := testregistry.New(t)
	private := testregistry.New(t, testregistry.Tokens("ann", "secret"))
	names, packs := []string{"echo", "other"}, map[string]*registry.Pack{}
	writer := newClient(t, registry.Options{Credentials: credentialsFor(private.Host(), "ann", "secret")})
	var repos []registry.Repository
	for _, name := range names {
		packs[name] = testregistry.Pack(t, testregistry.Spec{Name: name, Library: name})
		for host, namespace := range map[string]string{origin.Host(): "team", private.Host(): "cache/team"} {
			if _, err := writer.Push(t.Context(), registry.Repository{Registry: host, Namespace: namespace, Name: name}, packs[name]); err != nil {
				t.Fatal(err)
			}
		}
		repos = append(repos, registry.Repository{Registry: origin.Host(), Namespace: "team", Name: name})
	}
	private.TakeTokens()
	mirrors := map[string][]registry.Mirror{origin.Host(): {mirror(t, private.Host()+"/cache")}}
	log := &told{}
	read := func(login string) {
		client := newClient(t, registry.Options{Mirrors: mirrors, Events: log.events(), Credentials: credentialsFor(login, "ann", "secret")})
		ctx := registry.WithRepositories(t.Context(), repos)
		for _, repo := range repos {
			if _, err := tryRead(ctx, client, repo, packs[repo.Name].Release().Targets[0].Library); err != nil {
				t.Error(err)
			}
		}
	}
	read(private.Host())
	if n := private.TakeTokens(); len(log.served) != 2 || len(log.left) > 0 || n != 1 {
		t.Errorf("with a login: served %q, left %q, %d tokens", log.served, log.left, n)
	}
	read(origin.Host())
	if len(log.served) != 2 || len(log.left) != 2 || !strings.Contains(log.left[0], "not logged in") {
		t.Errorf("without one: served %q, left %q", log.served, log.left)
	}
}

// TestMirrorsNeedTLS: a mirror is spoken to without TLS only where it is listed for that.
func TestMirrorsNeedTLS(t *testing.T) {
	transport := &recorded{}
	library := testregistry.Pack(t, testregistry.Spec{}).Release().Targets[0].Library
	mirrors := map[string][]registry.Mirror{"registry.example": {mirror(t, "a.example"), mirror(t, "b.example:5000/x")}}
	client := newClient(t, registry.Options{Transport: transport, Mirrors: mirrors, PlainHTTP: []string{"b.example:5000"}})
	_, err := client.Fetch(t.Context(), repoIn("registry.example"), library)
	expectError[*registry.UnavailableError](t, "fetch", err)
	want := []string{"https://a.example", "http://b.example:5000", "https://registry.example"}
	if !slices.Equal(transport.asked, want) {
		t.Errorf("asked %v, expected %v", transport.asked, want)
	}
}

// TestMirrorCancelled: the end of the context is nobody's fault.
func TestMirrorCancelled(t *testing.T) {
	m := newMirrored(t, registry.Options{})
	m.first.Inject(testregistry.Fault{Delay: 20 * time.Second})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, err := tryRead(ctx, m.client, m.repo, m.library()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	if len(m.told.left) > 0 || len(m.second.Take())+len(m.origin.Take()) > 0 || time.Since(start) > 5*time.Second {
		t.Errorf("left %q after %v", m.told.left, time.Since(start))
	}
}

func TestParseMirror(t *testing.T) {
	for text, want := range map[string]registry.Mirror{
		"mirror.example":             {Host: "mirror.example"},
		"Mirror.example:5000/a/b":    {Host: "mirror.example:5000", Prefix: "a/b"},
		"[::1]:5000":                 {Host: "[::1]:5000"},
		"127.0.0.1:5000/docker.io_x": {Host: "127.0.0.1:5000", Prefix: "docker.io_x"},
	} {
		if got, err := registry.ParseMirror(text); err != nil || got != want {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		"https://mirror.example": "without https://",
		"mirror":                 "expected a host with a dot or a port",
		"":                       "expected host",
		"mirror.example/":        "expected lower-case",
		"mirror.example/A":       "expected lower-case",
		"local":                  "directory registry",
		"local/x":                "directory registry",
		"user@mirror.example":    "expected host",
	} {
		if _, err := registry.ParseMirror(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, expected %q in it", text, err, want)
		}
	}
}

// FuzzMirror: what is accepted is a host and a path that a URL can hold, and is read the same again.
func FuzzMirror(f *testing.F) {
	for _, seed := range []string{"mirror.example", "mirror.example:5000/a/b", "[::1]:5000", "https://x.example", "local", "a.b/../c", "a.b//c", "a.b/c?d"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := registry.ParseMirror(text)
		if err != nil {
			return
		}
		u, err := url.Parse("https://" + m.String() + "/v2/")
		if err != nil || u.Host != m.Host || u.User != nil || u.RawQuery+u.Fragment != "" || strings.Contains(u.Path, "..") {
			t.Errorf("%q: %+v is no part of an address: %v", text, m, err)
		}
		if again, err := registry.ParseMirror(m.String()); err != nil || again != m {
			t.Errorf("%q: %+v is read again as %+v, %v", text, m, again, err)
		}
	})
}
