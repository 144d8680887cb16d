package registry_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/loadr-plugins/loadr/internal/testregistry"
	"github.com/loadr-plugins/loadr/manifest"
	"github.com/loadr-plugins/loadr/registry"
)

// original is a registry with echo 1.0.0 for three platforms, a signature of it, and a signature of the signature.
func original(t *testing.T) (*testregistry.Registry, *registry.Client, registry.Copy) {
	t.Helper()
	ctx, server, client := t.Context(), testregistry.New(t), newClient(t, registry.Options{}).Impatient()
	repo := repoIn(server.Host())
	pack := testregistry.Pack(t, threeTargets)
	if _, err := client.Push(ctx, repo, pack); err != nil {
		t.Fatal(err)
	}
	subject := v1.Descriptor{MediaType: v1.MediaTypeImageIndex, Digest: pack.Digest(), Size: pack.Release().Size}
	for range 2 {
		d, err := client.Attach(ctx, repo, subject, registry.Attachment{
			ArtifactType: "text/signature", Annotations: map[string]string{"by": "a test"},
			Layers: []registry.AttachedLayer{{MediaType: "text/plain", Content: []byte("approved")}},
		})
		if err != nil {
			t.Fatal(err)
		}
		subject = v1.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}
	}
	c := copyOf(t, client, repo, pack.Digest())
	server.Take()
	return server, client, c
}

func copyOf(t *testing.T, from registry.Origin, repo registry.Repository, index digest.Digest) registry.Copy {
	t.Helper()
	a, err := from.Artifact(t.Context(), repo, index)
	if err != nil {
		t.Fatal(err)
	}
	c := registry.Copy{From: repo, Artifact: a}
	if c.Attached, err = from.Attached(t.Context(), repo, index); err != nil {
		t.Fatal(err)
	}
	for _, target := range a.Release.Targets {
		c.Targets = append(c.Targets, target.Target)
	}
	return c
}

func copyAll(t *testing.T, from registry.Origin, to *registry.Client, host string, list ...registry.Copy) ([]registry.CopyResult, error) {
	t.Helper()
	return to.CopyAll(t.Context(), from, host, "mirror", list)
}

func copiedTo(host string) registry.Repository {
	return registry.Repository{Registry: host, Namespace: "mirror", Name: "echo"}
}

// TestCopy copies into every kind of registry, and then finds nothing left to do.
func TestCopy(t *testing.T) {
	for name, place := range map[string]func(t *testing.T) (string, *registry.Client){
		"remote": func(t *testing.T) (string, *registry.Client) {
			return testregistry.New(t).Host(), newClient(t, registry.Options{})
		},
		"without-referrers": func(t *testing.T) (string, *registry.Client) {
			return testregistry.Debian(t), newClient(t, registry.Options{})
		},
		"directory": func(t *testing.T) (string, *registry.Client) {
			return registry.Local, newClient(t, registry.Options{Dir: t.TempDir()})
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, from, c := original(t)
			host, to := place(t)
			results, err := copyAll(t, from, to, host, c)
			// Three libraries and configs, one README; three platforms, the index and two signatures.
			if err != nil || !results[0].Tagged || results[0].Manifests != 6 || results[0].Referrers != 2 {
				t.Fatalf("copy: %+v, %v", results, err)
			}
			if diff := cmp.Diff(c, copyWithFrom(copyOf(t, to, copiedTo(host), c.Artifact.Release.Digest), c.From)); diff != "" {
				t.Errorf("the copy differs (-original +copy):\n%s", diff)
			}
			r, err := to.Release(t.Context(), copiedTo(host), "1.0.0")
			if err != nil || r.Digest != c.Artifact.Release.Digest {
				t.Errorf("the tag: %+v, %v", r, err)
			}
			for _, target := range c.Artifact.Release.Targets {
				readAll(t, to, copiedTo(host), target.Library)
			}
			results, err = copyAll(t, from, to, host, c)
			if err != nil || results[0] != (registry.CopyResult{}) {
				t.Errorf("copying again: %+v, %v", results, err)
			}
		})
	}
}

func copyWithFrom(c registry.Copy, from registry.Repository) registry.Copy {
	c.From = from
	return c
}

