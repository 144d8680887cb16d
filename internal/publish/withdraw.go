package publish

import (
	"context"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/registry"
)

// Words for what a version is.
const (
	Active          = "active"
	StatusWithdrawn = "withdrawn"
)

// Withdrawal is what to say about a published version.
type Withdrawal struct {
	Repository registry.Repository
	Which      string // version, or digest of the index
	Reason     string
	Use        string // the version to take instead; empty: none
	Undo       bool   // the version stands again; Reason and Use are empty
}

// Withdrawn is what was said about a version.
type Withdrawn struct {
	Name       string        `json:"name"`
	Version    string        `json:"version"`
	Repository string        `json:"repository"` // registry/namespace/name
	Digest     digest.Digest `json:"digest"`     // of the image index
	Status     string        `json:"status"`     // StatusWithdrawn, or Active after an undo
	Reason     string        `json:"reason,omitempty"`
	Use        string        `json:"use,omitempty"`
	Statement  digest.Digest `json:"statement,omitempty"` // of the statement's manifest
	Already    bool          `json:"already"`             // it was said before; nothing was changed
}

// Withdraw attaches a statement to a version, after which new resolutions skip it, or undoes that. Nothing is deleted.
// A replacement that could not be chosen either is a *ReplacementError.
func Withdraw(ctx context.Context, client *registry.Client, w Withdrawal) (*Withdrawn, error) {
	release, err := client.Release(ctx, w.Repository, w.Which)
	if err != nil {
		return nil, err
	}
	out := &Withdrawn{Name: release.Name, Version: release.Version, Repository: w.Repository.String(), Digest: release.Digest}
	var result registry.StatusResult
	if w.Undo {
		out.Status = Active
		result, err = client.Restore(ctx, w.Repository, release)
	} else {
		out.Status, out.Reason, out.Use = StatusWithdrawn, w.Reason, w.Use
		if err = w.checkReplacement(ctx, client, release); err == nil {
			result, err = client.Withdraw(ctx, w.Repository, release, w.Reason, w.Use)
		}
	}
	out.Statement, out.Already = result.Statement, result.Already
	return out, err
}

// checkReplacement refuses to send users to a version that they can't get.
func (w *Withdrawal) checkReplacement(ctx context.Context, client *registry.Client, release *registry.Release) error {
	if w.Use == "" {
		return nil
	}
	refuse := func(format string, args ...any) error {
		return &ReplacementError{Name: release.Name, Version: w.Use, Problem: fmt.Sprintf(format, args...)}
	}
	if w.Use == release.Version {
		return refuse("it is the version that is withdrawn")
	}
	use, err := client.Release(ctx, w.Repository, w.Use)
	var absent *registry.NotFoundError
	var invalid *registry.InvalidArtifactError
	switch {
	case errors.As(err, &absent):
		return refuse("it is not in %s", w.Repository.Source())
	case errors.As(err, &invalid):
		return refuse("%s", invalid.Problem)
	case err != nil:
		return err
	}
	status, err := client.Status(ctx, w.Repository, use.Digest)
	if err != nil {
		return err
	}
	if reason := status.Withdrawn(); reason != "" {
		return refuse("it was withdrawn: %s", reason)
	}
	return nil
}
