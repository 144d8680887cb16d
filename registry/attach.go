package registry

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	specs "github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"
	"oras.land/oras-go/v2/registry/remote"
)

// Attachment is what Attach adds to a manifest: an OCI image manifest with the empty config and a subject. It has no time
// of its own, so that attaching the same again is no change.
type Attachment struct {
	ArtifactType string
	Annotations  map[string]string
	Layers       []AttachedLayer // one at least
}

// AttachedLayer is one piece of content of an Attachment, at most MaxAttachment bytes.
type AttachedLayer struct {
	MediaType   string
	Annotations map[string]string
	Content     []byte
}

const (
	// maxEmbedded is how much content of a layer the manifest repeats, so that readers spare a request, in bytes.
	maxEmbedded = 4 << 10

	attachAttempts = 12
	// settleTime is how long after a change of a shared tag it is looked at once more: longer than another client takes
	// between reading the tag and writing it.
	settleTime = 300 * time.Millisecond
)

// Attach publishes a manifest that refers to subject, and gives its descriptor as Referrers lists it. It returns once the
// registry lists it; attaching what is there already succeeds. The errors are those of Push, and an *UnavailableError
// when the registry took the manifest but does not list it.
//
// In the directory registry, the embedded server and every registry with the referrers API, attachments made at the same
// time are all listed. In other registries the list is a tag that clients read, change and write again, and no
// operation makes that one step: Attach looks again, and after a pause once more, and repeats the change where another
// client's has undone it. A slower client can still undo it later. The attached manifest itself is never lost,
// and attaching it again lists it again.
func (c *Client) Attach(ctx context.Context, repo Repository, subject v1.Descriptor, a Attachment) (v1.Descriptor, error) {
	made, err := a.build(subject)
	if err != nil {
		return v1.Descriptor{}, &InvalidArtifactError{fmt.Sprintf("%s: attachment to %s", repo, subject.Digest), err.Error()}
	}
	if err := repo.check(); err != nil {
		return v1.Descriptor{}, err
	}
	ctx = originOnly(ctx)
	err = c.writing(ctx, repo.Registry, func(w *Client) error {
		to, err := w.open(repo)
		if err != nil {
			return err
		}
		return (&attacher{client: w, repo: repo, to: to, subject: subject.Digest, attachment: made}).attach(ctx)
	})
	return made.listed, err
}

// attachment is an Attachment in the form in which it is stored.
type attachment struct {
	listed v1.Descriptor // with artifact type and annotations, as lists of referrers have it
	text   []byte        // the manifest
	blobs  map[digest.Digest][]byte
}

func (a Attachment) build(subject v1.Descriptor) (*attachment, error) {
	if a.ArtifactType == "" || len(a.Layers) == 0 || len(a.Layers) > maxLayers {
		return nil, fmt.Errorf("expected an artifact type and 1 to %d layers", maxLayers)
	}
	if err := checkDigest(subject.Digest); err != nil {
		return nil, err
	}
	empty := v1.DescriptorEmptyJSON
	m := v1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest, ArtifactType: a.ArtifactType, Config: empty,
		Subject:     &v1.Descriptor{MediaType: subject.MediaType, Digest: subject.Digest, Size: subject.Size},
		Annotations: a.Annotations,
	}
	made := &attachment{blobs: map[digest.Digest][]byte{empty.Digest: empty.Data}}
	for _, layer := range a.Layers {
		if len(layer.Content) > MaxAttachment {
			return nil, fmt.Errorf("layer of %d bytes, at most %d are allowed", len(layer.Content), MaxAttachment)
		}
		d := v1.Descriptor{MediaType: layer.MediaType, Digest: digest.FromBytes(layer.Content), Size: int64(len(layer.Content)), Annotations: layer.Annotations}
		made.blobs[d.Digest] = layer.Content
		if len(layer.Content) <= maxEmbedded {
			d.Data = layer.Content
		}
		m.Layers = append(m.Layers, d)
	}
	var err error
	made.listed, made.text, err = encodeManifest(v1.MediaTypeImageManifest, m)
	made.listed.ArtifactType, made.listed.Annotations = a.ArtifactType, a.Annotations
	return made, err
}

