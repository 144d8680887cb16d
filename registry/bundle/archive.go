package bundle

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	specs "github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/loadr-plugins/loadr/manifest"
	"github.com/loadr-plugins/loadr/registry"
)

// What the manifest of an archive is known by.
const (
	ArtifactTypeArchive = "application/vnd.loadr.plugin.archive.v1"
	MediaTypeArchive    = "application/vnd.loadr.plugin.archive.content.v1" // the layer: the file as it was, whatever it is

	AnnotationLocation = "io.loadr.plugin.archive.location"
	AnnotationTargets  = "io.loadr.plugin.archive.targets" // comma-separated, sorted
)

// archivePrefix begins the names of archives in index.json. No registry has such a host: it has no dot and no port.
const archivePrefix = "archive/"

// Archive is one plugin's file in a bundle, that is in no registry: an archive, or a bare library.
type Archive struct {
	// Location is where the file was found, as locks have it: a URL, or file:PATH.
	Location        string
	Plugin, Version string
	// Targets are those of the plugin that the bundle has the file for; at least one.
	Targets []manifest.Target
	Digest  digest.Digest
	Size    int64 // bytes
}

// Blob describes the file's bytes, for Writer.Blob.
func (a Archive) Blob() v1.Descriptor {
	return v1.Descriptor{MediaType: MediaTypeArchive, Digest: a.Digest, Size: a.Size}
}

// name is the archive's in index.json: the first target tells the archives of one plugin apart.
func (a Archive) name() string {
	return fmt.Sprintf("%s%s:%s-%s", archivePrefix, a.Plugin, a.Version, a.Targets[0])
}

// title is the file's name, so that other tools can write it to where people find it; empty where the location has none.
func (a Archive) title() string {
	title := path.Base(strings.TrimPrefix(a.Location, "file:"))
	if u, err := url.Parse(a.Location); err == nil && u.Host != "" {
		title = path.Base(u.Path)
	}
	if title == "." || title == ".." || title == "/" {
		return ""
	}
	return title
}

func (a Archive) manifest() ([]byte, error) {
	layer := a.Blob()
	if title := a.title(); title != "" {
		layer.Annotations = map[string]string{v1.AnnotationTitle: title}
	}
	words := make([]string, len(a.Targets))
	for i, t := range a.Targets {
		words[i] = string(t)
	}
	return json.Marshal(v1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest, ArtifactType: ArtifactTypeArchive,
		Config: v1.DescriptorEmptyJSON, Layers: []v1.Descriptor{layer},
		Annotations: map[string]string{
			v1.AnnotationTitle: a.Plugin, v1.AnnotationVersion: a.Version,
			AnnotationLocation: a.Location, AnnotationTargets: strings.Join(words, ","),
		},
	})
}

// Archive puts the description of an archive into the bundle; Blob puts in its bytes. Each location is listed once: a second
// archive from there is an error.
func (w *Writer) Archive(ctx context.Context, a Archive) error {
	a.Targets = slices.Clone(a.Targets)
	slices.Sort(a.Targets)
	if problem := a.problem(); problem != "" {
		return fmt.Errorf("plugin %q %s: archive %s: %s", a.Plugin, a.Version, a.Location, problem)
	}
	text, err := a.manifest()
	if err != nil {
		return err
	}
	if len(text) > maxArchiveText {
		return fmt.Errorf("plugin %q %s: archive: its description of %d bytes: at most %d are read", a.Plugin, a.Version, len(text), maxArchiveText)
	}
	entry := v1.Descriptor{
		MediaType: v1.MediaTypeImageManifest, ArtifactType: ArtifactTypeArchive, Digest: digest.FromBytes(text), Size: int64(len(text)),
		Annotations: map[string]string{v1.AnnotationRefName: a.name()},
	}
	if err := w.claim(a.Location, entry.Digest); err != nil {
		return err
	}
	for _, doc := range []registry.Document{
		{Descriptor: v1.DescriptorEmptyJSON, Text: v1.DescriptorEmptyJSON.Data},
		{Descriptor: entry, Text: text},
	} {
		if err := w.text(ctx, doc); err != nil {
			return err
		}
	}
	w.list(entry)
	return nil
}

// claim gives a location to one archive: readers ask by location alone.
func (w *Writer) claim(location string, manifest digest.Digest) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if was, taken := w.locations[location]; taken && was != manifest {
		return fmt.Errorf("bundle: archive %s: is asked for twice, as different files or plugins", location)
	}
	w.locations[location] = manifest
	return nil
}

// problem says what is wrong with what an archive says of itself; empty: nothing.
func (a Archive) problem() string {
	if err := manifest.CheckName(a.Plugin); err != nil {
		return err.Error()
	}
	switch {
	case a.Location == "":
		return "has no annotation " + AnnotationLocation
	case a.Version == "":
		return "has no annotation " + v1.AnnotationVersion
	case len(a.Targets) == 0:
		return "has no annotation " + AnnotationTargets
	case a.Digest.Validate() != nil || a.Digest.Algorithm() != digest.SHA256:
		return fmt.Sprintf("digest %q: expected sha256:<64 hex digits>", a.Digest)
	case a.Size < 0:
		return fmt.Sprintf("a length of %d bytes", a.Size)
	case !slices.IsSorted(a.Targets) || len(slices.Compact(slices.Clone(a.Targets))) != len(a.Targets):
		return "annotation " + AnnotationTargets + ": expected each once, sorted"
	}
	return ""
}
