package registry

import (
	"encoding/json"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Document is a manifest or an index of whatever artifact: its exact text, and what it points at.
type Document struct {
	Descriptor  v1.Descriptor // without data and annotations; the text has this digest
	Type        string        // of the artifact; empty where it names none
	Annotations map[string]string
	Text        []byte          // at most MaxManifest bytes
	Manifests   []v1.Descriptor // what an index lists
	Blobs       []v1.Descriptor // config and layers of a manifest, also those of types that loadr does not know
	Subject     digest.Digest   // what it refers to; empty for nothing
}

// parseDocument reads a manifest or index whose bytes have been verified against desc.
func parseDocument(object string, desc v1.Descriptor, text []byte) (Document, error) {
	p := parser{object}
	var content struct {
		ArtifactType string            `json:"artifactType"`
		Config       *v1.Descriptor    `json:"config"`
		Layers       []v1.Descriptor   `json:"layers"`
		Manifests    []v1.Descriptor   `json:"manifests"`
		Subject      *v1.Descriptor    `json:"subject"`
		Annotations  map[string]string `json:"annotations"`
	}
	if len(text) > MaxManifest {
		return Document{}, p.invalid("%d bytes, at most %d are allowed", len(text), MaxManifest)
	}
	if err := json.Unmarshal(text, &content); err != nil {
		return Document{}, p.invalid("not a manifest: %v", err)
	}
	doc := Document{
		Descriptor: v1.Descriptor{MediaType: desc.MediaType, Digest: desc.Digest, Size: desc.Size},
		Type:       content.ArtifactType, Annotations: content.Annotations, Text: text, Manifests: content.Manifests, Blobs: content.Layers,
	}
	if content.Config != nil {
		doc.Blobs = append([]v1.Descriptor{*content.Config}, content.Layers...)
		if doc.Type == "" { // as the image specification says of manifests without the field
			doc.Type = content.Config.MediaType
		}
	}
	if content.Subject != nil {
		doc.Subject = content.Subject.Digest
	}
	return doc, doc.check(p)
}

func (d Document) check(p parser) error {
	if len(d.Manifests) > maxTargets || len(d.Blobs) > maxLayers+1 {
		return p.invalid("%d manifests and %d blobs, at most %d and %d are allowed", len(d.Manifests), len(d.Blobs), maxTargets, maxLayers+1)
	}
	for _, m := range d.Manifests {
		if err := p.descriptor(m, MaxManifest, m.MediaType); err != nil {
			return err
		}
	}
	for i, b := range d.Blobs {
		if err := p.descriptor(b, MaxLibrary, b.MediaType); err != nil {
			return err
		}
		d.Blobs[i].Data = nil
	}
	if d.Subject != "" && d.Subject.Validate() != nil {
		return p.invalid("subject %q: expected a digest", d.Subject)
	}
	return nil
}
