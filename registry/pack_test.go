package registry_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/loadr-plugins/loadr/internal/testregistry"
	"github.com/loadr-plugins/loadr/manifest"
	"github.com/loadr-plugins/loadr/registry"
)

var threeTargets = testregistry.Spec{
	Targets: []manifest.Target{testregistry.Linux, "x86_64-unknown-linux-musl", testregistry.Darwin},
	Files:   map[string]string{"README.md": "# Echo\n", "LICENSE": "free\n"},
	Extra:   "[config]\ntext = \"\\u2028 <b> & é\"\n[requires]\nabi = \"^1.0\"\n",
}

func writePack(t *testing.T, in registry.PackInput) *registry.Pack {
	t.Helper()
	p, err := registry.WritePack(t.Context(), filepath.Join(t.TempDir(), "out"), in)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestDigestIsFixed pins the digest of one input. It changes when the format or the compressor does: then every
// publisher's digests change, which the documentation of the format has to say.
func TestDigestIsFixed(t *testing.T) {
	const want = "sha256:7040857e341ad137600f28d9a220ec326b0fcf16418afc67bcc5ca0279837199"
	if got := writePack(t, testregistry.Input(t, threeTargets)).Digest(); got != want {
		t.Errorf("index digest %s, expected %s", got, want)
	}
}

func TestDigestDependsOnContentOnly(t *testing.T) {
	want := writePack(t, testregistry.Input(t, threeTargets)).Digest()
	for range 3 {
		in := testregistry.Input(t, threeTargets) // other folders
		slices.Reverse(in.Libraries)
		slices.Reverse(in.Files)
		if got := writePack(t, in).Digest(); got != want {
			t.Errorf("other folders and order: index digest %s, expected %s", got, want)
		}
	}
	underUmasks(t, func(umask string) {
		if got := writePack(t, testregistry.Input(t, threeTargets)).Digest(); got != want {
			t.Errorf("umask %s: index digest %s, expected %s", umask, got, want)
		}
	})
	in := testregistry.Input(t, threeTargets)
	created := time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600))
	in.Created = &created
	p := writePack(t, in)
	if p.Digest() == want || !p.Release().Created.Equal(created) {
		t.Errorf("with a time: digest %s, created %v", p.Digest(), p.Release().Created)
	}
}

// TestIndexForm compares the whole index with the format's specification.
func TestIndexForm(t *testing.T) {
	p := writePack(t, testregistry.Input(t, threeTargets))
	text, err := os.ReadFile(filepath.Join(p.Dir(), "blobs", "sha256", p.Digest().Encoded()))
	if err != nil {
		t.Fatal(err)
	}
	var index v1.Index
	if err := json.Unmarshal(text, &index); err != nil {
		t.Fatal(err)
	}
	wantAnnotations := map[string]string{
		"org.opencontainers.image.title":       "echo",
		"org.opencontainers.image.version":     "1.0.0",
		"org.opencontainers.image.description": `Echoes <what> it & "everyone" gets`,
		"org.opencontainers.image.licenses":    "Apache-2.0",
		"org.opencontainers.image.source":      "https://code.example/echo",
		"org.opencontainers.image.url":         "https://plugins.example/echo",
		"org.opencontainers.image.authors":     "A. Author, B. Author",
		"io.loadr.plugin.kind":                 "protocol",
		"io.loadr.plugin.type":                 "native",
		"io.loadr.plugin.schemes":              "echo,echos",
		"io.loadr.plugin.requires-abi":         "^1.0",
	}
	if diff := cmp.Diff(wantAnnotations, index.Annotations); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}
	if index.ArtifactType != "application/vnd.loadr.plugin.v1" || index.MediaType != v1.MediaTypeImageIndex || index.SchemaVersion != 2 {
		t.Errorf("index: %q %q %d", index.ArtifactType, index.MediaType, index.SchemaVersion)
	}
	wantTargets := []map[string]string{
		{"io.loadr.plugin.target": "aarch64-apple-darwin", "io.loadr.plugin.abi": "c/1.0.0"},
		{"io.loadr.plugin.target": "x86_64-unknown-linux-gnu", "io.loadr.plugin.abi": "c/1.0.0", "io.loadr.plugin.libc": "glibc>=2.17"},
		{"io.loadr.plugin.target": "x86_64-unknown-linux-musl", "io.loadr.plugin.abi": "c/1.0.0"},
	}
	wantPlatforms := []v1.Platform{{OS: "darwin", Architecture: "arm64"}, {OS: "linux", Architecture: "amd64"}, {OS: "linux", Architecture: "amd64"}}
	for i, m := range index.Manifests {
		if diff := cmp.Diff(wantTargets[i], m.Annotations) + cmp.Diff(wantPlatforms[i], *m.Platform); diff != "" {
			t.Errorf("platform %d (-want +got):\n%s", i, diff)
		}
		checkPlatformForm(t, p, m)
	}
}

