package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/Masterminds/semver/v3"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/loadr-plugins/loadr/manifest"
)

// parseRelease reads an image index whose bytes have been verified against desc. Object names it in errors, which are
// *InvalidArtifactError and, for embedded data that is not what its descriptor says, *IntegrityError.
func parseRelease(object string, desc v1.Descriptor, text []byte) (*Release, error) {
	p := parser{object}
	var index v1.Index
	if err := p.decode(text, &index); err != nil {
		return nil, err
	}
	if err := p.checkIndex(&index); err != nil {
		return nil, err
	}
	r, err := p.release(index.Annotations)
	if err != nil {
		return nil, err
	}
	r.Digest, r.Size, r.Rewritten = desc.Digest, desc.Size, index.ArtifactType == ""
	r.Targets, err = p.targets(index.Manifests)
	return r, err
}

// parser carries the name of what is read into its errors.
type parser struct{ object string }

func (p parser) invalid(format string, args ...any) error {
	return &InvalidArtifactError{p.object, fmt.Sprintf(format, args...)}
}

func (p parser) decode(text []byte, into any) error {
	if len(text) > MaxManifest {
		return p.invalid("%d bytes, at most %d are allowed", len(text), MaxManifest)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return p.invalid("not a manifest: %v", err)
	}
	return nil
}

// checkIndex accepts an index without an artifact type when its annotations are a plugin's: that is how copies arrive
// that were made with a tool which does not know the field.
func (p parser) checkIndex(index *v1.Index) error {
	switch {
	case index.SchemaVersion != 2:
		return p.invalid("not a plugin: schema version %d, expected 2", index.SchemaVersion)
	case index.MediaType != "" && index.MediaType != v1.MediaTypeImageIndex:
		return p.invalid("not a plugin: media type %q, expected %q", index.MediaType, v1.MediaTypeImageIndex)
	case index.ArtifactType != "" && index.ArtifactType != ArtifactType:
		return p.invalid("not a plugin: artifact type %q, expected %q", index.ArtifactType, ArtifactType)
	case index.ArtifactType == "" && index.Annotations[AnnotationKind] == "":
		return p.invalid("not a plugin: neither artifact type %q nor annotation %s", ArtifactType, AnnotationKind)
	case len(index.Manifests) == 0 || len(index.Manifests) > maxTargets:
		return p.invalid("%d platforms, expected 1 to %d", len(index.Manifests), maxTargets)
	}
	return nil
}

func (p parser) release(a map[string]string) (*Release, error) {
	r := &Release{
		Name: a[v1.AnnotationTitle], Version: a[v1.AnnotationVersion],
		Kind: manifest.Kind(a[AnnotationKind]), Type: manifest.Type(a[AnnotationType]),
		Schemes: splitList(a[AnnotationSchemes]), RequiresABI: a[AnnotationRequiresABI],
		Description: a[v1.AnnotationDescription], License: a[v1.AnnotationLicenses], Authors: a[v1.AnnotationAuthors],
		Homepage: a[v1.AnnotationURL], Repository: a[v1.AnnotationSource],
	}
	if err := manifest.CheckName(r.Name); err != nil {
		return nil, p.invalid("annotation %s: %v", v1.AnnotationTitle, err)
	}
	if !isVersion(r.Version) {
		return nil, p.invalid("annotation %s: %q, expected a version such as 1.4.0", v1.AnnotationVersion, r.Version)
	}
	if !slices.Contains(r.Type.Kinds(), r.Kind) {
		return nil, p.invalid("kind %q of type %q, expected one of %v for that type", r.Kind, r.Type, r.Type.Kinds())
	}
	var err error
	if r.Requires, err = parseRequires(a[AnnotationRequires]); err != nil {
		return nil, p.invalid("annotation %s: %v", AnnotationRequires, err)
	}
	if created := a[v1.AnnotationCreated]; created != "" {
		if r.Created, err = time.Parse(time.RFC3339, created); err != nil {
			return nil, p.invalid("annotation %s: %q, expected an RFC 3339 time", v1.AnnotationCreated, created)
		}
	}
	return r, nil
}

