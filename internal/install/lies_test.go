package install_test

import (
	"errors"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/loadr-plugins/loadr/cache"
	"github.com/loadr-plugins/loadr/internal/install"
	"github.com/loadr-plugins/loadr/internal/testregistry"
	"github.com/loadr-plugins/loadr/lockfile"
	"github.com/loadr-plugins/loadr/registry"
	"github.com/loadr-plugins/loadr/resolve"
)

// wantRefused checks what must hold after every refusal: nothing activated, nothing recorded, nothing in the cache that
// is not what its name says.
func (p *project) wantRefused(before map[string]string) {
	p.t.Helper()
	p.wantUnchanged(before)
	p.wantSoundCache()
	p.wantNoTemps()
	wantVersions(p.t, "installed after a refusal", p.versions(), map[string]string{})
}

// TestAlteredOnTheWire has the connection deliver something else than what was published.
func TestAlteredOnTheWire(t *testing.T) {
	flip := func(body []byte) []byte { body[len(body)/2] ^= 1; return body }
	for name, test := range map[string]struct {
		fault testregistry.Fault
		want  func(error) bool
	}{
		"wrong bytes":           {testregistry.Fault{Alter: flip}, is[*registry.IntegrityError]},
		"other bytes":           {testregistry.Fault{Alter: func([]byte) []byte { return []byte("an error page") }}, is[*registry.IntegrityError]},
		"truncated":             {testregistry.Fault{Alter: func(b []byte) []byte { return b[:len(b)-1] }}, is[*registry.IntegrityError]},
		"longer":                {testregistry.Fault{Alter: func(b []byte) []byte { return append(b, 0) }}, is[*registry.IntegrityError]},
		"empty":                 {testregistry.Fault{Alter: func([]byte) []byte { return nil }}, is[*registry.IntegrityError]},
		"the connection breaks": {testregistry.Fault{Cut: 200}, is[*registry.UnavailableError]},
		"a 404":                 {testregistry.Fault{Status: http.StatusNotFound}, isRegistryError},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, request := range []string{"GET blob", "GET manifest"} {
				p, server := remote(t, spec{name: "echo"})
				if request == "GET blob" { // with a lock: two blobs, and no index
					p.lockPlugins("echo")
				}
				before := p.snapshot()
				test.fault.Match = request
				server.Inject(test.fault)
				o := install.Options{}
				if request == "GET manifest" {
					o.Want = references(t, "echo")
				}
				_, err := p.try(o)
				if !test.want(err) {
					t.Errorf("%s: error %T %v", request, err, err)
				}
				p.wantRefused(before)
				server.Heal()
				p.run(o)
				p.wantSound()
			}
		})
	}
}

func isRegistryError(err error) bool {
	return is[*registry.NotFoundError](err) || is[*registry.UnavailableError](err)
}