func checkPlatformForm(t *testing.T, p *registry.Pack, d v1.Descriptor) {
	t.Helper()
	var m v1.Manifest
	if err := json.Unmarshal(d.Data, &m); err != nil {
		t.Fatal(err)
	}
	if m.ArtifactType != "application/vnd.loadr.plugin.v1" || m.Config.MediaType != "application/vnd.loadr.plugin.config.v1+json" {
		t.Errorf("platform manifest: %q %q", m.ArtifactType, m.Config.MediaType)
	}
	var titles, types []string
	for _, l := range m.Layers {
		titles, types = append(titles, l.Annotations["org.opencontainers.image.title"]), append(types, l.MediaType)
	}
	entry := "libecho.so.zst"
	if m.Layers[0].Digest == p.Release().Target(testregistry.Darwin).Library.Digest {
		entry = "libecho.dylib.zst"
	}
	if diff := cmp.Diff([]string{entry, "LICENSE", "README.md"}, titles); diff != "" {
		t.Errorf("titles (-want +got):\n%s", diff)
	}
	const file = "application/vnd.loadr.plugin.file.v1"
	if diff := cmp.Diff([]string{"application/vnd.loadr.plugin.library.v1+zstd", file, file}, types); diff != "" {
		t.Errorf("media types (-want +got):\n%s", diff)
	}
}

// TestConfigForm pins the canonical JSON of a config: sorted keys, no white space, RFC 8785 escapes, no verdict.
func TestConfigForm(t *testing.T) {
	spec := threeTargets
	spec.Targets = spec.Targets[:1]
	p := writePack(t, testregistry.Input(t, spec))
	target := p.Release().Targets[0]
	text, err := os.ReadFile(filepath.Join(p.Dir(), "blobs", "sha256", target.ConfigDescriptor.Digest.Encoded()))
	if err != nil {
		t.Fatal(err)
	}
	toml, _ := json.Marshal(target.Config.PluginTOML)
	// Go escapes more than RFC 8785 does.
	quoted := strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(string(toml))
	want := `{"library":{"abi":{"family":"c","version":"1.0.0"},"constructors":0,"digest":"` + target.Config.Library.Digest.String() +
		`","exports":["loadr_plugin_abi_version"],"format":"elf","libc":"glibc>=2.17","machine":"x86_64","needs":["libc.so.6"],"size":` + fmt.Sprint(target.Config.Library.Size) + `}` +
		`,"plugin_toml":` + quoted + `,"schema":1}`
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}
}

