package registry

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"
)

// Status is what its publisher says about a version after it was published.
type Status struct {
	// Withdrawals are those in force, sorted by statement; none while the version stands. There are several only where
	// people withdrew it at the same time.
	Withdrawals []Withdrawal

	last []digest.Digest // the statements that no other one supersedes
}

// Withdrawal is a statement that a version should no longer be chosen.
type Withdrawal struct {
	Statement digest.Digest `json:"statement"` // of its manifest
	Reason    string        `json:"reason,omitempty"`
	Use       string        `json:"use,omitempty"` // the version to take instead; empty: none was named
	// Problem says why the statement can't be read. It may be one that a newer program wrote, so it counts.
	Problem string `json:"problem,omitempty"`
}

// String gives the reason on one line, and the version to use.
func (w Withdrawal) String() string {
	switch {
	case w.Problem != "":
		return "a statement about it can't be read: " + w.Problem
	case w.Use != "":
		return w.Reason + "; use " + w.Use
	}
	return w.Reason
}

// Withdrawn gives the reasons on one line; empty while the version stands.
func (s *Status) Withdrawn() string {
	words := make([]string, len(s.Withdrawals))
	for i, w := range s.Withdrawals {
		words[i] = w.String()
	}
	return strings.Join(words, "; ")
}

// Status implements Source. It takes one request where nothing is said, or two where the registry has no referrers API,
// and one more for each statement, in parallel.
//
// A policy on who may withdraw would choose among the statements before statusOf is asked: each is a manifest of its own,
// which can be signed like an index.
func (c *Client) Status(ctx context.Context, repo Repository, version digest.Digest) (*Status, error) {
	listed, err := c.Referrers(ctx, repo, version, ArtifactTypeStatus)
	if err != nil {
		return nil, err
	}
	if len(listed) > maxStatements {
		return nil, &InvalidArtifactError{fmt.Sprintf("%s: %s", repo, version), fmt.Sprintf("%d statements about it, at most %d are read", len(listed), maxStatements)}
	}
	found := make([]*said, len(listed))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(completeParallel)
	for i, d := range listed {
		group.Go(func() (err error) {
			found[i], err = c.statement(ctx, repo, version, d)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var all []said
	for _, s := range found {
		if s != nil {
			all = append(all, *s)
		}
	}
	return statusOf(all), nil
}

// statement reads one. What is listed and refers to another version is nil: nothing is said about this one.
func (c *Client) statement(ctx context.Context, repo Repository, version digest.Digest, listed v1.Descriptor) (*said, error) {
	about, err := c.readStatement(ctx, repo, version, listed)
	var invalid *InvalidArtifactError
	switch {
	case is[*NotReferrerError](err):
		return nil, nil
	case errors.As(err, &invalid):
		return &said{digest: listed.Digest, problem: invalid.Problem}, nil
	case is[*NotFoundError](err):
		return &said{digest: listed.Digest, problem: "it is listed, but not there"}, nil
	}
	return &said{digest: listed.Digest, about: about}, err
}

func (c *Client) readStatement(ctx context.Context, repo Repository, version digest.Digest, listed v1.Descriptor) (*statement, error) {
	m, err := c.Referrer(ctx, repo, version, listed)
	if err != nil {
		return nil, err
	}
	p := parser{fmt.Sprintf("%s: statement %s", repo, listed.Digest)}
	if len(m.Layers) != 1 {
		return nil, p.invalid("%d layers, expected one", len(m.Layers))
	}
	layer := m.Layers[0]
	if err := p.descriptor(layer, MaxStatement, MediaTypeStatus); err != nil {
		return nil, err
	}
	if layer.Data != nil && p.embedded(layer) != nil { // whoever made it is to blame, not the way here
		return nil, p.invalid("its embedded text is not what its digest says")
	}
	text, err := c.Layer(ctx, repo, layer)
	if err != nil {
		return nil, err
	}
	s, err := parseStatement(text)
	if err != nil {
		return nil, p.invalid("%v", err)
	}
	return s, nil
}

// StatusResult says what a statement came to.
type StatusResult struct {
	Statement digest.Digest // of the statement's manifest; empty where none was needed
	Already   bool          // this was said before; nothing was changed
}

// Withdraw states that new resolutions should not choose a release, for a reason that CheckReason accepts; use names the
// version to take instead and may be empty. It supersedes what was said before, so that a withdrawn version gets a new
// reason. Nothing is deleted. The errors are those of Status and Attach.
func (c *Client) Withdraw(ctx context.Context, repo Repository, r *Release, reason, use string) (StatusResult, error) {
	if err := checkWithdrawal(reason, use); err != nil {
		return StatusResult{}, err
	}
	ctx = originOnly(ctx) // what a statement supersedes is not for a mirror to say
	status, err := c.Status(ctx, repo, r.Digest)
	if err != nil {
		return StatusResult{}, err
	}
	if w := status.Withdrawals; len(w) == 1 && w[0].Problem == "" && w[0].Reason == reason && w[0].Use == use {
		return StatusResult{Statement: w[0].Statement, Already: true}, nil
	}
	return c.state(ctx, repo, r, statement{Status: statusWithdrawn, Reason: reason, Use: use, Supersedes: status.last})
}

// Restore undoes every withdrawal of a release, also one that can't be read.
func (c *Client) Restore(ctx context.Context, repo Repository, r *Release) (StatusResult, error) {
	ctx = originOnly(ctx)
	status, err := c.Status(ctx, repo, r.Digest)
	if err != nil {
		return StatusResult{}, err
	}
	if len(status.Withdrawals) == 0 {
		return StatusResult{Already: true}, nil
	}
	return c.state(ctx, repo, r, statement{Status: statusActive, Supersedes: status.last})
}

func (c *Client) state(ctx context.Context, repo Repository, r *Release, s statement) (StatusResult, error) {
	s.Schema = statementSchema
	text, err := s.encode()
	if err != nil {
		return StatusResult{}, err
	}
	subject := v1.Descriptor{MediaType: v1.MediaTypeImageIndex, Digest: r.Digest, Size: r.Size}
	d, err := c.Attach(ctx, repo, subject, Attachment{
		ArtifactType: ArtifactTypeStatus, Layers: []AttachedLayer{{MediaType: MediaTypeStatus, Content: text}},
	})
	return StatusResult{Statement: d.Digest}, err
}