// TestLyingArtifacts are released with digests that all fit, and contradict themselves or the library.
func TestLyingArtifacts(t *testing.T) {
	other := spec{name: "echo", extra: "another library"}
	for name, test := range map[string]struct {
		change func(*testing.T, *artifact)
		want   func(error) bool
		says   string
	}{
		"another library than the config says": {func(t *testing.T, a *artifact) { a.library = takeApart(t, other).library },
			is[*cache.MismatchError], "expected"},
		"exports that the library lacks": {func(t *testing.T, a *artifact) {
			a.replace(t, `"exports":[`, `"exports":["another",`)
		}, isClaim, "exports"},
		"fewer constructors": {func(t *testing.T, a *artifact) { a.replace(t, `"constructors":`, `"constructors":9`) }, isClaim, "constructors"},
		"an older libc": {func(t *testing.T, a *artifact) {
			floor := a.index.Manifests[0].Annotations[registry.AnnotationLibc]
			a.replace(t, quoted("%s", floor), quoted("glibc>=2.1"))
			a.annotate(registry.AnnotationLibc, "glibc>=2.1")
		}, isClaim, "libc"},
		"another ABI version": {func(t *testing.T, a *artifact) {
			a.replace(t, `"version":"1.0.0"`, `"version":"1.0.9"`)
			a.annotate(registry.AnnotationABI, "c/1.0.9")
		}, isClaim, "abi.version"},
		"a type layout that the library lacks": {func(t *testing.T, a *artifact) {
			a.replace(t, `"family":"c",`, `"family":"c","layout":"`+someLayout+`",`)
		}, isClaim, "abi.layout"},
		"a type layout that is none": {func(t *testing.T, a *artifact) {
			a.replace(t, `"family":"c",`, `"family":"c","layout":"layout-v1:sha256:1",`)
		}, isInvalid, "library.abi.layout"},
		"a smaller library": {func(t *testing.T, a *artifact) { a.library = zeros(t, 10) }, is[*cache.MismatchError], "10"},
		"a bomb":            {func(t *testing.T, a *artifact) { a.library = zeros(t, 1<<30) }, is[*cache.MismatchError], "more"},
		"no zstd":           {func(t *testing.T, a *artifact) { a.library = []byte("no zstd") }, is[*registry.InvalidArtifactError], "zstd"},
		"zstd that asks for too much memory": {func(t *testing.T, a *artifact) { a.library = []byte("\x28\xb5\x2f\xfd\x00\xff\x00\x00\x00") },
			is[*registry.InvalidArtifactError], "zstd"},
		"another name inside": {func(t *testing.T, a *artifact) { a.replace(t, `name = \"echo\"`, `name = \"kafka\"`) },
			is[*registry.InvalidArtifactError], "kafka"},
		"another version inside": {func(t *testing.T, a *artifact) { a.replace(t, `version = \"1.0.0\"`, `version = \"2.0.0\"`) },
			is[*registry.InvalidArtifactError], "2.0.0"},
		"another name in the index": {func(_ *testing.T, a *artifact) { a.index.Annotations[v1.AnnotationTitle] = "kafka" },
			is[*resolve.NoVersionError], "kafka"},
		"a library for another platform": {func(t *testing.T, a *artifact) {
			mac := takeApart(t, spec{name: "echo", targets: darwinOnly})
			a.library, a.config = mac.library, mac.config
			a.annotate(registry.AnnotationLibc, "")
		}, is[*install.IncompatibleError], "x86_64-unknown-linux-gnu"},
		"an entry outside of its folder": {func(t *testing.T, a *artifact) { a.replace(t, `libecho.so`, `../libecho.so`) }, isInvalid, "entry"},
		"an entry that is the marker":    {func(t *testing.T, a *artifact) { a.replace(t, `libecho.so`, `disabled`) }, isInvalid, "entry"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, _ := falsify(t, "echo", func(a *artifact) { test.change(t, a) })
			before := p.snapshot()
			_, err := p.try(install.Options{Want: references(t, "echo")})
			if !test.want(err) || !strings.Contains(explained(err), test.says) {
				t.Errorf("error %T %v, expected another kind or %q in it", err, err, test.says)
			}
			p.wantRefused(before)
		})
	}
}

const someLayout = "layout-v1:sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func isClaim(err error) bool {
	var e *install.MismatchError
	return errors.As(err, &e) && e.Claim
}

func isInvalid(err error) bool {
	return is[*registry.InvalidArtifactError](err) || is[*resolve.NoVersionError](err)
}

