package registry

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	specs "github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/loadr-plugins/loadr/manifest"
)

// platformManifest builds the manifest of one platform. Field order and escapes are those of encoding/json over the OCI
// types: they are part of what makes digests the same everywhere.
func platformManifest(config []byte, library v1.Descriptor, files []v1.Descriptor) (v1.Descriptor, []byte, error) {
	m := v1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest, ArtifactType: ArtifactType,
		Config: v1.Descriptor{MediaType: MediaTypeConfig, Digest: digest.FromBytes(config), Size: int64(len(config)), Data: config},
		Layers: append([]v1.Descriptor{library}, files...),
	}
	return encodeManifest(v1.MediaTypeImageManifest, m)
}

// imageIndex builds the index over platforms that are sorted by target. It embeds the platform manifests while that
// keeps it within MaxIndexData.
func imageIndex(annotations map[string]string, platforms []platformEntry) (v1.Descriptor, []byte, error) {
	desc, text, err := encodeIndex(annotations, platforms, true)
	if err != nil || desc.Size <= MaxIndexData {
		return desc, text, err
	}
	return encodeIndex(annotations, platforms, false)
}

// platformEntry is one platform of an index.
type platformEntry struct {
	target   manifest.Target
	abi      manifest.ABI
	libc     manifest.Libc
	manifest v1.Descriptor
	text     []byte
}

func encodeIndex(annotations map[string]string, platforms []platformEntry, embed bool) (v1.Descriptor, []byte, error) {
	index := v1.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageIndex, ArtifactType: ArtifactType,
		Annotations: annotations, Manifests: make([]v1.Descriptor, 0, len(platforms)),
	}
	for _, p := range platforms {
		index.Manifests = append(index.Manifests, p.descriptor(embed))
	}
	return encodeManifest(v1.MediaTypeImageIndex, index)
}

func (p platformEntry) descriptor(embed bool) v1.Descriptor {
	platform := p.target.Platform()
	d := v1.Descriptor{
		MediaType: p.manifest.MediaType, Digest: p.manifest.Digest, Size: p.manifest.Size, Platform: &platform,
		Annotations: without("", map[string]string{
			AnnotationTarget: string(p.target), AnnotationABI: p.abi.String(), AnnotationLibc: p.libc.String(),
		}),
	}
	if embed {
		d.Data = p.text
	}
	return d
}

func encodeManifest(mediaType string, v any) (v1.Descriptor, []byte, error) {
	text, err := json.Marshal(v)
	return v1.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(text), Size: int64(len(text))}, text, err
}

// indexAnnotations says in OCI's and our own words what plugin.toml says. What is not set is left out. There is no time
// but the one given, because the same input must give the same digest.
func indexAnnotations(m *manifest.Manifest, created *time.Time) map[string]string {
	p := m.Plugin
	a := map[string]string{
		v1.AnnotationTitle: p.Name, v1.AnnotationVersion: p.Version, v1.AnnotationDescription: p.Description,
		v1.AnnotationLicenses: p.License, v1.AnnotationSource: p.Repository, v1.AnnotationURL: p.Homepage,
		v1.AnnotationAuthors: strings.Join(p.Authors, ", "),
		AnnotationKind:       string(p.Kind), AnnotationType: string(p.Type),
		AnnotationSchemes: strings.Join(p.Schemes, ","), AnnotationRequiresABI: m.Requires.ABI,
	}
	if len(m.Requires.Plugins) > 0 {
		text, _ := json.Marshal(m.Requires.Plugins) // sorted by name; texts can't fail
		a[AnnotationRequires] = string(text)
	}
	if created != nil {
		a[v1.AnnotationCreated] = created.UTC().Format(time.RFC3339)
	}
	return without("", a)
}

// without drops the entries that have the given value.
func without(value string, m map[string]string) map[string]string {
	for k, v := range m {
		if v == value {
			delete(m, k)
		}
	}
	return m
}
