package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/loadr-plugins/loadr/manifest"
)

const (
	pushParallel = 8 // uploads in flight
	blobAttempts = 3
)

// PushResult says what a push came to.
type PushResult struct {
	Digest  digest.Digest // of the published image index
	Already bool          // the same content was there before; nothing was changed
	// Unlisted is why the release, which is published, could not be written into the catalogue of its namespace; nil if
	// it is there. Pushing the same pack again tries that again.
	Unlisted error
}

// Push publishes a pack under its version. When the version is taken by the same plugin.toml texts and libraries that
// is success; by anything else it is a *VersionExistsError. The index is uploaded last: until then nothing is published.
// After that, also when it was there before, the catalogue of the namespace is told.
//
// In the directory registry and the embedded server a version is never overwritten, whatever happens at the same
// time. Other registries have no such operation: there the tag is checked, pushed, and read again.
func (c *Client) Push(ctx context.Context, repo Repository, p *Pack) (PushResult, error) {
	object := repo.String() + " " + p.release.Version
	if err := p.release.isOf(object, repo, p.release.Version); err != nil {
		return PushResult{}, err
	}
	if err := repo.check(); err != nil {
		return PushResult{}, err
	}
	ctx = originOnly(ctx)
	var result PushResult
	err := c.writing(ctx, repo.Registry, func(w *Client) error {
		to, err := w.open(repo)
		if err != nil {
			return err
		}
		result, err = (&pusher{client: w, repo: repo, pack: p, to: to}).publish(ctx)
		if err == nil {
			result.Unlisted = w.catalogueOf(repo).announce(ctx, p.release)
		}
		return err
	})
	return result, err
}

// writing calls do with a client that may write a registry: the directory registry under its lock, or through the server that
// holds it. What do reads with that client, it reads from who writes.
func (c *Client) writing(ctx context.Context, registry string, do func(*Client) error) (err error) {
	if registry != Local {
		return do(c)
	}
	connection, err := c.openWriter(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, connection.close()) }()
	local := &Client{options: c.options, retries: c.retries, reader: connection.inProcess}
	local.localOnce.Do(func() {})
	return do(local)
}

// pusher is one push.
type pusher struct {
	client *Client
	repo   Repository
	pack   *Pack
	to     *remote.Repository
}

// publish pushes, and reads again where the registry does not keep versions itself.
func (p *pusher) publish(ctx context.Context) (PushResult, error) {
	result, err := p.push(ctx)
	if err != nil || result.Already || p.repo.Registry == Local {
		return result, err
	}
	return result, p.readAgain(ctx)
}

func (p *pusher) push(ctx context.Context) (PushResult, error) {
	result, err := p.existing(ctx)
	if err == nil || !is[*NotFoundError](err) {
		return result, err
	}
	if err := p.content(ctx); err != nil {
		return PushResult{}, err
	}
	return p.tag(ctx)
}

// tag gives the version its content. Where the answer leaves open whether it did, it looks before it tries again: another
// publisher may have been at work meanwhile.
func (p *pusher) tag(ctx context.Context) (PushResult, error) {
	for attempt := 0; ; attempt++ {
		err := p.to.PushReference(ctx, p.pack.index, bytes.NewReader(p.pack.indexText), p.pack.release.Version)
		switch {
		case err == nil:
			return PushResult{Digest: p.pack.index.Digest}, nil
		case isConflict(err):
			// Somebody was faster. With the same content, perhaps.
			return p.existing(ctx)
		}
		err = translate(p.repo, p.pack.release.Version, err)
		if !leavesOpen(err) || attempt+1 == blobAttempts {
			return PushResult{}, err
		}
		if err := p.client.retries.wait(ctx, backoff(attempt, nil)); err != nil {
			return PushResult{}, err
		}
		there, err := p.existing(ctx)
		if err == nil {
			return PushResult{Digest: there.Digest}, nil
		}
		if !is[*NotFoundError](err) {
			return PushResult{}, err
		}
	}
}

// leavesOpen says whether a registry may or may not have done what it was asked for.
func leavesOpen(err error) bool {
	var unavailable *UnavailableError
	return errors.As(err, &unavailable) && !unavailable.Timeout && (unavailable.Status == 0 || unavailable.Status >= 500)
}

// existing compares with what is published under the version; *NotFoundError if nothing is.
func (p *pusher) existing(ctx context.Context) (PushResult, error) {
	there, err := p.client.Release(ctx, p.repo, p.pack.release.Version)
	if err == nil && there.Digest != p.pack.index.Digest {
		err = p.client.Complete(ctx, p.repo, there)
	}
	if invalid := (*InvalidArtifactError)(nil); errors.As(err, &invalid) {
		return PushResult{}, p.taken("", []string{invalid.Problem})
	}
	if err != nil {
		return PushResult{}, err
	}
	if there.Digest != p.pack.index.Digest {
		if different := differences(there, p.pack.release); len(different) > 0 {
			return PushResult{}, p.taken(there.Digest, different)
		}
	}
	return PushResult{Digest: there.Digest, Already: true}, nil
}

