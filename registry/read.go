package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"
	"oras.land/oras-go/v2/registry/remote"
)

// completeParallel bounds the requests that Complete has in flight.
const completeParallel = 16

// Versions implements Source. A repository without any tag counts as absent: some registries answer so for names that
// they have never seen.
func (c *Client) Versions(ctx context.Context, repo Repository) ([]string, error) {
	var tags []string
	err := c.read(ctx, repo, "", true, func(ctx context.Context, r *remote.Repository) error {
		tags = nil
		err := r.Tags(ctx, "", func(page []string) error {
			tags = append(tags, page...)
			return nil
		})
		if err == nil && len(tags) == 0 {
			err = &NotFoundError{Repository: repo}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(tags, isReferrersTag), nil
}

// Release implements Source.
func (c *Client) Release(ctx context.Context, repo Repository, tagOrDigest string) (*Release, error) {
	desc, text, err := c.manifest(ctx, repo, tagOrDigest)
	if err != nil {
		return nil, err
	}
	object := repo.String() + " " + tagOrDigest
	if desc.MediaType != v1.MediaTypeImageIndex {
		return nil, &InvalidArtifactError{object, fmt.Sprintf("not a plugin: media type %q, expected %q", desc.MediaType, v1.MediaTypeImageIndex)}
	}
	r, err := parseRelease(object, desc, text)
	if err != nil {
		return nil, err
	}
	return r, r.isOf(object, repo, tagOrDigest)
}

// isOf compares what the artifact says it is with what was asked for. A sound artifact of another plugin or version,
// signature and all, can be put under any name.
func (r *Release) isOf(object string, repo Repository, tag string) error {
	if r.Name != repo.Name {
		return &InvalidArtifactError{object, fmt.Sprintf("holds plugin %q, expected %q", r.Name, repo.Name)}
	}
	if isVersion(tag) && r.Version != tag {
		return &InvalidArtifactError{object, fmt.Sprintf("holds version %s, expected %s", r.Version, tag)}
	}
	return nil
}

// manifest reads what a tag or digest names, at most MaxManifest bytes, and verifies the digest.
func (c *Client) manifest(ctx context.Context, repo Repository, tagOrDigest string) (desc v1.Descriptor, text []byte, err error) {
	err = c.read(ctx, repo, tagOrDigest, !isDigest(tagOrDigest), func(ctx context.Context, r *remote.Repository) error {
		desc, text, err = manifestAt(ctx, r, repo.String()+" "+tagOrDigest, tagOrDigest)
		return err
	})
	if err != nil {
		return desc, nil, err
	}
	return desc, text, nil
}

func isDigest(tagOrDigest string) bool { return strings.Contains(tagOrDigest, ":") }

// manifestAt is manifest in one place.
func manifestAt(ctx context.Context, r *remote.Repository, object, tagOrDigest string) (v1.Descriptor, []byte, error) {
	desc, body, err := r.Manifests().FetchReference(ctx, tagOrDigest)
	if err != nil {
		return desc, nil, err
	}
	defer body.Close()
	if desc.Size > MaxManifest {
		return desc, nil, &InvalidArtifactError{object, fmt.Sprintf("manifest of %d bytes, at most %d are allowed", desc.Size, MaxManifest)}
	}
	text, err := io.ReadAll(verifying(body, desc, object))
	// oras-go compares the digest asked for with a header only; the content has been compared with that header here.
	if err == nil && isDigest(tagOrDigest) && desc.Digest.String() != tagOrDigest {
		err = &IntegrityError{Object: object, Want: tagOrDigest, Got: desc.Digest.String()}
	}
	return desc, text, err
}

// Complete implements Source.
func (c *Client) Complete(ctx context.Context, repo Repository, r *Release) error {
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(completeParallel)
	for i := range r.Targets {
		if t := &r.Targets[i]; !t.complete() {
			group.Go(func() error { return c.completeTarget(groupCtx, repo, t) })
		}
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return r.checkConfigs(repo.String() + " " + r.Version)
}

func (c *Client) completeTarget(ctx context.Context, repo Repository, t *ReleaseTarget) error {
	p := parser{fmt.Sprintf("%s %s", repo, t.Target)}
	if t.ConfigDescriptor.Digest == "" {
		desc, text, err := c.manifest(ctx, repo, t.Manifest.Digest.String())
		if err != nil {
			return err
		}
		if desc.Size != t.Manifest.Size {
			return &IntegrityError{Object: p.object, Want: fmt.Sprint(t.Manifest.Size, " bytes"), Got: fmt.Sprint(desc.Size, " bytes")}
		}
		if err := p.platform(t, text); err != nil || t.Config != nil {
			return err
		}
	}
	text, err := c.blob(ctx, repo, t.ConfigDescriptor)
	if err != nil {
		return err
	}
	return p.config(t, text)
}

// blob reads a small blob whole; its descriptor has been checked against a limit.
func (c *Client) blob(ctx context.Context, repo Repository, desc v1.Descriptor) ([]byte, error) {
	for {
		text, err := c.blobOnce(ctx, repo, desc)
		if wrong := (*IntegrityError)(nil); errors.As(err, &wrong) && wrong.Mirror != "" {
			continue // each time there is one mirror less
		}
		return text, err
	}
}

func (c *Client) blobOnce(ctx context.Context, repo Repository, desc v1.Descriptor) ([]byte, error) {
	stream, err := c.Fetch(ctx, repo, desc)
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	return io.ReadAll(stream)
}

// Fetch implements Source.
func (c *Client) Fetch(ctx context.Context, repo Repository, desc v1.Descriptor) (io.ReadCloser, error) {
	object := repo.String()
	if desc.Digest.Validate() != nil || desc.Digest.Algorithm() != digest.SHA256 || desc.Size < 0 || desc.Size > MaxLibrary {
		return nil, &InvalidArtifactError{object, fmt.Sprintf("blob %q of %d bytes: expected sha256:<64 hex digits> and at most %d bytes", desc.Digest, desc.Size, int64(MaxLibrary))}
	}
	places, err := c.places(ctx, repo)
	if err != nil {
		return nil, err
	}
	d := &download{ctx: ctx, client: c, repo: repo, desc: desc, places: places}
	if err := d.open(); err != nil {
		return nil, err
	}
	return &blobReader{verifyingReader: verifying(d, desc, object), download: d}, nil
}
