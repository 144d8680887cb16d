package airgap_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/loadr-plugins/loadr/cache"
	"github.com/loadr-plugins/loadr/internal/airgap"
	"github.com/loadr-plugins/loadr/internal/testregistry"
	"github.com/loadr-plugins/loadr/lockfile"
	"github.com/loadr-plugins/loadr/manifest"
	"github.com/loadr-plugins/loadr/registry"
	"github.com/loadr-plugins/loadr/registry/bundle"
)

const (
	linux  = testregistry.Linux
	darwin = testregistry.Darwin
)

// world is a directory registry and a lock of what is in it.
type world struct {
	client *registry.Client
	cache  *cache.Cache
	lock   *lockfile.Lock
}

func newWorld(t *testing.T, specs ...testregistry.Spec) *world {
	t.Helper()
	w := &world{
		client: registry.New(registry.Options{Dir: t.TempDir(), Writer: testregistry.Writer}),
		cache:  cache.Open(t.TempDir()),
		lock:   &lockfile.Lock{Targets: []manifest.Target{linux}},
	}
	t.Cleanup(func() {
		if err := w.client.Close(); err != nil {
			t.Errorf("closing the client: %v", err)
		}
	})
	for _, spec := range specs {
		pack := testregistry.Pack(t, spec)
		repo := registry.Repository{Registry: registry.Local, Namespace: "team", Name: pack.Release().Name}
		if _, err := w.client.Push(t.Context(), repo, pack); err != nil {
			t.Fatal(err)
		}
		w.lock.Plugins = append(w.lock.Plugins, lockedAs(pack.Release()))
	}
	return w
}

func lockedAs(r *registry.Release) lockfile.Plugin {
	p := lockfile.Plugin{Name: r.Name, Version: r.Version, Source: "local/team", Index: r.Digest}
	for _, t := range r.Targets {
		p.Targets = append(p.Targets, lockfile.Target{
			Target: t.Target, Manifest: t.Manifest.Digest, Config: t.ConfigDescriptor.Digest, ConfigSize: t.ConfigDescriptor.Size,
			Blob: t.Library.Digest, BlobSize: t.Library.Size, MediaType: t.Library.MediaType,
			Library: t.Config.Library.Digest, LibrarySize: t.Config.Library.Size,
		})
	}
	return p
}

func (w *world) mover() *airgap.Mover {
	return &airgap.Mover{From: w.client, Cache: w.cache, Concurrency: 4}
}

