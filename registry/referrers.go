package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/errcode"
)

// Referrers lists the manifests that refer to subject, sorted by digest: all of them, or those of one artifact type. A
// registry that knows of none gives an empty list, whether it has the subject or not; everything that keeps it from
// answering is an error.
//
// What is listed is the registry's word. Referrer reads one and sees that it does refer to the subject.
func (c *Client) Referrers(ctx context.Context, repo Repository, subject digest.Digest, artifactType string) ([]v1.Descriptor, error) {
	found, _, err := c.referrers(ctx, repo, subject, artifactType)
	return found, err
}

// referrers also says whether the list is one that clients keep under a tag, because the registry keeps none.
func (c *Client) referrers(ctx context.Context, repo Repository, subject digest.Digest, artifactType string) (_ []v1.Descriptor, byTag bool, err error) {
	l := referrerList{object: fmt.Sprintf("%s: referrers of %s", repo, subject), artifactType: artifactType}
	if err := checkDigest(subject); err != nil {
		return nil, false, &InvalidArtifactError{l.object, err.Error()}
	}
	err = c.read(ctx, repo, "what refers to "+subject.String(), true, func(ctx context.Context, r *remote.Repository) error {
		l.found = nil
		// oras-go would fall back to the tag too, but takes whatever else the tag's place answers for an empty list.
		_ = r.SetReferrersCapability(true) // fails for a repository that was asked before; this one is new
		err := r.Referrers(ctx, v1.Descriptor{Digest: subject}, artifactType, l.add)
		if byTag = lacksReferrers(err); byTag {
			return nil
		}
		return err
	})
	if err != nil {
		return nil, false, err
	}
	if byTag {
		found, err := c.taggedReferrers(ctx, repo, subject, l)
		return found, true, err
	}
	return l.sorted(), false, nil
}

// lacksReferrers knows the answers of registries that have no referrers API: a 404 with whatever code, or another complaint
// about the request itself. An overloaded or unwilling registry answers otherwise.
func lacksReferrers(err error) bool {
	var response *errcode.ErrorResponse
	return errors.Is(err, errdef.ErrUnsupported) || errors.As(err, &response) && slices.Contains(
		[]int{http.StatusNotFound, http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusNotAcceptable}, response.StatusCode)
}

// taggedReferrers reads the list that clients keep under a tag where the registry keeps none.
func (c *Client) taggedReferrers(ctx context.Context, repo Repository, subject digest.Digest, l referrerList) ([]v1.Descriptor, error) {
	index, err := c.referrersIndex(ctx, repo, subject)
	if err != nil {
		return nil, err
	}
	l.found = nil
	if err := l.add(index.Manifests); err != nil {
		return nil, err
	}
	return l.sorted(), nil
}

// referrersIndex reads the index of the "Referrers Tag Schema" of the distribution specification; an empty one where
// there is none yet, be it in a mirror that may say which versions there are.
func (c *Client) referrersIndex(ctx context.Context, repo Repository, subject digest.Digest) (v1.Index, error) {
	tag := referrersTag(subject)
	empty := v1.Index{MediaType: v1.MediaTypeImageIndex}
	empty.SchemaVersion = 2
	p := parser{repo.String() + " " + tag}
	var desc v1.Descriptor
	var text []byte
	err := c.read(ctx, repo, tag, true, func(ctx context.Context, r *remote.Repository) (err error) {
		desc, text, err = manifestAt(ctx, r, p.object, tag)
		if is[*NotFoundError](translate(repo, tag, err)) {
			text, err = nil, nil
		}
		return err
	})
	if err != nil || text == nil {
		return empty, err
	}
	if desc.MediaType != v1.MediaTypeImageIndex {
		return empty, &UnavailableError{Registry: repo.Registry, Cause: fmt.Errorf("%s: expected a list of referrers, found media type %q", tag, desc.MediaType)}
	}
	if desc.Digest == subject {
		return empty, nil // some registries take the tag for the digest
	}
	var index v1.Index
	return index, p.decode(text, &index)
}

func referrersTag(subject digest.Digest) string {
	return subject.Algorithm().String() + "-" + subject.Encoded()
}

