package bundle_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/registry"
	"github.com/loadr-plugins/loadr/registry/bundle"
)

// FuzzOpen reads everything out of tar files of any content: what comes out has the digest that was asked for, and all
// else is an error of a known kind.
func FuzzOpen(f *testing.F) {
	for _, seed := range seeds(f) {
		f.Add(seed)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, content []byte) {
		path := filepath.Join(dir, "fuzzed.tar")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		b, err := bundle.Open(path)
		if err != nil {
			if !errors.As(err, new(*bundle.FormatError)) && !errors.As(err, new(*bundle.TruncatedError)) {
				t.Errorf("opening: %v (%T)", err, err)
			}
			return
		}
		defer b.Close()
		for _, p := range b.Plugins() {
			readPlugin(t, b.Source(), p)
		}
		readArchives(t, b)
	})
}

func readPlugin(t *testing.T, source *bundle.Source, p bundle.Plugin) {
	if versions, err := source.Versions(t.Context(), p.Repository); err != nil || len(versions) == 0 {
		t.Errorf("%s is listed, and has versions %q, %v", p.Repository, versions, err)
	}
	_, attachedErr := source.Attached(t.Context(), p.Repository, p.Index)
	a, err := source.Artifact(t.Context(), p.Repository, p.Index)
	for _, err := range []error{err, attachedErr} {
		if err != nil && !known(err) {
			t.Errorf("reading %s: %v (%T)", p.Repository, err, err)
		}
	}
	if err != nil {
		return
	}
	if a.Release.Digest != p.Index {
		t.Errorf("release %s, expected %s", a.Release.Digest, p.Index)
	}
	for _, doc := range a.Platforms {
		for _, d := range doc.Blobs {
			stream, err := source.Fetch(t.Context(), p.Repository, d)
			if err == nil {
				_, err = io.Copy(io.Discard, stream)
				stream.Close()
			}
			if err != nil && !known(err) {
				t.Errorf("fetching %s: %v (%T)", d.Digest, err, err)
			}
		}
	}
}

func readArchives(t *testing.T, b *bundle.Bundle) {
	list, err := b.Archives()
	if err != nil && !known(err) {
		t.Errorf("archives: %v (%T)", err, err)
	}
	for _, a := range list {
		body, size, err := b.Get(t.Context(), a.Location, 1<<20)
		if err == nil {
			hash := digest.SHA256.Digester()
			var n int64
			if n, err = io.Copy(hash.Hash(), body); err == nil && (n != a.Size || n != size || hash.Digest() != a.Digest) {
				t.Errorf("archive %s: %d bytes, %s, expected %d, %s", a.Location, n, hash.Digest(), a.Size, a.Digest)
			}
			body.Close()
		}
		if err != nil && !known(err) {
			t.Errorf("archive %s: %v (%T)", a.Location, err, err)
		}
	}
}

func known(err error) bool {
	return errors.As(err, new(*bundle.FormatError)) || errors.As(err, new(*bundle.MissingError)) ||
		errors.As(err, new(*registry.IntegrityError)) || errors.As(err, new(*registry.InvalidArtifactError)) ||
		errors.As(err, new(*registry.NotFoundError))
}

// seeds are a sound bundle, kept small, the same with its end cut off, and one of archives.
func seeds(f *testing.F) [][]byte {
	sound, err := os.ReadFile(filepath.Join("testdata", "sound.tar"))
	if err != nil {
		f.Fatal(err)
	}
	archives, err := os.ReadFile(archivesOnly(f, "archives.tar"))
	if err != nil {
		f.Fatal(err)
	}
	return [][]byte{sound, sound[:len(sound)/2], {}, archives}
}
