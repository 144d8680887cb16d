package bundle

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/loadr-plugins/loadr/registry"
)

// Source looks plugins up in a bundle, where they have the names that they have in their registries, and fetches them from
// there. It is safe for concurrent use. Its errors are those of a registry.Source, in the bundle's name; a blob that the
// bundle was made without is a *MissingError.
type Source struct {
	bundle *Bundle
	client *registry.Client
}

var _ registry.Origin = (*Source)(nil)

// Source makes a source of the bundle. It needs no closing but the bundle's.
func (b *Bundle) Source() *Source {
	return &Source{b, registry.New(registry.Options{Transport: transport{b}, Local: transport{b}})}
}

// in gives an error the bundle's name.
func (s *Source) in(err error) error {
	var format *FormatError
	switch {
	case err == nil || errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &format): // names it already
		return format
	}
	return fmt.Errorf("bundle %s: %w", s.bundle.path, err)
}

// Versions implements registry.Source.
func (s *Source) Versions(ctx context.Context, repo registry.Repository) ([]string, error) {
	versions, err := s.client.Versions(ctx, repo)
	return versions, s.in(err)
}

// Release implements registry.Source.
func (s *Source) Release(ctx context.Context, repo registry.Repository, tagOrDigest string) (*registry.Release, error) {
	r, err := s.client.Release(ctx, repo, tagOrDigest)
	return r, s.in(err)
}

// Complete implements registry.Source.
func (s *Source) Complete(ctx context.Context, repo registry.Repository, r *registry.Release) error {
	return s.in(s.client.Complete(ctx, repo, r))
}

// Fetch implements registry.Source.
func (s *Source) Fetch(ctx context.Context, repo registry.Repository, desc v1.Descriptor) (io.ReadCloser, error) {
	body, err := s.client.Fetch(ctx, repo, desc)
	var absent *registry.NotFoundError
	if errors.As(err, &absent) {
		return nil, &MissingError{s.bundle.path, repo.Name, desc.Digest, err}
	}
	if err != nil {
		return nil, s.in(err)
	}
	return &stream{body, s}, nil
}

// stream gives the errors of reading the bundle's name.
type stream struct {
	io.ReadCloser
	source *Source
}

func (r *stream) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		err = r.source.in(err)
	}
	return n, err
}

// Referrers lists what refers to subject, as registry.Client's does.
func (s *Source) Referrers(ctx context.Context, repo registry.Repository, subject digest.Digest, artifactType string) ([]v1.Descriptor, error) {
	list, err := s.client.Referrers(ctx, repo, subject, artifactType)
	return list, s.in(err)
}

// Status implements registry.Source: what those who made the bundle knew.
func (s *Source) Status(ctx context.Context, repo registry.Repository, version digest.Digest) (*registry.Status, error) {
	status, err := s.client.Status(ctx, repo, version)
	return status, s.in(err)
}

// Artifact implements registry.Origin.
func (s *Source) Artifact(ctx context.Context, repo registry.Repository, index digest.Digest) (*registry.Artifact, error) {
	a, err := s.client.Artifact(ctx, repo, index)
	return a, s.in(err)
}

// Attached implements registry.Origin.
func (s *Source) Attached(ctx context.Context, repo registry.Repository, subject digest.Digest) ([]registry.Document, error) {
	docs, err := s.client.Attached(ctx, repo, subject)
	return docs, s.in(err)
}

// Holds implements registry.Origin.
func (s *Source) Holds(ctx context.Context, repo registry.Repository, blob v1.Descriptor) (bool, error) {
	there, err := s.client.Holds(ctx, repo, blob)
	return there, s.in(err)
}