// TestCopyRequests counts what copying asks for when everything is there: nothing is sent.
func TestCopyRequests(t *testing.T) {
	origin, from, c := original(t)
	server := testregistry.New(t)
	if _, err := copyAll(t, from, from, server.Host(), c); err != nil {
		t.Fatal(err)
	}
	origin.Take()
	server.Take()
	if _, err := copyAll(t, from, from, server.Host(), c); err != nil {
		t.Fatal(err)
	}
	expectRequests(t, server, "copying what is there", "HEAD manifest", "HEAD manifest", "HEAD manifest", "HEAD manifest", "GET referrers", "GET referrers")
	expectRequests(t, origin, "copying what is there")
}

// TestCopyGoesOn breaks a copy at its last step and has the next one do only what is left.
func TestCopyGoesOn(t *testing.T) {
	_, from, c := original(t)
	server := testregistry.New(t)
	server.Inject(testregistry.Fault{Match: "PUT manifest", Status: http.StatusForbidden})
	_, err := copyAll(t, from, from, server.Host(), c)
	expectError[*registry.AuthError](t, "copy to a registry that takes no manifests", err)
	if _, err := from.Release(t.Context(), copiedTo(server.Host()), "1.0.0"); err == nil {
		t.Error("the broken copy has a tag")
	}
	server.Heal()
	results, err := copyAll(t, from, from, server.Host(), c)
	if err != nil || !results[0].Tagged || results[0].Blobs != 0 || results[0].Manifests != 6 {
		t.Errorf("going on: %+v, %v", results, err)
	}
}

// TestCopyOverAnother finds the version taken, in one of two repositories, before anything is sent.
func TestCopyOverAnother(t *testing.T) {
	_, from, c := original(t)
	server := testregistry.New(t)
	other := testregistry.Pack(t, testregistry.Spec{Library: "another"})
	if _, err := from.Push(t.Context(), copiedTo(server.Host()), other); err != nil {
		t.Fatal(err)
	}
	second := c
	second.From.Name = "second" // it will have a repository of its own
	server.Take()
	_, err := copyAll(t, from, from, server.Host(), second, c)
	if e := expectError[*registry.TagTakenError](t, "copy", err); e != nil && (e.Existing != other.Digest() || e.Want != c.Artifact.Release.Digest) {
		t.Errorf("error %+v", e)
	}
	for _, request := range server.Take() {
		if !strings.HasPrefix(request, "HEAD ") && !strings.HasPrefix(request, "GET ") {
			t.Errorf("a refused copy sent %s", request)
		}
	}
}

// holdsNot is an origin that lacks blobs.
type holdsNot struct {
	registry.Origin
	lacks []digest.Digest
}

func (o holdsNot) Holds(ctx context.Context, repo registry.Repository, blob v1.Descriptor) (bool, error) {
	if slices.Contains(o.lacks, blob.Digest) {
		return false, nil
	}
	return o.Origin.Holds(ctx, repo, blob)
}

func TestCopySparse(t *testing.T) {
	_, from, c := original(t)
	server := testregistry.New(t)
	first := c.Artifact.Release.Targets[0]
	origin := holdsNot{from, []digest.Digest{first.Library.Digest}}
	_, err := copyAll(t, origin, from, server.Host(), c)
	want := []registry.MissingBlob{{Repository: c.From, Version: "1.0.0", Target: first.Target, Digest: first.Library.Digest}}
	if e := expectError[*registry.SparseError](t, "copy", err); e != nil {
		if diff := cmp.Diff(want, e.Missing); diff != "" {
			t.Errorf("missing (-want +got):\n%s", diff)
		}
	}
	for _, request := range server.Take() {
		if !strings.HasPrefix(request, "HEAD ") && !strings.HasPrefix(request, "GET ") {
			t.Errorf("a refused copy sent %s", request)
		}
	}
	// What the origin lacks and the other side has is no loss.
	if _, err := copyAll(t, from, from, server.Host(), c); err != nil {
		t.Fatal(err)
	}
	if results, err := copyAll(t, origin, from, server.Host(), c); err != nil || results[0].Manifests != 0 {
		t.Errorf("copying what is there: %+v, %v", results, err)
	}
}

