package registry_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/loadr-plugins/loadr/internal/testregistry"
	"github.com/loadr-plugins/loadr/registry"
	"github.com/loadr-plugins/loadr/registry/catalogue"
)

// put writes an index past all checks.
func put(t *testing.T, source, tag, text string) {
	t.Helper()
	host, namespace, _ := strings.Cut(source, "/")
	url := fmt.Sprintf("http://%s/v2/%s/%s/manifests/%s", host, namespace, catalogue.Repository, tag)
	req, err := http.NewRequest(http.MethodPut, url, strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/vnd.oci.image.index.v1+json")
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if body, _ := io.ReadAll(answer.Body); answer.StatusCode != http.StatusCreated {
		t.Fatalf("PUT %s: %s %s", tag, answer.Status, body)
	}
}

const emptyIndex = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","artifactType":%q,"manifests":[],"annotations":{%q:%q}}`

// TestHostileCatalogue: what others wrote there is passed over or refused, and stays.
func TestHostileCatalogue(t *testing.T) {
	server := testregistry.New(t)
	s := shelf{newClient(t, registry.Options{}), server.Host() + "/team"}
	s.publish(t, "good", "1.0.0")
	for tag, text := range map[string]string{
		"g0000000000.evil.1.0.0":  fmt.Sprintf(emptyIndex, registry.CatalogueEntryType, registry.AnnotationEntry, `{"name":"\u001b[2J"}`),
		"g0000000000.good.9.0.0":  fmt.Sprintf(emptyIndex, registry.CatalogueEntryType, registry.AnnotationEntry, `{"name":"other","version":"9.0.0","kind":"output","type":"native"}`),
		"g0000000000.later.1.0.0": fmt.Sprintf(emptyIndex, "application/vnd.loadr.catalogue.entry.v2", registry.AnnotationEntry, `{}`),
		"latest":                  fmt.Sprintf(emptyIndex, "application/x", "a", "b"),
		"1.0.0":                   fmt.Sprintf(emptyIndex, "application/x", "a", "b"),
	} {
		put(t, s.source, tag, text)
	}
	r := s.compact(t)
	if len(r.Skipped) != 3 || r.Plugins != 1 || r.Read != 1 {
		t.Errorf("compaction: %+v", r)
	}
	if r := s.compact(t); len(r.Skipped) != 3 || r.Removed != 1 || r.Changed {
		t.Errorf("again: %+v", r)
	}
	put(t, s.source, catalogue.IndexTag, fmt.Sprintf(emptyIndex, registry.CatalogueType, registry.AnnotationGeneration, "1"))
	_, err := s.catalogue(t).Compacted(t.Context())
	expectError[*registry.InvalidArtifactError](t, "an index that is none", err)
	_, err = s.CompactCatalogue(t.Context(), s.source)
	expectError[*registry.InvalidArtifactError](t, "compacting an index that is none", err)
	pushed, err := s.Push(t.Context(), repoIn(server.Host()), testregistry.Pack(t, testregistry.Spec{}))
	if err != nil {
		t.Fatal(err)
	}
	expectError[*registry.InvalidArtifactError](t, "publishing beside an index that is none", pushed.Unlisted)
}

// TestHostileLines: a compacted catalogue whose lines are broken, too long or altered on the way is refused and not written over.
func TestHostileLines(t *testing.T) {
	server := testregistry.New(t)
	s := shelf{newClient(t, registry.Options{}), server.Host() + "/team"}
	s.publish(t, "good", "1.0.0")
	first := s.compact(t)
	compacted, err := s.catalogue(t).Compacted(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	server.Inject(testregistry.Fault{Match: "GET blob", Alter: func(b []byte) []byte { return append([]byte("x"), b[1:]...) }})
	expectError[*registry.IntegrityError](t, "altered lines", s.catalogue(t).Lines(t.Context(), compacted, io.Discard))
	_, err = s.CompactCatalogue(t.Context(), s.source)
	expectError[*registry.IntegrityError](t, "compacting altered lines", err)
	server.Heal()
	full := errors.New("full")
	if err := s.catalogue(t).Lines(t.Context(), compacted, refusing{full}); !errors.Is(err, full) {
		t.Errorf("a writer that takes no more: %v", err)
	}
	if again := s.compact(t); again.Digest != first.Digest {
		t.Errorf("the index is another one: %+v", again)
	}
}

type refusing struct{ err error }

func (r refusing) Write([]byte) (int, error) { return 0, r.err }
