package bundle_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/loadr-plugins/loadr/internal/testregistry"
	"github.com/loadr-plugins/loadr/manifest"
	"github.com/loadr-plugins/loadr/registry"
	"github.com/loadr-plugins/loadr/registry/bundle"
)

func archiveOf(plugin, location, content string, targets ...manifest.Target) bundle.Archive {
	return bundle.Archive{
		Location: location, Plugin: plugin, Version: "1.0.0", Targets: targets, Digest: digest.FromString(content), Size: int64(len(content)),
	}
}

// archived are the archives of a bundle, and their bytes.
type archived map[string]bundle.Archive // by content

func twoArchives() archived {
	return archived{
		"bytes of a zip":     archiveOf("zipped", "file:vendor/zipped.zip", "bytes of a zip", testregistry.Linux, testregistry.Darwin),
		"bytes of a tarball": archiveOf("tarred", "https://host.example/tarred.tar.gz?x=y", "bytes of a tarball", testregistry.Linux),
	}
}

func (list archived) put(ctx context.Context, w *bundle.Writer, order []string) error {
	for _, content := range order {
		a := list[content]
		if err := w.Archive(ctx, a); err != nil {
			return err
		}
		if err := w.Blob(ctx, a.Blob(), writes(content, nil)); err != nil {
			return err
		}
	}
	return nil
}

func (list archived) contents() (out []string) {
	for content := range list {
		out = append(out, content)
	}
	slices.Sort(out)
	return out
}

// archivesOnly makes a bundle without any release.
func archivesOnly(t testing.TB, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	list := twoArchives()
	if err := bundle.Write(t.Context(), path, false, func(w *bundle.Writer) error { return list.put(t.Context(), w, list.contents()) }); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestArchives(t *testing.T) {
	for _, name := range []string{"b.tar", "layout"} {
		t.Run(name, func(t *testing.T) {
			b := open(t, archivesOnly(t, name))
			want := []bundle.Archive{twoArchives()["bytes of a tarball"], twoArchives()["bytes of a zip"]}
			slices.Sort(want[1].Targets)
			got, err := b.Archives()
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Fatalf("archives: %v (-want +got):\n%s", err, diff)
			}
			if len(b.Plugins())+len(b.Namespaces()) != 0 {
				t.Errorf("releases: %v of %v, expected none", b.Plugins(), b.Namespaces())
			}
			for content, a := range twoArchives() {
				body, size, err := b.Get(t.Context(), a.Location, 1<<20)
				if err != nil || size != a.Size {
					t.Fatalf("%s: %d bytes, %v", a.Location, size, err)
				}
				text, err := io.ReadAll(body)
				if err = errors.Join(err, body.Close()); err != nil || string(text) != content {
					t.Errorf("%s: %q, %v", a.Location, text, err)
				}
			}
			_, _, err = b.Get(t.Context(), "file:vendor/other.zip", 1<<20)
			var missing *bundle.MissingArchiveError
			if !errors.As(err, &missing) || missing.Location != "file:vendor/other.zip" || missing.Hint() == "" {
				t.Errorf("an archive that is not there: %v", err)
			}
			if _, _, err = b.Get(t.Context(), want[0].Location, want[0].Size-1); !errors.As(err, new(*bundle.FormatError)) {
				t.Errorf("an archive that is too large: %v", err)
			}
		})
	}
}

// TestArchivesBesideReleases has both in one bundle, put in in two orders, and what each reader sees.
func TestArchivesBesideReleases(t *testing.T) {
	client, repo, pack := published(t)
	list := twoArchives()
	forth := list.contents()
	back := slices.Clone(forth)
	slices.Reverse(back)
	for _, name := range []string{"b.tar", "layout"} {
		var trees []map[string]string
		for _, order := range [][]string{forth, back, slices.Concat(back, forth)} {
			path := filepath.Join(t.TempDir(), name)
			err := bundle.Write(t.Context(), path, false, func(w *bundle.Writer) error {
				return errors.Join(list.put(t.Context(), w, order[:1]), add(t.Context(), w, client, repo, "1.0.0"), list.put(t.Context(), w, order[1:]))
			})
			if err != nil {
				t.Fatal(err)
			}
			trees = append(trees, tree(t, path))
			b := open(t, path)
			if got, err := b.Archives(); err != nil || len(got) != 2 || len(b.Plugins()) != 1 {
				t.Errorf("archives %v, %v; releases %v", got, err, b.Plugins())
			}
			if r, err := b.Source().Release(t.Context(), repo, "1.0.0"); err != nil || r.Digest != pack.Digest() {
				t.Errorf("release: %v, %v", r, err)
			}
		}
		if diff := cmp.Diff(trees[0], trees[1]) + cmp.Diff(trees[0], trees[2]); diff != "" {
			t.Errorf("%s: the order shows:\n%s", name, diff)
		}
	}
}