// attacher is one attaching.
type attacher struct {
	client  *Client
	repo    Repository
	to      *remote.Repository
	subject digest.Digest
	*attachment
}

func (a *attacher) attach(ctx context.Context) error {
	// Listing is done here, and then seen to; oras-go would do it without looking again.
	_ = a.to.SetReferrersCapability(true) // fails for a repository that was asked before; this one is new
	if err := a.content(ctx); err != nil {
		return err
	}
	for attempt := range attachAttempts {
		listed, err := a.list(ctx)
		if listed || err != nil {
			return err
		}
		if err := pause(ctx, attempt); err != nil {
			return err
		}
	}
	return &UnavailableError{Registry: a.repo.Registry, Cause: fmt.Errorf("%s was stored, but is not listed as a referrer of %s", a.listed.Digest, a.subject)}
}

// content uploads blobs and manifest, and again where a registry lost one that several clients uploaded at once: the
// empty config is in every attachment.
func (a *attacher) content(ctx context.Context) error {
	for attempt := 0; ; attempt++ {
		if err := a.pushBlobs(ctx); err != nil {
			return err
		}
		err := translate(a.repo, a.listed.Digest.String(), a.to.Manifests().Push(ctx, a.plain(), bytes.NewReader(a.text)))
		if !saysBlobUnknown(err) || attempt == blobAttempts {
			return err
		}
		if err := pause(ctx, attempt); err != nil {
			return err
		}
	}
}

// plain is the descriptor without what only a list of referrers says.
func (a *attacher) plain() v1.Descriptor {
	return v1.Descriptor{MediaType: a.listed.MediaType, Digest: a.listed.Digest, Size: a.listed.Size}
}

func (a *attacher) pushBlobs(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(pushParallel)
	for d, content := range a.blobs {
		desc := v1.Descriptor{MediaType: "application/octet-stream", Digest: d, Size: int64(len(content))}
		group.Go(func() error {
			return a.client.pushBlob(ctx, a.repo, a.to, desc, func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil })
		})
	}
	return group.Wait()
}

// list says whether the registry lists the attachment. Where clients keep the list it is put there first.
func (a *attacher) list(ctx context.Context) (bool, error) {
	listed, byTag, err := a.client.referrers(ctx, a.repo, a.subject, a.listed.ArtifactType)
	if err != nil || !byTag {
		return contains(listed, a.listed.Digest), err
	}
	if !contains(listed, a.listed.Digest) {
		return false, a.addToTag(ctx)
	}
	if err := sleep(ctx, settleTime); err != nil {
		return false, err
	}
	listed, err = a.client.Referrers(ctx, a.repo, a.subject, a.listed.ArtifactType)
	return contains(listed, a.listed.Digest), err
}

func contains(list []v1.Descriptor, d digest.Digest) bool {
	return slices.ContainsFunc(list, func(l v1.Descriptor) bool { return l.Digest == d })
}

// addToTag writes the list with one more entry, in place of one that does not say of what type the attachment is. The
// others stay, of whatever type they are.
func (a *attacher) addToTag(ctx context.Context) error {
	index, err := a.client.referrersIndex(ctx, a.repo, a.subject)
	if err != nil {
		return err
	}
	index.Manifests = append(slices.DeleteFunc(index.Manifests, func(d v1.Descriptor) bool { return d.Digest == a.listed.Digest }), a.listed)
	desc, text, err := encodeManifest(v1.MediaTypeImageIndex, index)
	if err != nil {
		return err
	}
	if desc.Size > MaxManifest {
		return &InvalidArtifactError{fmt.Sprintf("%s: referrers of %s", a.repo, a.subject), fmt.Sprintf("the list is full: %d bytes, at most %d are allowed", desc.Size, MaxManifest)}
	}
	tag := referrersTag(a.subject)
	return translate(a.repo, tag, a.to.PushReference(ctx, desc, bytes.NewReader(text), tag))
}

// pause waits longer after every attempt, and never as long as a competitor who does the same.
func pause(ctx context.Context, attempt int) error {
	longest := min(50*time.Millisecond<<attempt, 2*time.Second)
	return sleep(ctx, rand.N(longest))
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