// isReferrersTag knows the tags of such lists, which nobody means as a version.
func isReferrersTag(tag string) bool {
	hex, ok := strings.CutPrefix(tag, "sha256-")
	return ok && checkDigest(digest.Digest("sha256:"+hex)) == nil
}

// referrerList collects and checks what a registry lists, page by page.
type referrerList struct {
	object       string
	artifactType string // empty: all
	found        []v1.Descriptor
}

func (l *referrerList) add(page []v1.Descriptor) error {
	p := parser{l.object}
	for _, d := range page {
		if l.artifactType != "" && d.ArtifactType != l.artifactType {
			continue
		}
		if err := d.Digest.Validate(); err != nil {
			return p.invalid("digest %q: %v", d.Digest, err)
		}
		if d.Size < 0 || d.Size > MaxManifest {
			return p.invalid("%s has %d bytes, at most %d are allowed", d.Digest, d.Size, MaxManifest)
		}
		l.found = append(l.found, d)
	}
	if len(l.found) > maxReferrers {
		return p.invalid("more than %d", maxReferrers)
	}
	return nil
}

func (l *referrerList) sorted() []v1.Descriptor {
	slices.SortFunc(l.found, func(a, b v1.Descriptor) int { return strings.Compare(string(a.Digest), string(b.Digest)) })
	return slices.CompactFunc(l.found, func(a, b v1.Descriptor) bool { return a.Digest == b.Digest })
}

// Referrer reads the manifest of one referrer that Referrers listed, and verifies that it refers to subject and is of the
// type that was listed. One that refers to something else is a *NotReferrerError, and what is no manifest of the listed type
// an *InvalidArtifactError. The layers' descriptors are checked for what Layer needs.
func (c *Client) Referrer(ctx context.Context, repo Repository, subject digest.Digest, listed v1.Descriptor) (*v1.Manifest, error) {
	p := parser{fmt.Sprintf("%s: referrer %s of %s", repo, listed.Digest, subject)}
	if err := p.descriptor(listed, MaxManifest, v1.MediaTypeImageManifest); err != nil {
		return nil, err
	}
	desc, text, err := c.manifest(ctx, repo, listed.Digest.String())
	if err != nil {
		return nil, err
	}
	if desc.Size != listed.Size {
		return nil, &IntegrityError{Object: p.object, Want: fmt.Sprint(listed.Size, " bytes"), Got: fmt.Sprint(desc.Size, " bytes")}
	}
	return p.referrer(text, subject, listed.ArtifactType)
}

func (p parser) referrer(text []byte, subject digest.Digest, artifactType string) (*v1.Manifest, error) {
	var m v1.Manifest
	if err := p.decode(text, &m); err != nil {
		return nil, err
	}
	is := m.ArtifactType
	if is == "" {
		is = m.Config.MediaType // as the image specification says of manifests without the field
	}
	switch {
	case m.SchemaVersion != 2:
		return nil, p.invalid("schema version %d, expected 2", m.SchemaVersion)
	case m.Subject == nil:
		return nil, &NotReferrerError{Object: p.object}
	case m.Subject.Digest != subject:
		return nil, &NotReferrerError{p.object, m.Subject.Digest}
	case artifactType != "" && is != artifactType:
		return nil, p.invalid("artifact type %q, listed as %q", is, artifactType)
	case len(m.Layers) > maxLayers:
		return nil, p.invalid("%d layers, at most %d are allowed", len(m.Layers), maxLayers)
	}
	for _, layer := range m.Layers {
		if err := p.descriptor(layer, MaxAttachment, layer.MediaType); err != nil {
			return nil, err
		}
	}
	return &m, nil
}

// Layer gives the content of a referrer's layer, from the manifest where that embeds it.
func (c *Client) Layer(ctx context.Context, repo Repository, layer v1.Descriptor) ([]byte, error) {
	p := parser{fmt.Sprintf("%s: layer %s", repo, layer.Digest)}
	if err := p.descriptor(layer, MaxAttachment, layer.MediaType); err != nil {
		return nil, err
	}
	if layer.Data != nil {
		return layer.Data, p.embedded(layer)
	}
	return c.blob(ctx, repo, layer)
}

// checkDigest accepts SHA-256 only, as everything that is published has.
func checkDigest(d digest.Digest) error {
	_, err := parseDigest(string(d))
	return err
}
