package install

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/loadr-plugins/loadr/registry"
)

// source is where requests go: nowhere when offline.
func (in *Installer) source() registry.Source {
	if in.offline {
		return noSource{}
	}
	return in.Source
}

// noSource stands in for every source of an offline command: no way through this package leads to a request.
type noSource struct{}

func (noSource) Versions(_ context.Context, repo registry.Repository) ([]string, error) {
	return nil, &OfflineError{Object: fmt.Sprintf("plugin %q in %s", repo.Name, repo.Source())}
}

func (noSource) Release(_ context.Context, repo registry.Repository, which string) (*registry.Release, error) {
	return nil, &OfflineError{Object: repo.String() + " " + which}
}

func (noSource) Complete(_ context.Context, repo registry.Repository, r *registry.Release) error {
	return &OfflineError{Object: repo.String() + " " + r.Version}
}

func (noSource) Status(_ context.Context, repo registry.Repository, version digest.Digest) (*registry.Status, error) {
	return nil, &OfflineError{Object: repo.String() + " " + version.String()}
}

func (noSource) Fetch(_ context.Context, repo registry.Repository, desc v1.Descriptor) (io.ReadCloser, error) {
	return nil, &OfflineError{Object: repo.String(), Digest: desc.Digest}
}

// missing says, offline, everything that the cache lacks and not only the first of it.
func (in *Installer) missing(items []*item) error {
	var errs []error
	for _, it := range items {
		if !in.offline || it.unchanged {
			continue
		}
		blobs := it.blobs()
		for _, part := range slices.Sorted(maps.Keys(blobs)) {
			if !in.Cache.Has(blobs[part]) {
				object := fmt.Sprintf("plugin %q %s: %s for %s", it.plugin.Name, it.plugin.Version, part, it.target.Target)
				errs = append(errs, &OfflineError{Object: object, Digest: blobs[part].Digest})
			}
		}
	}
	return errors.Join(errs...)
}