// parseRequires reads the names and ranges of required plugins. What a range means is package resolve's affair.
func parseRequires(text string) (requires map[string]string, err error) {
	if text == "" {
		return nil, nil
	}
	if err := json.Unmarshal([]byte(text), &requires); err != nil {
		return nil, errors.New("expected a JSON object of names and ranges")
	}
	if len(requires) > maxRequires {
		return nil, fmt.Errorf("%d plugins, expected at most %d", len(requires), maxRequires)
	}
	for name, rng := range requires {
		if err := manifest.CheckName(name); err != nil {
			return nil, err
		}
		if rng == "" || strings.ContainsFunc(rng, unicode.IsControl) {
			return nil, fmt.Errorf("%s: expected a range of versions, found %q", name, rng)
		}
	}
	return requires, nil
}

func (p parser) targets(manifests []v1.Descriptor) ([]ReleaseTarget, error) {
	targets := make([]ReleaseTarget, 0, len(manifests))
	for _, desc := range manifests {
		t, err := p.target(desc)
		if err != nil {
			return nil, err
		}
		targets = append(targets, t)
	}
	slices.SortFunc(targets, func(a, b ReleaseTarget) int { return strings.Compare(string(a.Target), string(b.Target)) })
	for i := range targets[1:] {
		if targets[i].Target == targets[i+1].Target {
			return nil, p.invalid("target %s occurs twice", targets[i].Target)
		}
	}
	return targets, nil
}

func (p parser) target(desc v1.Descriptor) (t ReleaseTarget, err error) {
	if t.Target, err = manifest.ParseTarget(desc.Annotations[AnnotationTarget]); err != nil {
		return t, p.invalid("annotation %s: %v", AnnotationTarget, err)
	}
	if err := t.ABI.UnmarshalText([]byte(desc.Annotations[AnnotationABI])); err != nil {
		return t, p.invalid("%s: annotation %s: %v", t.Target, AnnotationABI, err)
	}
	if err := t.Libc.UnmarshalText([]byte(desc.Annotations[AnnotationLibc])); err != nil {
		return t, p.invalid("%s: annotation %s: %v", t.Target, AnnotationLibc, err)
	}
	if err := p.descriptor(desc, MaxManifest, v1.MediaTypeImageManifest); err != nil {
		return t, err
	}
	t.Manifest = desc
	t.Manifest.Data = nil
	if desc.Data == nil {
		return t, nil
	}
	if err := p.embedded(desc); err != nil {
		return t, err
	}
	return t, p.platform(&t, desc.Data)
}

// platform reads a platform manifest, verified already, into t.
func (p parser) platform(t *ReleaseTarget, text []byte) error {
	var m v1.Manifest
	if err := p.decode(text, &m); err != nil {
		return err
	}
	if err := p.checkPlatform(t.Target, &m); err != nil {
		return err
	}
	if err := p.descriptor(m.Config, MaxConfig, MediaTypeConfig); err != nil {
		return err
	}
	if err := p.layers(t, m.Layers); err != nil {
		return err
	}
	t.ConfigDescriptor = m.Config
	t.ConfigDescriptor.Data = nil
	if m.Config.Data == nil {
		return nil
	}
	if err := p.embedded(m.Config); err != nil {
		return err
	}
	return p.config(t, m.Config.Data)
}

func (p parser) checkPlatform(target manifest.Target, m *v1.Manifest) error {
	switch {
	case m.SchemaVersion != 2:
		return p.invalid("%s: schema version %d, expected 2", target, m.SchemaVersion)
	case m.ArtifactType != "" && m.ArtifactType != ArtifactType:
		return p.invalid("%s: artifact type %q, expected %q", target, m.ArtifactType, ArtifactType)
	case len(m.Layers) == 0 || len(m.Layers) > maxLayers:
		return p.invalid("%s: %d layers, expected 1 to %d", target, len(m.Layers), maxLayers)
	}
	return nil
}

