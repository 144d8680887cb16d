package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/registry/remote"

	"github.com/loadr-plugins/loadr/registry/catalogue"
)

// What catalogues are made of; docs/spec/catalogue.md has the rest.
const (
	CatalogueType           = "application/vnd.loadr.catalogue.v1"            // of the compacted one
	CatalogueEntryType      = "application/vnd.loadr.catalogue.entry.v1"      // of one entry
	MediaTypeCatalogueLines = "application/vnd.loadr.catalogue.v1+jsonl+zstd" // entries by name, one JSON object on each line
	AnnotationEntry         = "io.loadr.catalogue.entry"                      // the entry's JSON
	AnnotationGeneration    = "io.loadr.catalogue.generation"                 // how often the catalogue was compacted
	AnnotationEntries       = "io.loadr.catalogue.entries"                    // plugins in the compacted catalogue

	maxCatalogue    = 256 << 20 // bytes of a compacted catalogue as it travels
	maxTagListBytes = 64 << 20  // bytes of one page of tags: registries without pages send them all
)

// Catalogue is the catalogue of one namespace: what search reads. It is safe for concurrent use.
type Catalogue struct {
	client *Client
	repo   Repository
}

// Catalogue gives the catalogue of a registry/namespace, whether there is one or not.
func (c *Client) Catalogue(source string) (*Catalogue, error) {
	host, namespace, err := ParseNamespace(source)
	if err != nil {
		return nil, err
	}
	return c.catalogueOf(Repository{Registry: host, Namespace: namespace}), nil
}

// catalogueOf gives the catalogue of a plugin's namespace.
func (c *Client) catalogueOf(plugin Repository) *Catalogue {
	return &Catalogue{c, Repository{Registry: plugin.Registry, Namespace: plugin.Namespace, Name: catalogue.Repository}}
}

// Source gives registry/namespace.
func (k *Catalogue) Source() string { return k.repo.Source() }

// CompactedCatalogue is one state of a compacted catalogue.
type CompactedCatalogue struct {
	Digest     digest.Digest // of its manifest
	Generation int64         // 1 after the first compaction
	Entries    int           // plugins, as the manifest says
	Content    v1.Descriptor // the lines, compressed
}

// Compacted reads what the tag of the compacted catalogue names: one request. *NotFoundError when there is none.
func (k *Catalogue) Compacted(ctx context.Context) (*CompactedCatalogue, error) {
	desc, text, err := k.client.manifest(ctx, k.repo, catalogue.IndexTag)
	if err != nil {
		return nil, err
	}
	return parseCompacted(k.repo.String()+" "+catalogue.IndexTag, desc, text)
}

func parseCompacted(object string, desc v1.Descriptor, text []byte) (*CompactedCatalogue, error) {
	var m v1.Manifest
	if err := json.Unmarshal(text, &m); err != nil || m.ArtifactType != CatalogueType || len(m.Layers) != 1 {
		return nil, &InvalidArtifactError{object, fmt.Sprintf("expected a compacted catalogue: a manifest of type %s with one layer", CatalogueType)}
	}
	generation, err := strconv.ParseInt(m.Annotations[AnnotationGeneration], 10, 64)
	if err != nil || generation < 1 || generation > catalogue.MaxGeneration {
		return nil, &InvalidArtifactError{object, fmt.Sprintf("%s: expected a number of compactions, found %q", AnnotationGeneration, m.Annotations[AnnotationGeneration])}
	}
	entries, err := strconv.Atoi(m.Annotations[AnnotationEntries])
	if err != nil || entries < 0 || entries > catalogue.MaxEntries {
		return nil, &InvalidArtifactError{object, fmt.Sprintf("%s: expected at most %d, found %q", AnnotationEntries, catalogue.MaxEntries, m.Annotations[AnnotationEntries])}
	}
	lines := m.Layers[0]
	if lines.MediaType != MediaTypeCatalogueLines || lines.Size > maxCatalogue {
		return nil, &InvalidArtifactError{object, fmt.Sprintf("layer of type %q and %d bytes, expected %s and at most %d",
			lines.MediaType, lines.Size, MediaTypeCatalogueLines, maxCatalogue)}
	}
	return &CompactedCatalogue{desc.Digest, generation, entries, lines}, nil
}