// keep puts a library into the cache.
func (w *world) keep(t *testing.T, text string) digest.Digest {
	t.Helper()
	b := cache.Blob{Digest: digest.FromString(text), Size: int64(len(text))}
	_, _, err := w.cache.Get(t.Context(), b, func(_ context.Context, out io.Writer) error {
		_, err := io.WriteString(out, text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.Digest
}

var both = testregistry.Spec{Targets: []manifest.Target{linux, darwin}}

func (w *world) bundle(t *testing.T, targets ...manifest.Target) (string, *airgap.BundleReport, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "b.tar")
	report, err := w.mover().Bundle(t.Context(), w.lock, targets, path, false)
	return path, report, err
}

// TestLibrariesComeFromTheCache makes the same bundle with a library from the cache, from the registry, and from the
// registry because the cache's is not what the locked blob was made of.
func TestLibrariesComeFromTheCache(t *testing.T) {
	w := newWorld(t, both)
	path, report, err := w.bundle(t, linux)
	if err != nil || report.Fetched != 1 {
		t.Fatalf("empty cache: %+v, %v", report, err)
	}
	want := readFile(t, path)
	w.keep(t, "a made-up library for "+string(linux))
	path, report, err = w.bundle(t, linux)
	if err != nil || report.Fetched != 0 || readFile(t, path) != want {
		t.Errorf("with the library in the cache: %+v, %v", report, err)
	}
	i := slices.IndexFunc(w.lock.Plugins[0].Targets, func(t lockfile.Target) bool { return t.Target == linux })
	noise := make([]byte, 1<<20)
	rand.NewChaCha8([32]byte{}).Read(noise)
	for _, other := range []string{"short", string(noise)} {
		w.lock.Plugins[0].Targets[i].Library = w.keep(t, other)
		w.lock.Plugins[0].Targets[i].LibrarySize = int64(len(other))
		path, report, err = w.bundle(t, linux)
		if err != nil || report.Fetched != 1 || readFile(t, path) != want {
			t.Errorf("with another library of %d bytes in the cache: %+v, %v", len(other), report, err)
		}
	}
}

// TestCorruptCache has a library in the cache that is not what its name says.
func TestCorruptCache(t *testing.T) {
	w := newWorld(t, both)
	d := w.keep(t, "a made-up library for "+string(linux))
	file := w.cache.Path(d)
	if err := errors.Join(os.Chmod(file, 0o644), os.WriteFile(file, []byte("a made-up library for "+strings.Repeat("x", len(linux))), 0o644)); err != nil {
		t.Fatal(err)
	}
	if _, report, err := w.bundle(t, linux); err != nil || report.Fetched != 1 {
		t.Errorf("%+v, %v", report, err)
	}
}

func TestTargets(t *testing.T) {
	w := newWorld(t, both, testregistry.Spec{Name: "second"})
	_, report, err := w.bundle(t)
	if err != nil || !slices.Equal(report.Targets, []manifest.Target{darwin, linux}) || report.Fetched != 2 { // the two plugins have the same library for Linux
		t.Errorf("every platform: %+v, %v", report, err)
	}
	want := []airgap.Plugin{
		{Name: "echo", Version: "1.0.0", Source: "local/team", Index: w.lock.Plugins[0].Index.String(), Targets: []manifest.Target{linux}},
		{Name: "second", Version: "1.0.0", Source: "local/team", Index: w.lock.Plugins[1].Index.String(), Targets: []manifest.Target{linux}},
	}
	_, report, err = w.bundle(t, linux)
	if diff := cmp.Diff(want, report.Plugins); err != nil || diff != "" {
		t.Errorf("one platform: %v (-want +got):\n%s", err, diff)
	}
	path, _, err := w.bundle(t, darwin)
	var target *airgap.TargetError
	if !errors.As(err, &target) || target.Plugin != "second" || target.Target != darwin {
		t.Errorf("a platform that one plugin lacks: %v", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("a bundle was written")
	}
}

// TestAlteredLock has a lock whose index digest is right and whose other digests somebody has changed.
func TestAlteredLock(t *testing.T) {
	for name, alter := range map[string]func(*lockfile.Plugin){
		"version": func(p *lockfile.Plugin) { p.Version = "1.0.1" },
		"library": func(p *lockfile.Plugin) { p.Targets[0].Blob = digest.FromString("other") },
		"config":  func(p *lockfile.Plugin) { p.Targets[0].Config = digest.FromString("other") },
		"target":  func(p *lockfile.Plugin) { p.Targets[0].Target = testregistry.Windows },
	} {
		w := newWorld(t, both)
		alter(&w.lock.Plugins[0])
		path, _, err := w.bundle(t)
		if !errors.As(err, new(*registry.IntegrityError)) {
			t.Errorf("%s: error %v, expected an *IntegrityError", name, err)
		}
		if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 0 {
			t.Errorf("%s: %d files were left", name, len(entries))
		}
	}
	empty := &lockfile.Lock{}
	if _, err := newWorld(t).mover().Bundle(t.Context(), empty, nil, "never.tar", false); !errors.As(err, new(*airgap.EmptyError)) {
		t.Errorf("an empty lock: %v", err)
	}
}

// TestOtherSource has a plugin in the lock that no registry has: a mirror can't, either.
func TestOtherSource(t *testing.T) {
	for source, hint := range map[string]string{
		"https://plugins.example/echo.tar.gz":      "loadr plugin bundle",
		"index+https://plugins.example/index.json": "loadr plugin import",
	} {
		w := newWorld(t, both)
		w.lock.Plugins[0].Source = source
		to := airgap.Destination{Client: w.client, Registry: registry.Local, Namespace: "mirror"}
		_, err := w.mover().MirrorLock(t.Context(), w.lock, nil, to)
		var other *airgap.SourceError
		if !errors.As(err, &other) || other.Plugin != "echo" || !strings.Contains(other.Hint(), hint) {
			t.Errorf("error %v, expected a *SourceError with a hint at %s", err, hint)
		}
	}
}

// TestMirrorOfBundle carries a withdrawal-like attachment from one directory registry to another, through a bundle.
func TestMirrorOfBundle(t *testing.T) {
	w := newWorld(t, both)
	repo := registry.Repository{Registry: registry.Local, Namespace: "team", Name: "echo"}
	r, err := w.client.Release(t.Context(), repo, "1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	subject := v1.Descriptor{MediaType: v1.MediaTypeImageIndex, Digest: r.Digest, Size: r.Size}
	a := registry.Attachment{ArtifactType: "text/note", Layers: []registry.AttachedLayer{{MediaType: "text/plain", Content: []byte("careful")}}}
	if _, err := w.client.Attach(t.Context(), repo, subject, a); err != nil {
		t.Fatal(err)
	}
	path, report, err := w.bundle(t)
	if err != nil || report.Plugins[0].Referrers != 1 {
		t.Fatalf("bundle: %+v, %v", report, err)
	}
	b, err := bundle.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	far := newWorld(t)
	to := airgap.Destination{Client: far.client, Registry: registry.Local, Namespace: "mirror"}
	mover := &airgap.Mover{From: b.Source(), Concurrency: 4}
	for _, want := range []airgap.Action{airgap.Copied, airgap.Unchanged} {
		report, err := mover.MirrorBundle(t.Context(), b.Plugins(), nil, nil, to)
		if err != nil || report.Plugins[0].Action != want || report.Plugins[0].Source != "local/team" {
			t.Fatalf("mirror: %+v, %v, expected %s", report, err, want)
		}
	}
	list, err := far.client.Referrers(t.Context(), registry.Repository{Registry: registry.Local, Namespace: "mirror", Name: "echo"}, r.Digest, "text/note")
	if err != nil || len(list) != 1 {
		t.Errorf("referrers in the mirror: %v, %v", list, err)
	}
}

// TestSameName has plugins of one name from two places, which one namespace can't hold.
func TestSameName(t *testing.T) {
	w := newWorld(t, both)
	pack := testregistry.Pack(t, testregistry.Spec{Version: "2.0.0"})
	repo := registry.Repository{Registry: registry.Local, Namespace: "other", Name: "echo"}
	if _, err := w.client.Push(t.Context(), repo, pack); err != nil {
		t.Fatal(err)
	}
	list := []bundle.Plugin{
		{Repository: registry.Repository{Registry: registry.Local, Namespace: "team", Name: "echo"}, Version: "1.0.0", Index: w.lock.Plugins[0].Index},
		{Repository: repo, Version: "2.0.0", Index: pack.Digest()},
	}
	_, err := w.mover().MirrorBundle(t.Context(), list, nil, nil, airgap.Destination{Client: w.client, Registry: registry.Local, Namespace: "mirror"})
	var same *airgap.SameNameError
	if !errors.As(err, &same) || !slices.Equal(same.Sources, []string{"local/team", "local/other"}) {
		t.Errorf("error %v, expected a *SameNameError", err)
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// follower adds up what is told of one transfer.
type follower struct {
	bytes    int64
	complete bool
}

func (f *follower) Add(n int)          { f.bytes += int64(n) }
func (f *follower) Done(complete bool) { f.complete = complete }

func TestProgress(t *testing.T) {
	w := newWorld(t, testregistry.Spec{Files: map[string]string{"README.md": "# Echo\n"}})
	library := w.lock.Plugins[0].Targets[0]
	seen := map[string]*follower{}
	mover := &airgap.Mover{From: w.client, Concurrency: 1, Fetching: func(name string, size int64) airgap.Progress {
		if size != library.BlobSize {
			t.Errorf("%s: %d bytes are announced, the library has %d", name, size, library.BlobSize)
		}
		seen[name] = &follower{}
		return seen[name]
	}}
	if _, err := mover.Bundle(t.Context(), w.lock, nil, filepath.Join(t.TempDir(), "b.tar"), false); err != nil {
		t.Fatal(err)
	}
	want := map[string]*follower{"echo 1.0.0": {library.BlobSize, true}}
	if diff := cmp.Diff(want, seen, cmp.AllowUnexported(follower{})); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}