// TestCopySomePlatforms copies one of three, into a registry that accepts that and into one that doesn't.
func TestCopySomePlatforms(t *testing.T) {
	_, from, c := original(t)
	c.Targets = []manifest.Target{testregistry.Linux}
	_, err := copyAll(t, from, from, testregistry.New(t).Host(), c)
	if e := expectError[*registry.SparseRefusedError](t, "copy", err); e != nil && !slices.Equal(e.Targets, c.Targets) {
		t.Errorf("error %+v", e)
	}
	loose := newLoose(t)
	results, err := copyAll(t, from, from, loose.host(), c)
	if err != nil || !results[0].Tagged || results[0].Manifests != 4 {
		t.Fatalf("copy: %+v, %v", results, err)
	}
	r, err := from.Release(t.Context(), copiedTo(loose.host()), "1.0.0")
	if err != nil || r.Digest != c.Artifact.Release.Digest {
		t.Fatalf("release: %v", err)
	}
	for _, target := range r.Targets {
		_, err := tryRead(t.Context(), from, copiedTo(loose.host()), target.Library)
		if wanted := target.Target == testregistry.Linux; wanted != (err == nil) {
			t.Errorf("library for %s: %v", target.Target, err)
		}
	}
}

// TestCopyOtherPlatformsLater adds to an index that is there what it names and the first copy left out.
func TestCopyOtherPlatformsLater(t *testing.T) {
	_, from, c := original(t)
	loose, all := newLoose(t), c.Targets
	c.Targets = []manifest.Target{testregistry.Linux}
	if _, err := copyAll(t, from, from, loose.host(), c); err != nil {
		t.Fatal(err)
	}
	c.Targets = all
	results, err := copyAll(t, from, from, loose.host(), c)
	if err != nil || results[0].Tagged || results[0].Manifests != 2 {
		t.Errorf("copy: %+v, %v", results, err)
	}
	for _, target := range c.Artifact.Release.Targets {
		readAll(t, from, copiedTo(loose.host()), target.Library)
	}
}

// loose is a registry that checks nothing of what it is given.
type loose struct {
	server  *httptest.Server
	mu      sync.Mutex
	content map[string][]byte // by last part of the path
	types   map[string]string
}

func newLoose(t *testing.T) *loose {
	l := &loose{content: map[string][]byte{}, types: map[string]string{}}
	l.server = httptest.NewServer(l)
	t.Cleanup(l.server.Close)
	return l
}

func (l *loose) host() string { return strings.TrimPrefix(l.server.URL, "http://") }

func (l *loose) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	name := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	switch {
	case r.Method == http.MethodPost:
		w.Header().Set("Location", "/upload/")
		w.WriteHeader(http.StatusAccepted)
	case r.Method == http.MethodPut:
		content, _ := io.ReadAll(r.Body) // a broken request shows in what is read back
		d := digest.FromBytes(content).String()
		for _, key := range []string{name, d} {
			l.content[key], l.types[key] = content, r.Header.Get("Content-Type")
		}
		w.WriteHeader(http.StatusCreated)
	case strings.Contains(r.URL.Path, "/referrers/") || l.content[name] == nil:
		w.WriteHeader(http.StatusNotFound)
	default:
		w.Header().Set("Content-Type", l.types[name])
		w.Header().Set("Docker-Content-Digest", digest.FromBytes(l.content[name]).String())
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(l.content[name]))
	}
}

// TestCopyWithTokens copies within registries that hand out tokens, one of them for one repository at a time only.
func TestCopyWithTokens(t *testing.T) {
	for name, option := range map[string]func(user, secret string) testregistry.Option{
		"several": testregistry.Tokens, "one-by-one": testregistry.TokensOneByOne,
	} {
		t.Run(name, func(t *testing.T) {
			server := testregistry.New(t, option("me", "secret"))
			client := newClient(t, registry.Options{Credentials: credentialsFor(server.Host(), "me", "secret")})
			repo := repoIn(server.Host())
			pack := testregistry.Pack(t, threeTargets)
			if _, err := client.Push(t.Context(), repo, pack); err != nil {
				t.Fatal(err)
			}
			c := copyOf(t, client, repo, pack.Digest())
			ctx := registry.WithRepositories(t.Context(), []registry.Repository{repo, {Registry: server.Host(), Namespace: "other", Name: "plugin"}})
			results, err := client.CopyAll(ctx, client, server.Host(), "mirror", []registry.Copy{c})
			if err != nil || !results[0].Tagged {
				t.Fatalf("copy: %+v, %v", results, err)
			}
			_, err = newClient(t, registry.Options{}).CopyAll(ctx, client, server.Host(), "mirror", []registry.Copy{c})
			expectError[*registry.AuthError](t, "copy without credentials", err)
		})
	}
}