func (p *pusher) taken(by digest.Digest, different []string) error {
	return &VersionExistsError{Repository: p.repo, Version: p.pack.release.Version, Existing: by, Differences: different}
}

// differences lists what keeps two releases from being the same publication: targets, plugin.toml texts and libraries.
// How libraries were compressed does not count.
func differences(there, here *Release) (out []string) {
	for _, t := range here.Targets {
		if other := exactTarget(there, t.Target); other == nil {
			out = append(out, fmt.Sprintf("%s is new", t.Target))
		} else if other.Config.PluginTOML != t.Config.PluginTOML {
			out = append(out, fmt.Sprintf("plugin.toml for %s differs", t.Target))
		} else if other.Config.Library.Digest != t.Config.Library.Digest {
			out = append(out, fmt.Sprintf("the library for %s differs", t.Target))
		}
	}
	for _, t := range there.Targets {
		if exactTarget(here, t.Target) == nil {
			out = append(out, fmt.Sprintf("%s is missing", t.Target))
		}
	}
	return out
}

func exactTarget(r *Release, target manifest.Target) *ReleaseTarget {
	i := slices.IndexFunc(r.Targets, func(t ReleaseTarget) bool { return t.Target == target })
	if i < 0 {
		return nil
	}
	return &r.Targets[i]
}

// content uploads everything below the index. Where several clients upload the same blob at once, docker-registry 2.8
// can lose it after it was acknowledged; the manifest is then refused, and all of it is uploaded again, once.
func (p *pusher) content(ctx context.Context) error {
	for attempt := 0; ; attempt++ {
		if err := p.blobs(ctx); err != nil {
			return err
		}
		err := p.platforms(ctx)
		if !saysBlobUnknown(err) || attempt > 0 {
			return err
		}
	}
}

func (p *pusher) blobs(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(pushParallel)
	for _, desc := range p.pack.blobs() {
		group.Go(func() error {
			return p.client.pushBlob(ctx, p.repo, p.to, desc, func() (io.ReadCloser, error) { return p.pack.OpenBlob(desc.Digest) })
		})
	}
	return group.Wait()
}

// pushBlob uploads one blob. The retries of single requests cannot send a stream twice, so the upload as a whole is tried
// again.
func (c *Client) pushBlob(ctx context.Context, repo Repository, to *remote.Repository, desc v1.Descriptor, open func() (io.ReadCloser, error)) error {
	upload := func() error {
		in, err := open()
		if err != nil {
			return err
		}
		defer in.Close()
		return to.Blobs().Push(ctx, desc, in)
	}
	for attempt := 0; ; attempt++ {
		err := translate(repo, desc.Digest.String(), upload())
		var wrong *IntegrityError // by a mirror of the place that open reads from, which is not asked again
		again := is[*UnavailableError](err) || errors.As(err, &wrong) && wrong.Mirror != ""
		if !again || attempt+1 == blobAttempts {
			return err
		}
		if err := c.retries.wait(ctx, backoff(attempt, nil)); err != nil {
			return err
		}
	}
}

func (p *pusher) platforms(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(pushParallel)
	for d, text := range p.pack.manifests {
		group.Go(func() error {
			desc := v1.Descriptor{MediaType: v1.MediaTypeImageManifest, Digest: d, Size: int64(len(text))}
			return translate(p.repo, d.String(), p.to.Manifests().Push(ctx, desc, bytes.NewReader(text)))
		})
	}
	return group.Wait()
}

// readAgain looks at what the tag names after the push: another publisher may have been at work at the same time.
func (p *pusher) readAgain(ctx context.Context) error {
	there, err := p.client.Release(ctx, p.repo, p.pack.release.Version)
	if err != nil {
		return err
	}
	if there.Digest == p.pack.index.Digest {
		return nil
	}
	if there.Rewritten {
		return there.Verify(p.repo, p.pack.index.Digest)
	}
	return p.taken(there.Digest, []string{"another publisher pushed the version at the same time"})
}

func isConflict(err error) bool {
	var response *errcode.ErrorResponse
	return errors.As(err, &response) && response.StatusCode == http.StatusConflict
}

func saysBlobUnknown(err error) bool {
	var response *errcode.ErrorResponse
	return errors.As(err, &response) && slices.ContainsFunc(response.Errors, func(e errcode.Error) bool {
		return e.Code == errcode.ErrorCodeManifestBlobUnknown || e.Code == errcode.ErrorCodeBlobUnknown
	})
}
