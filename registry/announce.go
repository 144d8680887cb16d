package registry

import (
	"bytes"
	"context"
	"slices"

	specs "github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/loadr-plugins/loadr/manifest"
	"github.com/loadr-plugins/loadr/registry/catalogue"
)

// announce writes a release into the catalogue of its namespace: one request that asks how often the catalogue was compacted,
// one that writes. Nobody else writes under the same tag but to say the same, so nothing has to be merged, and no order of
// publishes loses anything.
func (k *Catalogue) announce(ctx context.Context, r *Release) error {
	entry, err := entryOf(r)
	if err != nil {
		return err
	}
	tag := catalogue.Tag{Name: entry.Name, Version: entry.Version}
	compacted, err := k.Compacted(ctx)
	switch {
	case err == nil:
		tag.Generation = compacted.Generation
	case !is[*NotFoundError](err):
		return err
	}
	desc, text, err := entryManifest(entry)
	if err != nil {
		return err
	}
	to, err := k.client.open(k.repo)
	if err != nil {
		return err
	}
	return translate(k.repo, tag.String(), to.PushReference(ctx, desc, bytes.NewReader(text), tag.String()))
}

// entryManifest is an index over nothing, so that no blob has to be there: an image manifest needs a config.
func entryManifest(e catalogue.Entry) (v1.Descriptor, []byte, error) {
	return encodeManifest(v1.MediaTypeImageIndex, v1.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageIndex, ArtifactType: CatalogueEntryType,
		Manifests:   []v1.Descriptor{},
		Annotations: map[string]string{AnnotationEntry: string(e.Append(nil))},
	})
}

// entryOf gives what the catalogue says of a complete release.
func entryOf(r *Release) (catalogue.Entry, error) {
	e := catalogue.Entry{
		Name: r.Name, Version: r.Version, Kind: string(r.Kind), Type: string(r.Type), Description: r.Description,
		Schemes: r.Schemes, License: r.License,
	}
	for _, t := range r.Targets {
		e.Targets = append(e.Targets, string(t.Target))
		if abi := t.ABI.String(); abi != "" {
			e.ABI = append(e.ABI, abi)
		}
		if e.Keywords == nil && t.Config != nil {
			m, err := manifest.ParseShipped("plugin.toml", []byte(t.Config.PluginTOML))
			if err != nil {
				return e, err
			}
			e.Keywords = m.Plugin.Keywords
		}
	}
	slices.Sort(e.ABI)
	e.ABI = slices.Compact(e.ABI)
	return e.Clip()
}
