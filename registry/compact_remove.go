package registry

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync/atomic"

	"oras.land/oras-go/v2/registry/remote"

	"github.com/loadr-plugins/loadr/registry/catalogue"
)

// remove removes entries, where the registry allows that, and the manifest of the state that is no longer current.
func (j *compaction) remove(ctx context.Context, tags []catalogue.Tag) error {
	if j.done.Changed && j.start != nil {
		if err := j.removeManifest(ctx, j.start.Digest.String()); err != nil && !errors.Is(err, errRefused) {
			return err
		}
	}
	var removed, kept atomic.Int64
	err := inParallel(ctx, tags, func(ctx context.Context, t catalogue.Tag) error {
		err := errRefused
		if kept.Load() == 0 {
			err = j.removeManifest(ctx, t.String())
		}
		switch {
		case err == nil:
			removed.Add(1)
		case errors.Is(err, errRefused):
			kept.Add(1)
		default:
			return err
		}
		return nil
	})
	j.done.Removed, j.done.Kept = int(removed.Load()), int(kept.Load())
	return err
}

// errRefused says that the registry does not let us remove anything.
var errRefused = errors.New("the registry refuses to remove")

// removeManifest removes what a tag or digest names, by its digest: some registries know no removal by tag. What is gone
// already is removed.
func (j *compaction) removeManifest(ctx context.Context, tagOrDigest string) error {
	err := translate(j.repo, tagOrDigest, j.client.ask(ctx, j.repo, func(ctx context.Context, r *remote.Repository) error {
		// Nothing here has a subject, so oras-go need not look after lists of referrers.
		if err := r.SetReferrersCapability(true); err != nil {
			return err
		}
		desc, err := r.Manifests().Resolve(ctx, tagOrDigest)
		if err != nil {
			return err
		}
		return r.Manifests().Delete(ctx, desc)
	}))
	var unavailable *UnavailableError
	switch {
	case is[*NotFoundError](err):
		return nil
	case is[*AuthError](err), errors.As(err, &unavailable) && slices.Contains(refusals, unavailable.Status):
		return errRefused
	}
	return err
}

// refusals are the answers of registries that remove nothing, besides those that ask for other credentials.
var refusals = []int{http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusNotImplemented}
