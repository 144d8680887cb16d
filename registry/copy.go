package registry

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/loadr-plugins/loadr/manifest"
)

// copyParallel bounds the releases that are copied at once, and for each of them the requests in flight.
const copyParallel = 4

// Copy is one release to copy.
type Copy struct {
	From     Repository
	Artifact *Artifact
	Attached []Document // as Origin.Attached gives them
	// Targets are the platforms to copy. With fewer than all, the copy's index names platforms that are missing, which
	// some registries accept and most refuse.
	Targets []manifest.Target
}

// CopyResult says what copying one release came to. All zero: everything was there.
type CopyResult struct {
	Tagged    bool  // the version was not there before
	Blobs     int   // uploaded
	Bytes     int64 // of these
	Manifests int   // uploaded, the index among them
	Referrers int   // of these, those that refer to the release or to another referrer
	// Unlisted is why the release, which is there, could not be written into the catalogue of the namespace; nil if it was.
	Unlisted error
}

// CopyAll copies releases into one namespace, where they keep their names and digests: blobs, platform manifests, the index with
// its tag, and then what refers to it. What is there is not sent again. Before anything is sent, everything is checked: a
// version that is there with another index is a *TagTakenError, blobs that neither side has are a *SparseError. A
// registry that refuses the index of a copy without all platforms is a *SparseRefusedError. Results are in the order of list.
//
// A copy that was interrupted has no tag, or everything that the tag needs; copying again completes it.
func (c *Client) CopyAll(ctx context.Context, from Origin, registry, namespace string, list []Copy) (results []CopyResult, err error) {
	err = c.writing(ctx, registry, func(w *Client) error {
		results, err = w.copyAll(ctx, from, registry, namespace, list)
		return err
	})
	return results, err
}

func (c *Client) copyAll(ctx context.Context, from Origin, registry, namespace string, list []Copy) ([]CopyResult, error) {
	// A token for all repositories of a host, as reading asks for, may be refused: here each has its own.
	ctx = auth.WithScopesForHost(ctx, Repository{Registry: registry}.Host())
	copies := make([]*copying, len(list))
	for i, item := range list {
		repo := Repository{registry, namespace, item.From.Name}
		if err := repo.check(); err != nil {
			return nil, err
		}
		copies[i] = &copying{Copy: item, from: from, client: c, repo: repo}
	}
	if err := eachCopy(ctx, copies, (*copying).compare); err != nil {
		return nil, err
	}
	if err := sparse(copies); err != nil {
		return nil, err
	}
	if err := eachCopy(ctx, copies, (*copying).send); err != nil {
		return nil, err
	}
	results := make([]CopyResult, len(copies))
	for i, c := range copies {
		results[i] = c.result
	}
	return results, nil
}

func eachCopy(ctx context.Context, copies []*copying, do func(*copying, context.Context) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(copyParallel)
	for _, c := range copies {
		group.Go(func() error { return do(c, ctx) })
	}
	return group.Wait()
}

// copying is one release on its way.
type copying struct {
	Copy
	from   Origin
	client *Client    // of the place that it goes to
	repo   Repository // that it goes to

	to        *remote.Repository
	tagged    bool            // the index is there, under its tag
	platforms []Document      // that are not there
	attached  []Document      // that are not there, or not listed
	blobs     []v1.Descriptor // that are not there
	missing   []MissingBlob   // that are nowhere
	result    CopyResult
}

// send uploads what compare has found to be missing.
func (c *copying) send(ctx context.Context) error {
	if err := c.content(ctx); err != nil {
		return err
	}
	if !c.tagged {
		if err := c.tag(ctx); err != nil {
			return err
		}
	}
	for _, doc := range c.attached { // one after another: a subject before what refers to it
		if err := c.attach(ctx, doc); err != nil {
			return err
		}
	}
	if c.result.Tagged || c.result.Manifests > 0 {
		c.result.Unlisted = c.client.catalogueOf(c.repo).announce(originOnly(ctx), c.Artifact.Release)
	}
	return nil
}

// content uploads everything below the index, and once more where a registry lost a blob that several clients uploaded
// at once.
func (c *copying) content(ctx context.Context) error {
	for attempt := 0; ; attempt++ {
		err := c.inParallel(ctx, len(c.blobs), func(ctx context.Context, i int) error { return c.blob(ctx, c.blobs[i]) })
		if err != nil {
			return err
		}
		err = c.inParallel(ctx, len(c.platforms), func(ctx context.Context, i int) error { return c.document(ctx, c.platforms[i]) })
		if !saysBlobUnknown(err) || attempt > 0 {
			if err == nil {
				c.count()
			}
			return err
		}
	}
}

func (c *copying) count() {
	c.result.Blobs, c.result.Manifests = len(c.blobs), len(c.platforms)
	for _, b := range c.blobs {
		c.result.Bytes += b.Size
	}
}

func (c *copying) inParallel(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(copyParallel)
	for i := range n {
		group.Go(func() error { return do(ctx, i) })
	}
	return group.Wait()
}

func (c *copying) blob(ctx context.Context, desc v1.Descriptor) error {
	return c.client.pushBlob(ctx, c.repo, c.to, desc, func() (io.ReadCloser, error) { return c.from.Fetch(ctx, c.From, desc) })
}

func (c *copying) document(ctx context.Context, doc Document) error {
	err := c.to.Manifests().Push(ctx, doc.Descriptor, bytes.NewReader(doc.Text))
	return translate(c.repo, doc.Descriptor.Digest.String(), err)
}

func (c *copying) tag(ctx context.Context) error {
	index, version := c.Artifact.Index, c.Artifact.Release.Version
	err := c.to.PushReference(ctx, index.Descriptor, bytes.NewReader(index.Text), version)
	switch {
	case isConflict(err): // somebody was faster
		return c.compareTag(ctx)
	case refusesContent(err) && len(c.Targets) < len(c.Artifact.Release.Targets):
		return &SparseRefusedError{c.repo, version, c.Targets, err}
	case err != nil:
		return translate(c.repo, version, err)
	}
	c.result.Tagged = true
	c.result.Manifests++
	return nil
}

// refusesContent says whether a registry found fault with what it got, whatever words it has for that.
func refusesContent(err error) bool {
	var response *errcode.ErrorResponse
	return errors.As(err, &response) && (response.StatusCode == http.StatusBadRequest || response.StatusCode == http.StatusNotFound)
}

// attach uploads a manifest whose blobs are there, and sees to it that the registry lists it.
func (c *copying) attach(ctx context.Context, doc Document) error {
	c.result.Manifests++
	if doc.Subject == "" {
		return c.document(ctx, doc)
	}
	c.result.Referrers++
	listed := doc.Descriptor
	listed.ArtifactType, listed.Annotations = doc.Type, doc.Annotations
	to, err := c.client.open(c.repo)
	if err != nil {
		return err
	}
	return (&attacher{client: c.client, repo: c.repo, to: to, subject: doc.Subject, attachment: &attachment{listed: listed, text: doc.Text}}).attach(ctx)
}
