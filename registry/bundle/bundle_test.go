package bundle_test

import (
	"errors"
	"io"
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

var twoTargets = []manifest.Target{testregistry.Linux, testregistry.Darwin}

// TestContract reads bundles, of either kind and of plugins from either kind of registry, as the suite reads all sources.
func TestContract(t *testing.T) {
	t.Run("remote-tar", func(t *testing.T) {
		testregistry.ReadingContract(t, func(t *testing.T) testregistry.Place {
			return place(t, newClient(t, registry.Options{}), testregistry.New(t).Host(), "layout.tar")
		})
	})
	t.Run("directory-folder", func(t *testing.T) {
		testregistry.ReadingContract(t, func(t *testing.T) testregistry.Place {
			return place(t, newClient(t, registry.Options{Dir: t.TempDir()}), registry.Local, "layout")
		})
	})
}

func place(t *testing.T, client *registry.Client, host, name string) testregistry.Place {
	return testregistry.Place{Registry: host, Client: client, Reader: func(t *testing.T) registry.Source {
		path := filepath.Join(t.TempDir(), name)
		everything(t, path, client, repoIn(host, "echo"))
		return open(t, path).Source()
	}}
}

func TestWhatIsListed(t *testing.T) {
	both(t, func(t *testing.T, path string, repo registry.Repository, pack *registry.Pack) {
		b := open(t, path)
		want := []bundle.Plugin{{Repository: repo, Version: "1.0.0", Index: pack.Digest()}}
		if diff := cmp.Diff(want, b.Plugins()); diff != "" {
			t.Errorf("plugins (-want +got):\n%s", diff)
		}
		if got := b.Namespaces(); !slices.Equal(got, []string{"local/team/plugins"}) {
			t.Errorf("namespaces: %q", got)
		}
		other := repo
		other.Registry = "registry.example"
		if _, err := b.Source().Versions(t.Context(), other); !errors.As(err, new(*registry.NotFoundError)) {
			t.Errorf("versions of a plugin of that name in another registry: %v", err)
		}
	})
}

// TestReferrers has a signature, and a signature of that, go through a bundle.
func TestReferrers(t *testing.T) {
	client, repo, pack := published(t)
	subject := v1.Descriptor{MediaType: v1.MediaTypeImageIndex, Digest: pack.Digest(), Size: pack.Release().Size}
	signature := attach(t, client, repo, subject, "text/signature")
	second := attach(t, client, repo, signature, "text/countersignature")
	path := filepath.Join(t.TempDir(), "b.tar")
	everything(t, path, client, repo)
	source := open(t, path).Source()
	for _, of := range []digest.Digest{pack.Digest(), signature.Digest, second.Digest, digest.FromString("nothing")} {
		for _, artifactType := range []string{"", "text/signature", "text/other"} {
			want, err := client.Referrers(t.Context(), repo, of, artifactType)
			if err != nil {
				t.Fatal(err)
			}
			got, err := source.Referrers(t.Context(), repo, of, artifactType)
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("referrers of %s of type %q: %v (-registry +bundle):\n%s", of, artifactType, err, diff)
			}
		}
	}
	docs, err := source.Attached(t.Context(), repo, pack.Digest())
	if err != nil || len(docs) != 2 || docs[0].Descriptor.Digest != signature.Digest || docs[1].Subject != signature.Digest {
		t.Errorf("attached: %v, %v", docs, err)
	}
}

func attach(t *testing.T, client *registry.Client, repo registry.Repository, subject v1.Descriptor, artifactType string) v1.Descriptor {
	t.Helper()
	d, err := client.Attach(t.Context(), repo, subject, registry.Attachment{
		ArtifactType: artifactType, Annotations: map[string]string{"by": "a test"},
		Layers: []registry.AttachedLayer{{MediaType: "text/plain", Content: []byte("approved")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestMissingLibrary has a bundle for one of two platforms: it resolves for both, and names what it was made without.
func TestMissingLibrary(t *testing.T) {
	client, repo, pack := published(t)
	path := filepath.Join(t.TempDir(), "b.tar")
	library := pack.Release().Targets[0].Library
	err := bundle.Write(t.Context(), path, false, func(w *bundle.Writer) error {
		a, err := client.Artifact(t.Context(), repo, pack.Digest())
		if err != nil {
			return err
		}
		return w.Release(t.Context(), repo, a)
	})
	if err != nil {
		t.Fatal(err)
	}
	source := open(t, path).Source()
	r, err := source.Release(t.Context(), repo, "1.0.0")
	if err == nil {
		err = source.Complete(t.Context(), repo, r)
	}
	if diff := cmp.Diff(pack.Release(), r); err != nil || diff != "" {
		t.Errorf("release: %v (-packed +read):\n%s", err, diff)
	}
	_, err = source.Fetch(t.Context(), repo, library)
	var missing *bundle.MissingError
	if !errors.As(err, &missing) || missing.Digest != library.Digest || missing.Plugin != "echo" || missing.Hint() == "" {
		t.Errorf("fetch: %v", err)
	}
	if there, err := source.Holds(t.Context(), repo, library); there || err != nil {
		t.Errorf("holds: %v, %v", there, err)
	}
}

// TestAltered changes one byte of a library inside a bundle.
func TestAltered(t *testing.T) {
	both(t, func(t *testing.T, path string, repo registry.Repository, pack *registry.Pack) {
		library := pack.Release().Targets[0].Library
		alterBlob(t, path, library)
		stream, err := open(t, path).Source().Fetch(t.Context(), repo, library)
		if err == nil {
			_, err = io.Copy(io.Discard, stream)
			stream.Close()
		}
		var integrity *registry.IntegrityError
		if !errors.As(err, &integrity) || !strings.Contains(err.Error(), path) {
			t.Errorf("error %v, expected an *IntegrityError that names the bundle", err)
		}
	})
}