func TestArchivesThatAreNotWritten(t *testing.T) {
	same := archiveOf("tarred", "file:x.zip", "one", testregistry.Linux)
	for name, second := range map[string]bundle.Archive{
		"a location for two plugins":     archiveOf("zipped", "file:x.zip", "one", testregistry.Linux),
		"a location with other bytes":    archiveOf("tarred", "file:x.zip", "two", testregistry.Darwin),
		"no location":                    archiveOf("zipped", "", "one", testregistry.Linux),
		"no target":                      archiveOf("zipped", "file:y.zip", "one"),
		"a target twice":                 archiveOf("zipped", "file:y.zip", "one", testregistry.Linux, testregistry.Linux),
		"no name":                        archiveOf("", "file:y.zip", "one", testregistry.Linux),
		"a location of 64 KiB":           archiveOf("zipped", "file:"+strings.Repeat("y", 64<<10), "one", testregistry.Linux),
		"a digest of another kind":       {Location: "file:y.zip", Plugin: "zipped", Version: "1.0.0", Targets: same.Targets, Digest: "sha256:x"},
		"a name that leads to elsewhere": archiveOf("../zipped", "file:y.zip", "one", testregistry.Linux),
	} {
		path := filepath.Join(t.TempDir(), "b.tar")
		err := bundle.Write(t.Context(), path, false, func(w *bundle.Writer) error {
			return errors.Join(w.Archive(t.Context(), same), w.Archive(t.Context(), second))
		})
		if err == nil {
			t.Errorf("%s: was written", name)
		}
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s: left a bundle", name)
		}
	}
}

