package registry

import (
	"context"
	"fmt"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// What refers to one release, directly or not.
const (
	maxAttached      = 1000     // manifests
	maxAttachedTexts = 16 << 20 // bytes of all of them together
)

// Attached implements Origin.
func (c *Client) Attached(ctx context.Context, repo Repository, subject digest.Digest) ([]Document, error) {
	w := &attachedWalk{client: c, repo: repo, seen: map[digest.Digest]bool{subject: true}}
	err := w.referrers(ctx, subject)
	return w.found, err
}

// attachedWalk follows referrers away from a subject.
type attachedWalk struct {
	client *Client
	repo   Repository
	seen   map[digest.Digest]bool
	found  []Document
	bytes  int // of their texts
}

func (w *attachedWalk) referrers(ctx context.Context, subject digest.Digest) error {
	list, err := w.client.Referrers(ctx, w.repo, subject, "")
	if err != nil {
		return err
	}
	for _, d := range list {
		if err := w.read(ctx, d, subject); err != nil {
			return err
		}
	}
	return nil
}

// read takes up one manifest: what it lists, itself, and, where it was found as a referrer of a subject, what refers to it.
func (w *attachedWalk) read(ctx context.Context, listed v1.Descriptor, subject digest.Digest) error {
	if w.seen[listed.Digest] {
		return nil
	}
	w.seen[listed.Digest] = true
	p := parser{fmt.Sprintf("%s: %s", w.repo, listed.Digest)}
	desc, text, err := w.client.manifest(ctx, w.repo, listed.Digest.String())
	if err != nil {
		return err
	}
	if w.bytes += len(text); len(w.seen) > maxAttached || w.bytes > maxAttachedTexts {
		return p.invalid("what refers to the release is more than %d manifests or %d bytes", maxAttached, maxAttachedTexts)
	}
	doc, err := parseDocument(p.object, desc, text)
	if err != nil {
		return err
	}
	if subject != "" && doc.Subject != subject {
		return p.invalid("is listed as a referrer of %s, but refers to %q", subject, doc.Subject)
	}
	for _, child := range doc.Manifests {
		if err := w.read(ctx, child, ""); err != nil {
			return err
		}
	}
	w.found = append(w.found, doc)
	if subject == "" {
		return nil
	}
	return w.referrers(ctx, listed.Digest)
}
