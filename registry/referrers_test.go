package registry_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/loadr-plugins/loadr/internal/testregistry"
	"github.com/loadr-plugins/loadr/registry"
)

func subjectOf(p *registry.Pack) v1.Descriptor {
	return v1.Descriptor{MediaType: v1.MediaTypeImageIndex, Digest: p.Digest(), Size: p.Release().Size}
}

const noteType = "application/vnd.example.note.v1"

// TestReferrersFailuresAreNotNone has registries that answer with everything but a list, where they have the referrers
// API and where they don't: an empty list would undo a withdrawal and skip a signature.
func TestReferrersFailuresAreNotNone(t *testing.T) {
	for name, opts := range map[string][]testregistry.Option{"api": nil, "tag": {testregistry.NoReferrers()}} {
		t.Run(name, func(t *testing.T) {
			server, client, pack := published(t, registry.Options{}, opts...)
			match := "GET referrers"
			if opts != nil {
				match = "GET manifest"
			}
			repo := repoIn(server.Host())
			if _, err := client.Attach(t.Context(), repo, subjectOf(pack), testregistry.Note("a note")); err != nil {
				t.Fatal(err)
			}
			ask := func() error {
				_, err := client.Referrers(t.Context(), repo, pack.Digest(), noteType)
				return err
			}
			html := http.Header{"Content-Type": {"text/html"}, "Content-Length": {"21"}}
			index := http.Header{"Content-Type": {v1.MediaTypeImageIndex}, "Content-Length": {"10"}}
			for fault, f := range map[string]testregistry.Fault{
				"500":               {Match: match, Status: 500},
				"429":               {Match: match, Status: 429},
				"cut":               {Match: match, Cut: 3},
				"a login portal":    {Status: 200, Header: html, Body: "<html>please log in  "},
				"broken JSON":       {Match: match, Status: 200, Header: index, Body: `{"manife  `},
				"a foreign content": {Match: match, Alter: func([]byte) []byte { return []byte(`{"manifests":7}`) }},
			} {
				server.Inject(f)
				if err := ask(); err == nil {
					t.Errorf("%s: taken for an answer", fault)
				}
				server.Heal()
			}
			for _, status := range []int{401, 403} {
				server.Inject(testregistry.Fault{Match: match, Status: status, Body: `{"errors":[{"code":"DENIED"}]}`})
				expectError[*registry.AuthError](t, strconv.Itoa(status), ask())
				server.Heal()
			}
			if err := ask(); err != nil {
				t.Errorf("after all that: %v", err)
			}
		})
	}
}

// TestReferrersByAnotherAnswer has registries that say in other ways than by a bare 404 that they have no referrers API.
func TestReferrersByAnotherAnswer(t *testing.T) {
	server, client, pack := published(t, registry.Options{}, testregistry.NoReferrers())
	repo := repoIn(server.Host())
	if _, err := client.Attach(t.Context(), repo, subjectOf(pack), testregistry.Note("a note")); err != nil {
		t.Fatal(err)
	}
	for _, status := range []int{400, 404, 405, 406} {
		server.Inject(testregistry.Fault{Match: "GET referrers", Status: status, Body: `{"errors":[{"code":"NAME_UNKNOWN"}]}`})
		if found, err := client.Referrers(t.Context(), repo, pack.Digest(), noteType); err != nil || len(found) != 1 {
			t.Errorf("%d: %v, %v", status, found, err)
		}
		server.Heal()
	}
}

// TestReferrerListedWithoutType: an entry that another client made without the artifact type does not keep ours out.
func TestReferrerListedWithoutType(t *testing.T) {
	client, repo := newClient(t, registry.Options{}), repoIn(testregistry.Debian(t))
	pack := testregistry.Pack(t, testregistry.Spec{})
	if _, err := client.Push(t.Context(), repo, pack); err != nil {
		t.Fatal(err)
	}
	d, err := client.Attach(t.Context(), repo, subjectOf(pack), testregistry.Note("a note"))
	if err != nil {
		t.Fatal(err)
	}
	list := v1.Index{MediaType: v1.MediaTypeImageIndex, Manifests: []v1.Descriptor{{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}}}
	list.SchemaVersion = 2
	text, _ := json.Marshal(list)
	if status := putManifest(t, repo, "sha256-"+pack.Digest().Encoded(), v1.MediaTypeImageIndex, text); status != http.StatusCreated {
		t.Fatalf("status %d", status)
	}
	if found, err := client.Referrers(t.Context(), repo, pack.Digest(), noteType); err != nil || len(found) != 0 {
		t.Fatalf("before: %v, %v", found, err)
	}
	if _, err := client.Attach(t.Context(), repo, subjectOf(pack), testregistry.Note("a note")); err != nil {
		t.Error(err)
	}
	if found, err := client.Referrers(t.Context(), repo, pack.Digest(), ""); err != nil || len(found) != 1 || found[0].ArtifactType != noteType {
		t.Errorf("after: %v, %v", found, err)
	}
}