// withManifest gives the description of the archive at a location another text.
func withManifest(t *testing.T, path, location string, edit func(m *v1.Manifest), entry func(d *v1.Descriptor)) string {
	t.Helper()
	var index v1.Index
	if err := json.Unmarshal(readFile(t, filepath.Join(path, v1.ImageIndexFile)), &index); err != nil {
		t.Fatal(err)
	}
	for i, d := range index.Manifests {
		text := readFile(t, filepath.Join(path, "blobs", "sha256", d.Digest.Encoded()))
		var m v1.Manifest
		if err := json.Unmarshal(text, &m); err != nil {
			t.Fatal(err)
		}
		if m.Annotations[bundle.AnnotationLocation] != location {
			continue
		}
		edit(&m)
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		index.Manifests[i].Digest, index.Manifests[i].Size = digest.FromBytes(text), int64(len(text))
		entry(&index.Manifests[i])
		write := os.WriteFile(filepath.Join(path, "blobs", "sha256", digest.FromBytes(text).Encoded()), text, 0o644)
		text, err = json.Marshal(index)
		if err := errors.Join(write, err, os.WriteFile(filepath.Join(path, v1.ImageIndexFile), text, 0o644)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	t.Fatalf("no archive at %s", location)
	return ""
}

// TestHostileArchives has descriptions that lie: each is refused in its own words, whichever archive is asked for.
func TestHostileArchives(t *testing.T) {
	zip := twoArchives()["bytes of a zip"]
	asIs := func(*v1.Manifest) {}
	listed := func(*v1.Descriptor) {}
	for want, c := range map[string]struct {
		edit  func(*v1.Manifest)
		entry func(*v1.Descriptor)
	}{
		"has no annotation io.loadr.plugin.archive.location": {func(m *v1.Manifest) { delete(m.Annotations, bundle.AnnotationLocation) }, listed},
		"has no annotation org.opencontainers.image.version": {func(m *v1.Manifest) { delete(m.Annotations, v1.AnnotationVersion) }, listed},
		"annotation io.loadr.plugin.archive.targets: ":       {func(m *v1.Manifest) { delete(m.Annotations, bundle.AnnotationTargets) }, listed},
		"expected each once, sorted": {func(m *v1.Manifest) {
			m.Annotations[bundle.AnnotationTargets] = string(testregistry.Linux + "," + testregistry.Linux)
		}, listed},
		"are both the archive at https://host.example": {func(m *v1.Manifest) {
			m.Annotations[bundle.AnnotationLocation] = twoArchives()["bytes of a tarball"].Location
		}, listed},
		"describes archive/other:1.0.0-aarch64-apple-darwin": {func(m *v1.Manifest) { m.Annotations[v1.AnnotationTitle] = "other" }, listed},
		"at most 32768 are read":                             {func(m *v1.Manifest) { m.Annotations["x"] = strings.Repeat("x", 33<<10) }, listed},
		"2 layers, expected the archive alone":               {func(m *v1.Manifest) { m.Layers = append(m.Layers, m.Layers...) }, listed},
		"0 layers, expected the archive alone":               {func(m *v1.Manifest) { m.Layers = nil }, listed},
		`artifact type "text/other", expected`:               {func(m *v1.Manifest) { m.ArtifactType = "text/other" }, listed},
		`digest "sha256:../../x": expected`:                  {func(m *v1.Manifest) { m.Layers[0].Digest = "sha256:../../x" }, listed},
		"a length of -1 bytes":                               {func(m *v1.Manifest) { m.Layers[0].Size = -1 }, listed},
		"the description, sha256:" + strings.Repeat("0", 64): {asIs, func(d *v1.Descriptor) { d.Digest = digest.Digest("sha256:" + strings.Repeat("0", 64)) }},
		"bytes, expected 9":                                  {asIs, func(d *v1.Descriptor) { d.Size = 9 }},
		"index.json: lists archive/tarred:1.0.0-x86_64": {asIs, func(d *v1.Descriptor) {
			d.Annotations[v1.AnnotationRefName] = "archive/tarred:1.0.0-x86_64-unknown-linux-gnu"
		}},
		"index.json: lists archives whose descriptions have m": {asIs, func(d *v1.Descriptor) { d.Size = 17 << 20 }},
	} {
		t.Run(strings.Map(wordly, want), func(t *testing.T) {
			path := withManifest(t, archivesOnly(t, "layout"), zip.Location, c.edit, c.entry)
			b, err := bundle.Open(path)
			if err == nil {
				defer b.Close()
				_, _, err = b.Get(t.Context(), twoArchives()["bytes of a tarball"].Location, 1<<20)
			}
			var format *bundle.FormatError
			if !errors.As(err, &format) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
				t.Errorf("error %v, expected a *FormatError with %q", err, want)
			}
		})
	}
}

func wordly(r rune) rune {
	if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
		return r
	}
	return '-'
}

// TestHostileArchiveBytes has blobs that are not what is said of them; the other archive can be had.
func TestHostileArchiveBytes(t *testing.T) {
	zip, tarball := twoArchives()["bytes of a zip"], twoArchives()["bytes of a tarball"]
	blob := func(path string) string { return filepath.Join(path, "blobs", "sha256", zip.Digest.Encoded()) }
	for want, damage := range map[string]func(path string) error{
		"the archive, " + zip.Digest.String() + ", is missing": func(path string) error { return os.Remove(blob(path)) },
		"has 3 bytes, expected 14":                             func(path string) error { return os.WriteFile(blob(path), []byte("zip"), 0o644) },
		"expected " + zip.Digest.String() + ", found sha256:":  func(path string) error { return os.WriteFile(blob(path), bytes.Repeat([]byte("x"), 14), 0o644) },
		"has 18 bytes, expected 14": func(path string) error {
			withManifest(t, path, zip.Location, func(m *v1.Manifest) { m.Layers[0].Digest = tarball.Digest }, func(*v1.Descriptor) {})
			return nil
		},
	} {
		t.Run(strings.Map(wordly, want), func(t *testing.T) {
			path := archivesOnly(t, "layout")
			if err := damage(path); err != nil {
				t.Fatal(err)
			}
			b := open(t, path)
			err := readArchive(t, b, zip.Location)
			if !errors.As(err, new(*bundle.FormatError)) && !errors.As(err, new(*registry.IntegrityError)) ||
				!strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
				t.Errorf("error %v, expected one with %q", err, want)
			}
			if err := readArchive(t, b, tarball.Location); err != nil {
				t.Errorf("the other archive: %v", err)
			}
		})
	}
}

func readArchive(t *testing.T, b *bundle.Bundle, location string) error {
	body, _, err := b.Get(t.Context(), location, 1<<20)
	if err != nil {
		return err
	}
	defer body.Close()
	_, err = io.Copy(io.Discard, body)
	return err
}
