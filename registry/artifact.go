package registry

import (
	"context"
	"fmt"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/registry/remote"
)

// Origin is where whole artifacts are copied from. Methods are safe for concurrent use; their errors are those of Source.
type Origin interface {
	Source
	// Artifact reads the release that a digest names.
	Artifact(ctx context.Context, repo Repository, index digest.Digest) (*Artifact, error)
	// Attached reads the manifests that refer to subject, those that refer to these, and what they list. What is listed
	// comes before what lists it, and a subject before what refers to it; the order is always the same.
	Attached(ctx context.Context, repo Repository, subject digest.Digest) ([]Document, error)
	// Holds says whether a blob is there, without reading it.
	Holds(ctx context.Context, repo Repository, blob v1.Descriptor) (bool, error)
}

var _ Origin = (*Client)(nil)

// Artifact is one release with the exact text of its manifests: what a copy of it consists of, besides blobs.
type Artifact struct {
	Release   *Release // complete
	Index     Document
	Platforms []Document // in the order of Release.Targets
}

// Artifact implements Origin. Where the index embeds everything it is one request.
func (c *Client) Artifact(ctx context.Context, repo Repository, index digest.Digest) (*Artifact, error) {
	object := fmt.Sprintf("%s %s", repo, index)
	desc, text, err := c.manifest(ctx, repo, index.String())
	if err != nil {
		return nil, err
	}
	if desc.MediaType != v1.MediaTypeImageIndex {
		return nil, &InvalidArtifactError{object, fmt.Sprintf("not a plugin: media type %q, expected %q", desc.MediaType, v1.MediaTypeImageIndex)}
	}
	a := &Artifact{}
	if a.Index, err = parseDocument(object, desc, text); err != nil {
		return nil, err
	}
	if a.Release, err = parseRelease(object, desc, text); err != nil {
		return nil, err
	}
	if err := a.Release.isOf(object, repo, a.Release.Version); err != nil {
		return nil, err
	}
	if err := c.readPlatforms(ctx, repo, a); err != nil {
		return nil, err
	}
	return a, c.Complete(ctx, repo, a.Release)
}

// maxPlatformTexts bounds what the platform manifests of one artifact take in memory together, in bytes. Those of 128
// targets with the largest embedded configs take half of it.
const maxPlatformTexts = 32 << 20

// readPlatforms takes the platform manifests from the index, where they have been verified already, or fetches them.
func (c *Client) readPlatforms(ctx context.Context, repo Repository, a *Artifact) error {
	embedded := map[digest.Digest][]byte{}
	for _, d := range a.Index.Manifests {
		embedded[d.Digest] = d.Data
	}
	p, total := parser{repo.String() + " " + a.Release.Version}, 0
	for i := range a.Release.Targets {
		t := &a.Release.Targets[i]
		text := embedded[t.Manifest.Digest]
		if text == nil {
			var err error
			if _, text, err = c.manifest(ctx, repo, t.Manifest.Digest.String()); err != nil {
				return err
			}
			if err := p.platform(t, text); err != nil {
				return err
			}
		}
		if total += len(text); total > maxPlatformTexts {
			return p.invalid("platform manifests of more than %d bytes together", maxPlatformTexts)
		}
		doc, err := parseDocument(p.object, t.Manifest, text)
		if err != nil {
			return err
		}
		a.Platforms = append(a.Platforms, doc)
	}
	return nil
}

// Holds implements Origin.
func (c *Client) Holds(ctx context.Context, repo Repository, blob v1.Descriptor) (there bool, err error) {
	err = c.ask(ctx, repo, func(ctx context.Context, r *remote.Repository) (err error) {
		there, err = r.Blobs().Exists(ctx, blob)
		return err
	})
	return there, translate(repo, blob.Digest.String(), err)
}