func TestPackRefuses(t *testing.T) {
	for want, change := range map[string]func(*registry.PackInput){
		"as inspected":      func(in *registry.PackInput) { in.Libraries[0].Report.Size++ },
		"0 libraries":       func(in *registry.PackInput) { in.Libraries = nil },
		"two libraries for": func(in *registry.PackInput) { in.Libraries = append(in.Libraries, in.Libraries[0]) },
		"two files named readme": func(in *registry.PackInput) {
			in.Files = append(in.Files, registry.PackFile{Name: "readme.md", Path: in.Files[0].Path}, registry.PackFile{Name: "README.md", Path: in.Files[0].Path})
		},
		"without directories": func(in *registry.PackInput) { in.Libraries[0].Entry = "../lib.so" },
		"unknown target":      func(in *registry.PackInput) { in.Libraries[0].Target = "pdp11" },
		"not a regular file":  func(in *registry.PackInput) { in.Libraries[0].Path = os.TempDir() },
		"more than":           func(in *registry.PackInput) { in.Files[0].Path = sparse(t, registry.MaxFile+1) },
	} {
		t.Run(want, func(t *testing.T) {
			in := testregistry.Input(t, testregistry.Spec{Files: map[string]string{"LICENSE": "free"}})
			change(&in)
			parent := t.TempDir()
			_, err := registry.WritePack(t.Context(), filepath.Join(parent, "out"), in)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error %v, expected one with %q", err, want)
			}
			expectEmpty(t, parent)
		})
	}
	t.Run("build metadata", func(t *testing.T) {
		in := testregistry.Input(t, testregistry.Spec{Version: "1.0.0+linux"})
		if _, err := registry.WritePack(t.Context(), filepath.Join(t.TempDir(), "out"), in); err == nil || !strings.Contains(err.Error(), "build metadata") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("a canceled context", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		parent := t.TempDir()
		if _, err := registry.WritePack(ctx, filepath.Join(parent, "out"), testregistry.Input(t, testregistry.Spec{})); err == nil {
			t.Error("packed")
		}
		expectEmpty(t, parent)
	})
	t.Run("a config that is too long", func(t *testing.T) {
		in := testregistry.Input(t, testregistry.Spec{Extra: "[config]\nx = \"" + strings.Repeat(`\\`, 32000) + "\""})
		if _, err := registry.WritePack(t.Context(), filepath.Join(t.TempDir(), "out"), in); err == nil || !strings.Contains(err.Error(), "shorten plugin.toml") {
			t.Errorf("error %v", err)
		}
	})
}

func sparse(t *testing.T, size int64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sparse")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
	return path
}

func expectEmpty(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) > 0 {
		t.Errorf("left behind: %v %v", entries, err)
	}
}

