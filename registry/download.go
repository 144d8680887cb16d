package registry

import (
	"context"
	"io"
)

// maxResumes is how often one download is taken up again after its connection broke.
const maxResumes = 4

// download is the body of a blob. Where the registry serves ranges, a broken connection is replaced by a new one that
// goes on where the first one ended; the digest is computed over all of it, so a registry that goes on with other
// content is found out.
type download struct {
	ctx     context.Context
	body    io.ReadCloser // an io.Seeker where the registry serves ranges
	repo    Repository
	offset  int64
	resumes int
}

func (d *download) Close() error { return d.body.Close() }

func (d *download) Read(p []byte) (int, error) {
	n, err := d.body.Read(p)
	d.offset += int64(n)
	if err == nil || err == io.EOF {
		return n, err
	}
	if d.resume() {
		return n, nil
	}
	return n, translate(d.repo, "", err)
}

// resume reports whether reading can go on. Seeking away and back makes oras-go ask again from there.
func (d *download) resume() bool {
	seeker, ok := d.body.(io.Seeker)
	if !ok || d.resumes == maxResumes || d.ctx.Err() != nil {
		return false
	}
	d.resumes++
	if _, err := seeker.Seek(0, io.SeekEnd); err != nil {
		return false
	}
	_, err := seeker.Seek(d.offset, io.SeekStart)
	return err == nil
}
