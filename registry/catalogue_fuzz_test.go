package registry

import (
	"errors"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/loadr-plugins/loadr/registry/catalogue"
)

// FuzzCatalogue: what claims to be a part of a catalogue is refused with an *InvalidArtifactError, or within the limits.
func FuzzCatalogue(f *testing.F) {
	_, entry, err := entryManifest(catalogue.Entry{Name: "echo", Version: "1.0.0", Kind: "protocol", Type: "native"})
	if err != nil {
		f.Fatal(err)
	}
	j := &compaction{done: Compaction{Generation: 3, Plugins: 5}}
	f.Add(entry)
	f.Add(j.manifest(v1.Descriptor{MediaType: MediaTypeCatalogueLines, Size: 7}))
	f.Add([]byte(`{"artifactType":"` + CatalogueType + `","layers":[{}],"annotations":{"` + AnnotationGeneration + `":"9999999999999"}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		compacted, err := parseCompacted("x", v1.Descriptor{}, text)
		if invalid := (*InvalidArtifactError)(nil); err != nil && !errors.As(err, &invalid) {
			t.Fatalf("%T %v", err, err)
		}
		if err == nil && (compacted.Generation < 1 || compacted.Generation > catalogue.MaxGeneration || compacted.Content.Size > maxCatalogue) {
			t.Fatalf("accepted %+v", compacted)
		}
		if e, err := parseEntry(text); err == nil && len(catalogue.Tag{Generation: catalogue.MaxGeneration, Name: e.Name, Version: e.Version}.String()) > 128 {
			t.Fatalf("accepted %+v", e)
		}
	})
}
