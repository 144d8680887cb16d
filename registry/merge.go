package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/loadr-plugins/loadr/manifest"
)

// MergeError says that two packs cannot become one release.
type MergeError struct {
	A       string `json:"a"`
	B       string `json:"b"` // folders of the packs
	Problem string `json:"problem"`
}

func (e *MergeError) Error() string { return fmt.Sprintf("packs %s and %s: %s", e.A, e.B, e.Problem) }

// Hint says how to get packs that fit.
func (e *MergeError) Hint() string {
	return "packs of one release come from the same plugin.toml, each with other targets: pack again from one state of the sources"
}

// MergePacks makes one artifact of packs of the same version for different targets, as if all libraries had been packed
// at once: the digest does not depend on how the targets were spread over the packs. The error for packs that do not
// belong together is a *MergeError.
func MergePacks(ctx context.Context, dir string, packs []*Pack) (*Pack, error) {
	if len(packs) == 0 {
		return nil, fmt.Errorf("no packs to merge")
	}
	annotations, err := mergedAnnotations(packs)
	if err != nil {
		return nil, err
	}
	platforms, err := mergedPlatforms(packs)
	if err != nil {
		return nil, err
	}
	return writeLayout(dir, func(w *layoutWriter) (v1.Descriptor, error) {
		for _, p := range packs {
			if err := w.copyFrom(ctx, p); err != nil {
				return v1.Descriptor{}, err
			}
		}
		return w.addIndex(annotations, platforms)
	})
}

// mergedAnnotations must be the same in all packs, but for the time, of which the latest is taken.
func mergedAnnotations(packs []*Pack) (map[string]string, error) {
	merged, created := map[string]string(nil), ""
	for _, p := range packs {
		var index v1.Index
		if err := json.Unmarshal(p.indexText, &index); err != nil {
			return nil, err
		}
		created = max(created, index.Annotations[v1.AnnotationCreated]) // UTC, RFC 3339: text sorts like time
		delete(index.Annotations, v1.AnnotationCreated)
		if merged != nil && !maps.Equal(merged, index.Annotations) {
			return nil, &MergeError{packs[0].dir, p.dir, difference(merged, index.Annotations)}
		}
		merged = index.Annotations
	}
	merged[v1.AnnotationCreated] = created
	return without("", merged), nil
}

// difference names the first annotation, by name, that two packs do not share.
func difference(a, b map[string]string) string {
	keys := slices.Concat(slices.Collect(maps.Keys(a)), slices.Collect(maps.Keys(b)))
	slices.Sort(keys)
	for _, k := range keys {
		if a[k] != b[k] {
			return fmt.Sprintf("%s differs: %q and %q", k[strings.LastIndex(k, ".")+1:], a[k], b[k])
		}
	}
	return "they differ"
}

func mergedPlatforms(packs []*Pack) ([]platformEntry, error) {
	from := map[manifest.Target]*Pack{}
	var out []platformEntry
	for _, p := range packs {
		if err := sameSource(packs[0], p); err != nil {
			return nil, err
		}
		for _, t := range p.release.Targets {
			if other := from[t.Target]; other != nil && other.release.Target(t.Target).Manifest.Digest == t.Manifest.Digest {
				continue
			} else if other != nil {
				return nil, &MergeError{other.dir, p.dir, fmt.Sprintf("both have %s, with different content", t.Target)}
			}
			from[t.Target] = p
			out = append(out, platformEntry{t.Target, t.ABI, t.Libc, plain(t.Manifest), p.manifests[t.Manifest.Digest]})
		}
	}
	slices.SortFunc(out, func(a, b platformEntry) int { return strings.Compare(string(a.target), string(b.target)) })
	return out, nil
}

// sameSource compares the plugin.toml texts but for the entry, which differs between targets, and the files beside the
// library.
func sameSource(a, b *Pack) error {
	aText, aFiles, err := a.source()
	if err != nil {
		return err
	}
	bText, bFiles, err := b.source()
	if err != nil {
		return err
	}
	if aText != bText {
		return &MergeError{a.dir, b.dir, "they come from different texts of plugin.toml"}
	}
	if aFiles != bFiles {
		return &MergeError{a.dir, b.dir, "the files beside the library differ"}
	}
	return nil
}

func (p *Pack) source() (text, files string, err error) {
	first := p.release.Targets[0]
	m, err := manifest.ParseShipped("plugin.toml", []byte(first.Config.PluginTOML))
	if err != nil {
		return "", "", &InvalidArtifactError{p.dir, err.Error()}
	}
	shipped, err := m.Shipped("entry")
	if err != nil {
		return "", "", &InvalidArtifactError{p.dir, err.Error()}
	}
	for _, f := range first.Files {
		files += f.Annotations[v1.AnnotationTitle] + " " + f.Digest.String() + "\n"
	}
	return string(shipped), files, nil
}

func plain(d v1.Descriptor) v1.Descriptor {
	return v1.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}
}

// copyFrom copies a pack's platform manifests and all that they refer to, verifying them again.
func (w *layoutWriter) copyFrom(ctx context.Context, p *Pack) error {
	digests := slices.Collect(maps.Keys(p.manifests))
	for _, d := range p.blobs() {
		digests = append(digests, d.Digest)
	}
	for _, d := range digests {
		if err := w.copyBlob(ctx, p, d); err != nil {
			return err
		}
	}
	return nil
}

func (w *layoutWriter) copyBlob(ctx context.Context, p *Pack, d digest.Digest) error {
	in, err := p.OpenBlob(d)
	if err != nil {
		return err
	}
	defer in.Close()
	_, err = w.add(func(out io.Writer) error {
		_, err := io.Copy(out, contextReader{ctx, in})
		return err
	})
	return err
}
