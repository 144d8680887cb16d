package bundle_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/loadr-plugins/loadr/internal/testregistry"
	"github.com/loadr-plugins/loadr/registry"
	"github.com/loadr-plugins/loadr/registry/bundle"
)

func repoIn(host, name string) registry.Repository {
	return registry.Repository{Registry: host, Namespace: "team/plugins", Name: name}
}

func newClient(t *testing.T, o registry.Options) *registry.Client {
	t.Helper()
	o.Writer = testregistry.Writer
	c := registry.New(o)
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("closing the client: %v", err)
		}
	})
	return c
}

// add puts one release with everything that it has into a bundle.
func add(ctx context.Context, w *bundle.Writer, from registry.Origin, repo registry.Repository, version string) error {
	r, err := from.Release(ctx, repo, version)
	if err != nil {
		return err
	}
	a, err := from.Artifact(ctx, repo, r.Digest)
	if err != nil {
		return err
	}
	attached, err := from.Attached(ctx, repo, r.Digest)
	if err != nil {
		return err
	}
	if err := w.Release(ctx, repo, a); err != nil {
		return err
	}
	docs := a.Platforms
	for _, doc := range attached {
		if err := w.Attached(ctx, doc); err != nil {
			return err
		}
		docs = append(docs, doc)
	}
	for _, doc := range docs {
		for _, d := range doc.Blobs {
			if err := w.Blob(ctx, d, fetch(from, repo, d)); err != nil {
				return err
			}
		}
	}
	return nil
}

func fetch(from registry.Source, repo registry.Repository, d v1.Descriptor) func(context.Context, io.Writer) error {
	return func(ctx context.Context, w io.Writer) error {
		body, err := from.Fetch(ctx, repo, d)
		if err != nil {
			return err
		}
		defer body.Close()
		_, err = io.Copy(w, body)
		return err
	}
}

// everything makes a bundle of all versions of a plugin.
func everything(t *testing.T, path string, from registry.Origin, repo registry.Repository) {
	t.Helper()
	versions, err := from.Versions(t.Context(), repo)
	if err != nil {
		t.Fatal(err)
	}
	err = bundle.Write(t.Context(), path, false, func(w *bundle.Writer) error {
		for _, version := range versions {
			if err := add(t.Context(), w, from, repo, version); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// published gives a client of a directory registry with echo 1.0.0 for two platforms.
func published(t *testing.T) (*registry.Client, registry.Repository, *registry.Pack) {
	t.Helper()
	client, repo := newClient(t, registry.Options{Dir: t.TempDir()}), repoIn(registry.Local, "echo")
	pack := testregistry.Pack(t, testregistry.Spec{Targets: twoTargets, Files: map[string]string{"README.md": "# Echo\n"}})
	if _, err := client.Push(t.Context(), repo, pack); err != nil {
		t.Fatal(err)
	}
	return client, repo, pack
}

func open(t *testing.T, path string) *bundle.Bundle {
	t.Helper()
	b, err := bundle.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Errorf("closing %s: %v", path, err)
		}
	})
	return b
}

// both runs a test on the same bundle as a folder and as a tar file.
func both(t *testing.T, test func(t *testing.T, path string, repo registry.Repository, pack *registry.Pack)) {
	for _, name := range []string{"layout", "layout.tar"} {
		t.Run(name, func(t *testing.T) {
			client, repo, pack := published(t)
			path := filepath.Join(t.TempDir(), name)
			everything(t, path, client, repo)
			test(t, path, repo, pack)
		})
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
