package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
)

const (
	// maxResumes is how often one download is taken up again after its connection broke, without worthwhile progress.
	maxResumes = 4
	// worthwhile is how many bytes make up for a broken connection.
	worthwhile = 1 << 20
)

// download is the body of a blob. A connection that breaks is replaced by one that goes on where it ended: from the same
// registry, or from the next place after a mirror. The digest is computed over all of it, so a place that goes on with other
// content is found out.
type download struct {
	ctx     context.Context
	client  *Client
	repo    Repository
	desc    v1.Descriptor
	places  []place // those that are left to ask; the first is being read
	body    io.ReadCloser
	mirrors []Mirror // that bytes came from
	offset  int64
	mark    int64 // the offset up to which progress was counted
	vain    int   // resumes since then
}

func (d *download) Close() error { return d.body.Close() }

func (d *download) Read(p []byte) (int, error) {
	n, err := d.body.Read(p)
	d.offset += int64(n)
	if err == nil || err == io.EOF {
		return n, err
	}
	return n, d.resume(err)
}

// open asks one place after the other for the bytes from the offset on. Its error is that of the last one, the registry.
func (d *download) open() error {
	for {
		at := d.places[0]
		err := d.client.exchange(at.scoped(d.ctx, d.repo), at.repo, func(ctx context.Context, r *remote.Repository) (err error) {
			d.body, err = blobFrom(ctx, r, d.desc, d.offset)
			return err
		})
		if err == nil {
			if at.mirror != nil && !slices.Contains(d.mirrors, *at.mirror) {
				d.mirrors = append(d.mirrors, *at.mirror)
			}
			return nil
		}
		d.body = http.NoBody
		if !d.next(err) {
			return d.client.failed(d.repo, d.desc.Digest.String(), err)
		}
	}
}

// next leaves a mirror for the place after it. From the registry there is nowhere to go.
func (d *download) next(err error) bool {
	if d.places[0].mirror == nil || d.ctx.Err() != nil {
		return false
	}
	d.client.leave(*d.places[0].mirror, d.repo, d.desc.Digest.String(), err)
	d.places = d.places[1:]
	return true
}

// resume makes reading go on after err, or says why it can't.
func (d *download) resume(err error) error {
	d.body.Close()
	d.body = http.NoBody
	switch {
	case d.offset == d.desc.Size: // all there is
		return nil
	case d.next(err):
		return d.open()
	}
	if d.offset-d.mark >= worthwhile {
		d.mark, d.vain = d.offset, 0
	}
	if d.vain == maxResumes || d.ctx.Err() != nil {
		return d.client.failed(d.repo, d.desc.Digest.String(), err)
	}
	if d.vain > 0 { // at once the first time: the connection may just have been an old one
		if err := d.client.retries.wait(d.ctx, backoff(d.vain-1, nil)); err != nil {
			return err
		}
	}
	d.vain++
	return d.open()
}

// blobFrom asks for a blob from offset on. A registry that does not know ranges sends all of it, and the beginning is read
// once more.
func blobFrom(ctx context.Context, r *remote.Repository, desc v1.Descriptor, offset int64) (io.ReadCloser, error) {
	if offset == 0 {
		return r.Blobs().Fetch(ctx, desc)
	}
	scheme := "https"
	if r.PlainHTTP {
		scheme = "http"
	}
	url := fmt.Sprintf("%s://%s/v2/%s/blobs/%s", scheme, r.Reference.Host(), r.Reference.Repository, desc.Digest)
	req, err := http.NewRequestWithContext(auth.AppendRepositoryScope(ctx, r.Reference, auth.ActionPull), http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", offset, desc.Size-1))
	resp, err := r.Client.Do(req)
	if err != nil {
		return nil, err
	}
	switch {
	case resp.StatusCode == http.StatusOK:
		_, err = io.CopyN(io.Discard, resp.Body, offset)
	case resp.StatusCode != http.StatusPartialContent:
		err = &UnavailableError{Registry: r.Reference.Registry, Status: resp.StatusCode, Cause: fmt.Errorf("GET %s: answered %s", url, resp.Status)}
	case !strings.HasPrefix(resp.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", offset)):
		err = fmt.Errorf("GET %s: expected bytes from %d on, found %q", url, offset, resp.Header.Get("Content-Range"))
	}
	if err != nil {
		resp.Body.Close()
		return nil, err
	}
	return resp.Body, nil
}

// blobReader is a download with a verdict at its end.
type blobReader struct {
	*verifyingReader
	download *download
	judged   bool
}

func (b *blobReader) Read(p []byte) (int, error) {
	n, err := b.verifyingReader.Read(p)
	if err != nil && !b.judged {
		b.judged = true
		b.download.judge(err)
	}
	return n, err
}

func (d *download) judge(err error) {
	what := d.desc.Digest.String()
	var wrong *IntegrityError
	if errors.As(err, &wrong) {
		d.client.wrongBytes(wrong, d.mirrors, d.repo, what)
	}
	if err == io.EOF {
		for _, m := range d.mirrors {
			d.client.options.Events.served(d.repo, what, m)
		}
	}
}