func explained(err error) string {
	var none *resolve.NoVersionError
	if errors.As(err, &none) {
		return none.Explanation()
	}
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestOtherNameOfRepository: a sound release of echo, served as kafka.
func TestOtherNameOfRepository(t *testing.T) {
	p, _ := falsify(t, "kafka", func(*artifact) {})
	before := p.snapshot()
	_, err := p.try(install.Options{Want: references(t, "kafka")})
	if !is[*resolve.NoVersionError](err) || !strings.Contains(explained(err), `holds plugin "echo"`) {
		t.Errorf("error %T %s", err, explained(err))
	}
	p.wantRefused(before)
}

// TestUnsoundVersionIsPassedOver: it is explained, and the newest sound one is taken.
func TestUnsoundVersionIsPassedOver(t *testing.T) {
	p, server := remote(t, spec{name: "echo"})
	bad := takeApart(t, spec{name: "echo", version: "1.1.0"})
	bad.index.Annotations[v1.AnnotationTitle] = "kafka"
	bad.push(t, server, "team/echo", "1.1.0")
	report := p.install("echo")
	wantVersions(t, "installed", p.versions(), map[string]string{"echo": "1.0.0"})
	if r := report.Choices[0].Rejected; len(r) != 1 || r[0].Code != resolve.Invalid {
		t.Errorf("rejected: %+v", r)
	}
}

// TestMovedTag: the lock names bytes, so a tag that names others now changes nothing but what verify says.
func TestMovedTag(t *testing.T) {
	p, server := remote(t, spec{name: "echo"})
	p.install("echo")
	moved := takeApart(t, spec{name: "echo", extra: "moved"})
	index := encode(t, moved.index)
	server.Inject(testregistry.Fault{Match: "GET manifest", Alter: func([]byte) []byte { return index }})

	again := p.on(machine())
	again.run(install.Options{Mode: install.Locked})
	wantText(t, "the library", readText(t, filepath.Join(again.workspace().Plugins, "echo", "libecho.so")), spec{name: "echo"}.library(t, linux))

	locked := p.readLock().Plugins[0].Index
	fresh := newProject(t, p.client, p.namespaces...)
	before := fresh.snapshot()
	_, err := fresh.try(install.Options{Want: references(t, p.namespaces[0]+"/echo@"+locked.String())})
	wantError[*registry.IntegrityError](t, "another index under a digest", err)
	fresh.wantRefused(before)
}

// TestCorruptCache: a blob that has changed is noticed when it is used, and fetched again.
func TestCorruptCache(t *testing.T) {
	p, server := remote(t, spec{name: "echo"})
	p.install("echo")
	good := p.blobs()
	for name, text := range good {
		path := filepath.Join(p.cache, "blobs", "sha256", name)
		if err := os.Chmod(path, 0o644); err != nil {
			t.Fatal(err)
		}
		write(t, path, strings.Repeat("x", len(text)))
	}
	other := p.on(machine())
	other.cache = p.cache
	before := other.snapshot()
	_, err := other.try(install.Options{Offline: true})
	wantError[*install.OfflineError](t, "offline with a corrupt cache", err)
	other.wantUnchanged(before)
	server.Take()
	other.run(install.Options{})
	other.wantSound()
	if !maps.Equal(good, other.blobs()) {
		t.Errorf("the cache was not repaired: %v", slices.Collect(maps.Keys(other.blobs())))
	}
}

// TestEditedLock: whoever edits the lock can't make parts of different releases one. Each part is held against the next.
func TestEditedLock(t *testing.T) {
	t.Parallel()
	p := local(t, spec{name: "echo"}, spec{name: "soap"})
	p.install("echo", "soap")
	config := func(e, s *lockfile.Target) { e.Config, e.ConfigSize = s.Config, s.ConfigSize }
	toml := func(e, s *lockfile.Target) { e.PluginTOML = s.PluginTOML }
	library := func(e, s *lockfile.Target) {
		e.Library, e.LibrarySize, e.Blob, e.BlobSize = s.Library, s.LibrarySize, s.Blob, s.BlobSize
	}
	for name, test := range map[string]struct {
		edits []func(echo, soap *lockfile.Target)
		part  string // that is found not to fit
	}{
		"another type layout":           {[]func(_, _ *lockfile.Target){func(e, _ *lockfile.Target) { e.Layout = someLayout }}, "type layout in the config"},
		"another library":               {[]func(_, _ *lockfile.Target){library}, "library in the config"},
		"another plugin.toml":           {[]func(_, _ *lockfile.Target){toml}, "plugin.toml"},
		"another config":                {[]func(_, _ *lockfile.Target){config}, "plugin.toml"},
		"config and toml of another":    {[]func(_, _ *lockfile.Target){config, toml}, "library in the config"},
		"config and library of another": {[]func(_, _ *lockfile.Target){config, library}, "plugin.toml"},
		"everything of another":         {[]func(_, _ *lockfile.Target){config, toml, library}, "name and version in plugin.toml"},
	} {
		t.Run(name, func(t *testing.T) {
			edited, lock := p.on(machine()), p.readLock()
			edited.cache = p.cache // a registry gives out no other plugin's parts; a cache holds everybody's
			for _, edit := range test.edits {
				edit(&lock.Plugins[0].Targets[0], &lock.Plugins[1].Targets[0])
			}
			edited.write("loadr.lock", string(lock.Encode()))
			before := edited.snapshot()
			for _, mode := range []install.Mode{install.Resolve, install.Locked, install.Frozen} {
				_, err := edited.try(install.Options{Mode: mode})
				if e := wantError[*install.MismatchError](t, "an edited lock", err); e != nil && (e.Part != test.part || e.Plugin != "echo" || e.Claim) {
					t.Errorf("mode %v: %+v, expected part %q", mode, e, test.part)
				}
				edited.wantRefused(before)
			}
		})
	}
}

// TestBombStops: it is not the whole of a bomb that is decompressed before it is refused.
func TestBombStops(t *testing.T) {
	p, _ := falsify(t, "echo", func(a *artifact) { a.library = zeros(t, 1<<30) })
	_, err := p.try(install.Options{Want: references(t, "echo")})
	if e := wantError[*cache.MismatchError](t, "a bomb", err); e != nil && e.Size > e.Want.Size+1<<20 {
		t.Errorf("%d bytes were decompressed, of a library that should have %d", e.Size, e.Want.Size)
	}
}

// TestHostOfTheLibrary: what resolution believed is checked on the library itself.
func TestHostOfTheLibrary(t *testing.T) {
	p := local(t, spec{name: "echo"})
	p.machine.Libc.Version = "2.0"
	before := p.snapshot()
	_, err := p.try(install.Options{Want: references(t, "echo")})
	if !strings.Contains(explained(err), "glibc") {
		t.Errorf("a host with an older libc: %v", err)
	}
	p.wantRefused(before)
}