// referrersServer lists made-up referrers by pages of 100; without end where count is negative.
func referrersServer(t *testing.T, count int) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from, _ := strconv.Atoi(r.URL.Query().Get("from"))
		list := v1.Index{MediaType: v1.MediaTypeImageIndex}
		for i := from; i < from+100 && (count < 0 && i < from+1 || i < count); i++ {
			list.Manifests = append(list.Manifests, v1.Descriptor{
				MediaType: v1.MediaTypeImageManifest, ArtifactType: noteType, Digest: digest.FromString(strconv.Itoa(i)), Size: 10,
			})
		}
		if count < 0 || from+100 < count {
			w.Header().Set("Link", fmt.Sprintf(`<%s?from=%d>; rel="next"`, r.URL.Path, from+100))
		}
		w.Header().Set("Content-Type", v1.MediaTypeImageIndex)
		_ = json.NewEncoder(w).Encode(list)
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func TestReferrersPages(t *testing.T) {
	client := newClient(t, registry.Options{})
	found, err := client.Referrers(t.Context(), repoIn(referrersServer(t, 950)), digest.FromString("x"), noteType)
	if err != nil || len(found) != 950 {
		t.Errorf("%d referrers, %v; expected 950", len(found), err)
	}
	for _, count := range []int{1001, -1} {
		_, err := client.Referrers(t.Context(), repoIn(referrersServer(t, count)), digest.FromString("x"), noteType)
		if err == nil {
			t.Errorf("a list of %d was taken", count)
		}
	}
}

// TestReferrersLies has a registry list what does not refer to the subject, or is something else than it is listed as.
func TestReferrersLies(t *testing.T) {
	server, client, pack := published(t, registry.Options{})
	ctx, repo := t.Context(), repoIn(server.Host())
	other := testregistry.Pack(t, testregistry.Spec{Version: "2.0.0"})
	if _, err := client.Push(ctx, repo, other); err != nil {
		t.Fatal(err)
	}
	elsewhere, err := client.Attach(ctx, repo, subjectOf(other), testregistry.Note("about 2.0.0"))
	if err != nil {
		t.Fatal(err)
	}
	renamed, larger, foreign := elsewhere, elsewhere, elsewhere
	renamed.ArtifactType = "application/vnd.example.other.v1"
	larger.Size++
	foreign.MediaType = v1.MediaTypeImageIndex
	if _, err := client.Referrer(ctx, repo, other.Digest(), elsewhere); err != nil {
		t.Fatal(err)
	}
	for name, lie := range map[string]struct {
		subject digest.Digest
		listed  v1.Descriptor
	}{
		"of another type": {other.Digest(), renamed}, "of another media type": {other.Digest(), foreign},
	} {
		_, err := client.Referrer(ctx, repo, lie.subject, lie.listed)
		expectError[*registry.InvalidArtifactError](t, name, err)
	}
	_, err = client.Referrer(ctx, repo, pack.Digest(), elsewhere)
	expectError[*registry.NotReferrerError](t, "of another subject", err)
	_, err = client.Referrer(ctx, repo, other.Digest(), larger)
	expectError[*registry.IntegrityError](t, "of another size", err)

	for name, d := range map[string]v1.Descriptor{
		"no digest": {ArtifactType: noteType, Digest: "sha256:12"}, "too large": {ArtifactType: noteType, Digest: pack.Digest(), Size: registry.MaxManifest + 1},
	} {
		text, _ := json.Marshal(v1.Index{MediaType: v1.MediaTypeImageIndex, Manifests: []v1.Descriptor{d}})
		server.Inject(testregistry.Fault{Match: "GET referrers", Alter: func([]byte) []byte { return text }})
		_, err := client.Referrers(ctx, repo, pack.Digest(), noteType)
		expectError[*registry.InvalidArtifactError](t, name, err)
		if found, err := client.Referrers(ctx, repo, pack.Digest(), "application/vnd.example.wanted.v1"); err != nil || len(found) != 0 {
			t.Errorf("%s, of a type that nobody asked for: %v, %v", name, found, err)
		}
		server.Heal()
	}
}