// Lines writes the lines of a compacted catalogue to w, decompressed; catalogue.ReadLines reads them. How much comes
// out is for w to limit. Length and digest of what travels are verified; only when there is no error may what was written be
// used.
func (k *Catalogue) Lines(ctx context.Context, c *CompactedCatalogue, w io.Writer) error {
	stream, err := k.client.Fetch(ctx, k.repo, c.Content)
	if is[*NotFoundError](err) { // which would mean that there is no catalogue
		return &InvalidArtifactError{k.repo.String() + " " + catalogue.IndexTag, fmt.Sprintf("its lines, %s, are not in the registry", c.Content.Digest)}
	}
	if err != nil {
		return err
	}
	defer stream.Close()
	err = decompressZstd(w, stream)
	if invalid := (*InvalidArtifactError)(nil); errors.As(err, &invalid) {
		return &InvalidArtifactError{k.repo.String() + " " + catalogue.IndexTag, invalid.Problem}
	}
	return err
}

// Tags hands the tags of entries to each, in no order, that a compacted catalogue of the given generation may not have; of
// generation 0, all of them. One request for each page. each's own error ends the list and is returned. *NotFoundError when the
// repository does not exist or is empty.
func (k *Catalogue) Tags(ctx context.Context, generation int64, each func(catalogue.Tag) error) error {
	l := &tagList{since: catalogue.Since(generation), each: each}
	err := k.listTags(ctx, l.since, l)
	var refused *UnavailableError
	if l.since != "" && !l.found && (is[*NotFoundError](err) || errors.As(err, &refused) && refused.Status >= 400 && refused.Status < 500) {
		// Some registries begin a list behind existing tags only.
		err = k.listTags(ctx, "", l)
	}
	switch {
	case l.stop != nil:
		return l.stop
	case err == nil && !l.found && generation == 0:
		return &NotFoundError{Repository: k.repo}
	}
	return err
}

// tagList is what becomes of a list of tags.
type tagList struct {
	since string
	each  func(catalogue.Tag) error
	found bool  // there was a tag
	stop  error // of each
}

func (k *Catalogue) listTags(ctx context.Context, last string, l *tagList) error {
	return translate(k.repo, "", k.client.ask(ctx, k.repo, func(ctx context.Context, r *remote.Repository) error {
		r.MaxMetadataBytes = maxTagListBytes
		return r.Tags(ctx, last, l.page)
	}))
}

func (l *tagList) page(words []string) error {
	for _, word := range words {
		l.found = true
		tag, ok := catalogue.ParseTag(word)
		if !ok || !catalogue.After(word, l.since) {
			continue
		}
		if l.stop = l.each(tag); l.stop != nil {
			return l.stop
		}
	}
	return nil
}

// Entry reads one entry: one request. *NotFoundError when a compaction has removed it meanwhile.
func (k *Catalogue) Entry(ctx context.Context, tag catalogue.Tag) (catalogue.Entry, error) {
	_, text, err := k.client.manifest(ctx, k.repo, tag.String())
	if err != nil {
		return catalogue.Entry{}, err
	}
	e, err := parseEntry(text)
	if err == nil && (e.Name != tag.Name || e.Version != tag.Version || e.Preview != "") {
		err = fmt.Errorf("holds %s %s, expected what its tag says", e.Name, e.Version)
	}
	if err != nil {
		return catalogue.Entry{}, &InvalidArtifactError{k.repo.String() + " " + tag.String(), err.Error()}
	}
	return e, nil
}

func parseEntry(text []byte) (catalogue.Entry, error) {
	var index v1.Index
	if err := json.Unmarshal(text, &index); err != nil || index.ArtifactType != CatalogueEntryType {
		return catalogue.Entry{}, errors.New("not a catalogue entry: expected an index of type " + CatalogueEntryType)
	}
	return catalogue.ParseEntry([]byte(index.Annotations[AnnotationEntry]))
}