// layers finds the library, which is first, and the files beside it.
func (p parser) layers(t *ReleaseTarget, layers []v1.Descriptor) error {
	if err := p.descriptor(layers[0], MaxLibrary, MediaTypeLibraryZstd, MediaTypeLibrary); err != nil {
		return err
	}
	t.Library = layers[0]
	t.Files = nil
	for _, layer := range layers[1:] {
		// Layers of other types may come with later versions of the format: they are nothing to this one.
		if layer.MediaType != MediaTypeFile {
			continue
		}
		if err := p.descriptor(layer, MaxFile, MediaTypeFile); err != nil {
			return err
		}
		if err := manifest.CheckEntry(layer.Annotations[v1.AnnotationTitle]); err != nil {
			return p.invalid("%s: annotation %s of a file: %v", t.Target, v1.AnnotationTitle, err)
		}
		t.Files = append(t.Files, layer)
	}
	return nil
}

// config reads a config, verified already, and compares it with what the index says: an index that promises another
// ABI than its configs would be resolved by one and installed by the other.
func (p parser) config(t *ReleaseTarget, text []byte) error {
	c, err := decodeConfig(text)
	if err != nil {
		return p.invalid("%s: %v", t.Target, err)
	}
	if abi := c.Library.ABI.ABI(); abi != t.ABI {
		return p.invalid("%s: the index says built against %q, the config says %q", t.Target, t.ABI, abi)
	}
	if c.Library.Libc != t.Libc {
		return p.invalid("%s: the index says libc %q, the config says %q", t.Target, t.Libc, c.Library.Libc)
	}
	t.Config, t.ConfigDescriptor.Data = c, text
	return nil
}

func (p parser) descriptor(d v1.Descriptor, limit int64, mediaTypes ...string) error {
	switch {
	case !slices.Contains(mediaTypes, d.MediaType):
		return p.invalid("media type %q, expected %s", d.MediaType, strings.Join(mediaTypes, " or "))
	case d.Digest.Validate() != nil || d.Digest.Algorithm() != digest.SHA256:
		return p.invalid("digest %q of %s: expected sha256:<64 hex digits>", d.Digest, d.MediaType)
	case d.Size < 0 || d.Size > limit:
		return p.invalid("%s has %d bytes, at most %d are allowed", d.Digest, d.Size, limit)
	}
	return nil
}

// embedded checks a descriptor's data, as the OCI image specification asks of readers.
func (p parser) embedded(d v1.Descriptor) error {
	if int64(len(d.Data)) != d.Size {
		return &IntegrityError{Object: p.object + ": embedded data of " + d.Digest.String(), Want: fmt.Sprint(d.Size, " bytes"), Got: fmt.Sprint(len(d.Data), " bytes")}
	}
	if got := digest.FromBytes(d.Data); got != d.Digest {
		return &IntegrityError{Object: p.object + ": embedded data", Want: d.Digest.String(), Got: got.String()}
	}
	return nil
}

// isVersion knows the tags that are versions: strict semver. Build metadata cannot occur in a tag.
func isVersion(s string) bool {
	_, err := semver.StrictNewVersion(s)
	return err == nil && !strings.Contains(s, "+")
}

func splitList(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

// checkConfigs compares each shipped plugin.toml with the index: who is resolved must be who is installed.
func (r *Release) checkConfigs(object string) error {
	p := parser{object}
	for _, t := range r.Targets {
		m, err := manifest.ParseShipped("plugin.toml", []byte(t.Config.PluginTOML))
		if err != nil {
			return p.invalid("%s: %v", t.Target, err)
		}
		found := [4]string{m.Plugin.Name, m.Plugin.Version, string(m.Plugin.Kind), string(m.Plugin.Type)}
		if want := [4]string{r.Name, r.Version, string(r.Kind), string(r.Type)}; found != want {
			return p.invalid("%s: the index says %s, plugin.toml says %s", t.Target, strings.Join(want[:], " "), strings.Join(found[:], " "))
		}
	}
	return nil
}