// TestReferrersAndOras attaches with one client and lists with the other, with and without the referrers API.
func TestReferrersAndOras(t *testing.T) {
	oras := testregistry.Tool(t, "oras")
	for name, host := range map[string]func() string{
		"api": func() string { return testregistry.New(t).Host() },
		"tag": func() string { return testregistry.Debian(t) },
	} {
		t.Run(name, func(t *testing.T) {
			client, repo := newClient(t, registry.Options{}), repoIn(host())
			pack := testregistry.Pack(t, testregistry.Spec{})
			if _, err := client.Push(t.Context(), repo, pack); err != nil {
				t.Fatal(err)
			}
			ours, err := client.Attach(t.Context(), repo, subjectOf(pack), testregistry.Note("ours"))
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), "note.txt")
			if err := os.WriteFile(file, []byte("theirs"), 0o600); err != nil {
				t.Fatal(err)
			}
			run := func(args ...string) string {
				cmd := exec.Command(oras, args...)
				cmd.Dir = filepath.Dir(file)
				out, err := cmd.CombinedOutput()
				if err != nil {
					t.Fatalf("oras %v: %v\n%s", args, err, out)
				}
				return string(out)
			}
			ref := repo.String() + ":1.0.0"
			run("attach", "--plain-http", "--artifact-type", noteType, ref, "note.txt:text/plain")
			if out := run("discover", "--plain-http", "--format", "json", ref); !strings.Contains(out, ours.Digest.String()) {
				t.Errorf("oras does not list %s:\n%s", ours.Digest, out)
			}
			found, err := client.Referrers(t.Context(), repo, pack.Digest(), noteType)
			if err != nil || len(found) != 2 {
				t.Fatalf("after both attached: %v, %v", found, err)
			}
			for _, d := range found {
				m, err := client.Referrer(t.Context(), repo, pack.Digest(), d)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := client.Layer(t.Context(), repo, m.Layers[0]); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// TestReferrersOfMany has sixteen processes attach at once. The directory registry lists them all; a registry that keeps
// no list of its own may lose entries of the list, but never what was attached, and attaching again brings it back.
func TestReferrersOfMany(t *testing.T) {
	const processes = 16
	for name, place := range map[string]func(t *testing.T) (dir string, repo registry.Repository){
		"directory": func(t *testing.T) (string, registry.Repository) { return t.TempDir(), repoIn(registry.Local) },
		"tag":       func(t *testing.T) (string, registry.Repository) { return t.TempDir(), repoIn(testregistry.Debian(t)) },
	} {
		t.Run(name, func(t *testing.T) {
			dir, repo := place(t)
			client := newClient(t, registry.Options{Dir: dir})
			pack := testregistry.Pack(t, testregistry.Spec{})
			if _, err := client.Push(t.Context(), repo, pack); err != nil {
				t.Fatal(err)
			}
			var wait sync.WaitGroup
			for i := range processes {
				cmd := exec.Command(os.Args[0])
				cmd.Env = append(os.Environ(), attachEnv+"="+strings.Join([]string{dir, repo.Registry, fmt.Sprint(i, "-th")}, " "))
				wait.Go(func() {
					if out, err := cmd.CombinedOutput(); err != nil {
						t.Errorf("process %d: %v\n%s", i, err, out)
					}
				})
			}
			wait.Wait()
			found, err := client.Referrers(t.Context(), repo, pack.Digest(), noteType)
			if err != nil || name == "directory" && len(found) != processes {
				t.Errorf("%d of %d are listed, %v", len(found), processes, err)
			}
			t.Logf("%d of %d are listed", len(found), processes)
			for i := range processes {
				d, err := client.Attach(t.Context(), repo, subjectOf(pack), testregistry.Note(fmt.Sprint(i, "-th")))
				if err != nil {
					t.Fatal(err)
				}
				if _, err := client.Referrer(t.Context(), repo, pack.Digest(), d); err != nil {
					t.Error(err)
				}
			}
			if found, err := client.Referrers(t.Context(), repo, pack.Digest(), noteType); err != nil || len(found) != processes {
				t.Errorf("%d of %d are listed after attaching them again, %v", len(found), processes, err)
			}
		})
	}
}
