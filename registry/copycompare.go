package registry

import (
	"context"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/loadr-plugins/loadr/manifest"
)

// compare finds what is not there yet.
func (c *copying) compare(ctx context.Context) (err error) {
	if c.to, err = c.client.open(c.repo); err != nil {
		return err
	}
	if err := c.compareTag(ctx); err != nil {
		return err
	}
	wanted := &blobSet{seen: map[digest.Digest]bool{}}
	for i, t := range c.Artifact.Release.Targets {
		if !slices.Contains(c.Targets, t.Target) {
			continue
		}
		doc := c.Artifact.Platforms[i]
		there, err := c.has(ctx, doc)
		if err != nil {
			return err
		}
		if !there {
			c.platforms = append(c.platforms, doc)
			wanted.add(doc.Blobs, t.Target)
		}
	}
	if err := c.compareAttached(ctx, wanted); err != nil {
		return err
	}
	return c.compareBlobs(ctx, wanted)
}

func (c *copying) compareTag(ctx context.Context) error {
	desc, err := c.to.Resolve(ctx, c.Artifact.Release.Version)
	err = translate(c.repo, c.Artifact.Release.Version, err)
	switch {
	case is[*NotFoundError](err):
		return nil
	case err != nil:
		return err
	case desc.Digest != c.Artifact.Release.Digest:
		return &TagTakenError{c.repo, c.Artifact.Release.Version, desc.Digest, c.Artifact.Release.Digest}
	}
	c.tagged = true
	return nil
}

// has says whether a manifest is there. Then so is everything that it names: registries see to that.
func (c *copying) has(ctx context.Context, doc Document) (bool, error) {
	there, err := c.to.Manifests().Exists(ctx, doc.Descriptor)
	return there, translate(c.repo, doc.Descriptor.Digest.String(), err)
}

// compareAttached looks at what is listed: a manifest that is there and not listed is as good as absent.
func (c *copying) compareAttached(ctx context.Context, wanted *blobSet) error {
	listed := map[digest.Digest][]v1.Descriptor{}
	for _, doc := range c.Attached {
		there, err := false, error(nil)
		if doc.Subject == "" {
			there, err = c.has(ctx, doc)
		} else {
			list, known := listed[doc.Subject]
			if !known {
				list, err = c.client.Referrers(ctx, c.repo, doc.Subject, "")
				listed[doc.Subject] = list
			}
			there = contains(list, doc.Descriptor.Digest)
		}
		if err != nil {
			return err
		}
		if !there {
			c.attached = append(c.attached, doc)
			wanted.add(doc.Blobs, "")
		}
	}
	return nil
}

// blobSet collects blobs, each once, and what they are for.
type blobSet struct {
	seen map[digest.Digest]bool
	list []MissingBlob
	desc []v1.Descriptor
}

func (s *blobSet) add(blobs []v1.Descriptor, target manifest.Target) {
	for _, b := range blobs {
		if !s.seen[b.Digest] {
			s.seen[b.Digest] = true
			s.desc = append(s.desc, b)
			s.list = append(s.list, MissingBlob{Target: target, Digest: b.Digest})
		}
	}
}

func (c *copying) compareBlobs(ctx context.Context, wanted *blobSet) error {
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(copyParallel)
	for i, desc := range wanted.desc {
		group.Go(func() error {
			there, err := c.to.Blobs().Exists(ctx, desc)
			if err != nil || there {
				return translate(c.repo, desc.Digest.String(), err)
			}
			offered, err := c.from.Holds(ctx, c.From, desc)
			mu.Lock()
			defer mu.Unlock()
			if offered {
				c.blobs = append(c.blobs, desc)
			} else {
				m := wanted.list[i]
				m.Repository, m.Version = c.From, c.Artifact.Release.Version
				c.missing = append(c.missing, m)
			}
			return err
		})
	}
	return group.Wait()
}

// sparse is the error that names everything that is nowhere.
func sparse(copies []*copying) error {
	var all []MissingBlob
	for _, c := range copies {
		slices.SortFunc(c.missing, MissingBlob.compare)
		all = append(all, c.missing...)
	}
	if len(all) == 0 {
		return nil
	}
	return &SparseError{Missing: all}
}
