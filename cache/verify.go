package cache

import (
	"context"
	"errors"
	"io/fs"

	"github.com/opencontainers/go-digest"
)

// Checked is what VerifyAll found.
type Checked struct {
	Blobs   int       `json:"blobs"`
	Size    int64     `json:"size"`    // bytes, of all
	Corrupt []Corrupt `json:"corrupt"` // sorted by digest; never nil
}

// Corrupt is a blob that was not what its name says, and has been removed.
type Corrupt struct {
	Blob
	Found digest.Digest `json:"found"`
}

// VerifyAll reads every blob and removes those that are not what their names say, so that they are fetched again when they
// are needed. It may run beside anything else: what is removed meanwhile is passed over. When some were corrupt it returns
// both what it found and a *CorruptError. Other errors: *ReadError, *WriteError, ctx's.
func (c *Cache) VerifyAll(ctx context.Context) (*Checked, error) {
	blobs, err := c.all()
	if err != nil {
		return nil, err
	}
	found := &Checked{Corrupt: []Corrupt{}}
	for _, b := range blobs {
		_, err := c.Verified(ctx, b)
		var missing *MissingError
		var mismatch *MismatchError
		switch {
		case errors.As(err, &mismatch):
			found.Corrupt = append(found.Corrupt, Corrupt{b, mismatch.Digest})
		case errors.As(err, &missing):
			continue
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.As(err, new(*WriteError)):
			return nil, err
		case errors.Is(err, fs.ErrPermission):
			return nil, &ReadError{c.root, err}
		case err != nil:
			return nil, err
		}
		found.Blobs, found.Size = found.Blobs+1, found.Size+b.Size
	}
	if len(found.Corrupt) > 0 {
		return found, &CorruptError{c.root, found.Corrupt}
	}
	return found, nil
}