func TestPackReplacesOnlyPacks(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "out")
	first := testregistry.Input(t, testregistry.Spec{})
	if _, err := registry.WritePack(t.Context(), dir, first); err != nil {
		t.Fatal(err)
	}
	second, err := registry.WritePack(t.Context(), dir, testregistry.Input(t, testregistry.Spec{Version: "2.0.0"}))
	if err != nil || second.Release().Version != "2.0.0" {
		t.Fatal(err)
	}
	blobs, _ := os.ReadDir(filepath.Join(dir, "blobs", "sha256"))
	if len(blobs) != 4 {
		t.Errorf("%d blobs, expected those of the second pack only: index, manifest, config, library", len(blobs))
	}
	broken := testregistry.Input(t, testregistry.Spec{})
	broken.Libraries[0].Report.Size++
	if _, err := registry.WritePack(t.Context(), dir, broken); err == nil {
		t.Error("packed a library that was not inspected")
	}
	if still, err := registry.OpenPack(dir); err != nil || still.Digest() != second.Digest() {
		t.Errorf("after a failed pack: %v", err)
	}
	foreign := filepath.Join(t.TempDir(), "foreign")
	if err := os.MkdirAll(filepath.Join(foreign, "precious"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := registry.WritePack(t.Context(), foreign, first); err == nil || !strings.Contains(err.Error(), "not an OCI image layout") {
		t.Errorf("pack over a foreign folder: %v", err)
	}
	if entries, _ := os.ReadDir(parent); len(entries) != 1 {
		t.Errorf("left beside the pack: %v", entries)
	}
}

func TestMerge(t *testing.T) {
	whole := writePack(t, testregistry.Input(t, threeTargets))
	var parts []*registry.Pack
	for _, target := range threeTargets.Targets {
		spec := threeTargets
		spec.Targets = []manifest.Target{target}
		parts = append(parts, testregistry.Pack(t, spec))
	}
	for _, packs := range [][]*registry.Pack{{parts[0], parts[1], parts[2]}, {parts[2], parts[0], parts[1], parts[0]}, {whole}} {
		merged, err := registry.MergePacks(t.Context(), filepath.Join(t.TempDir(), "merged"), packs)
		if err != nil {
			t.Fatal(err)
		}
		if merged.Digest() != whole.Digest() {
			t.Errorf("merged digest %s, expected %s as if packed at once", merged.Digest(), whole.Digest())
		}
	}
	for want, other := range map[string]testregistry.Spec{
		"different content":        {Library: "another"},
		"version differs":          {Version: "1.0.1", Targets: []manifest.Target{testregistry.Windows}},
		"different texts":          {Extra: "[config]\na = 1", Targets: []manifest.Target{testregistry.Windows}},
		"files beside the library": {Files: map[string]string{"LICENSE": "other"}, Targets: []manifest.Target{testregistry.Windows}},
	} {
		_, err := registry.MergePacks(t.Context(), filepath.Join(t.TempDir(), "merged"), []*registry.Pack{testregistry.Pack(t, testregistry.Spec{}), testregistry.Pack(t, other)})
		if e := expectError[*registry.MergeError](t, want, err); e != nil && !strings.Contains(e.Problem, want) {
			t.Errorf("%v, expected %q", err, want)
		}
	}
}

func TestOpenPackRefuses(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, p *registry.Pack){
		"no layout":        func(t *testing.T, p *registry.Pack) { remove(t, p.Dir(), "oci-layout") },
		"no index.json":    func(t *testing.T, p *registry.Pack) { remove(t, p.Dir(), "index.json") },
		"no library":       func(t *testing.T, p *registry.Pack) { remove(t, blobOf(p, p.Release().Targets[0].Library)) },
		"short library":    func(t *testing.T, p *registry.Pack) { overwrite(t, blobOf(p, p.Release().Targets[0].Library), "short") },
		"altered config":   func(t *testing.T, p *registry.Pack) { flip(t, blobOf(p, p.Release().Targets[0].ConfigDescriptor)) },
		"altered manifest": func(t *testing.T, p *registry.Pack) { flip(t, blobOf(p, p.Release().Targets[0].Manifest)) },
		"garbage on top":   func(t *testing.T, p *registry.Pack) { overwrite(t, filepath.Join(p.Dir(), "index.json"), "{") },
	} {
		t.Run(name, func(t *testing.T) {
			p := testregistry.Pack(t, testregistry.Spec{})
			damage(t, p)
			if _, err := registry.OpenPack(p.Dir()); err == nil {
				t.Error("opened")
			}
		})
	}
	t.Run("library altered after opening", func(t *testing.T) {
		server := testregistry.New(t)
		p := testregistry.Pack(t, testregistry.Spec{})
		flip(t, blobOf(p, p.Release().Targets[0].Library))
		_, err := newClient(t, registry.Options{}).Push(t.Context(), repoIn(server.Host()), p)
		if err == nil {
			t.Error("published an altered library")
		}
		if _, err := newClient(t, registry.Options{}).Release(t.Context(), repoIn(server.Host()), "1.0.0"); err == nil {
			t.Error("something was published")
		}
	})
}

func blobOf(p *registry.Pack, d v1.Descriptor) string {
	return filepath.Join(p.Dir(), "blobs", "sha256", d.Digest.Encoded())
}

func remove(t *testing.T, elem ...string) {
	t.Helper()
	if err := os.Remove(filepath.Join(elem...)); err != nil {
		t.Fatal(err)
	}
}

func overwrite(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// flip changes one byte.
func flip(t *testing.T, path string) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)/2] ^= 1
	overwrite(t, path, string(content))
}
