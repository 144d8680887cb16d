package cache

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/opencontainers/go-digest"
)

// MissingError says that a blob is not in the cache. Unwrap gives the *MismatchError of one that was corrupt.
type MissingError struct {
	Blob    Blob   `json:"blob"`
	Dir     string `json:"dir"` // of the cache
	Corrupt error  `json:"-"`   // what was wrong with it, before it was removed; nil when there was none
}

func (e *MissingError) Error() string {
	if e.Corrupt != nil {
		return fmt.Sprintf("cache %s: corrupt blob removed: %v", e.Dir, e.Corrupt)
	}
	return fmt.Sprintf("cache %s: no blob %s of %d bytes", e.Dir, e.Blob.Digest, e.Blob.Size)
}

func (e *MissingError) Unwrap() error { return e.Corrupt }

// MismatchError says that bytes are not those that a digest and length promised.
type MismatchError struct {
	Want   Blob          `json:"want"`
	Size   int64         `json:"size"`   // found; with more than was wanted, reading stopped here
	Digest digest.Digest `json:"digest"` // found; empty when the length already differed
}

func (e *MismatchError) Error() string {
	switch {
	case e.Size > e.Want.Size:
		return fmt.Sprintf("blob %s: expected %d bytes, found more", e.Want.Digest, e.Want.Size)
	case e.Size < e.Want.Size:
		return fmt.Sprintf("blob %s: expected %d bytes, found %d", e.Want.Digest, e.Want.Size, e.Size)
	}
	return fmt.Sprintf("blob: expected %s, found %s", e.Want.Digest, e.Digest)
}

// WriteError says that the cache can't be written to.
type WriteError struct {
	Dir string `json:"dir"` // of the cache
	Err error  `json:"-"`
}

func (e *WriteError) Error() string { return fmt.Sprintf("cache %s: %v", e.Dir, e.Err) }

func (e *WriteError) Unwrap() error { return e.Err }

// Hint says what to do.
func (e *WriteError) Hint() string {
	if errors.Is(e.Err, syscall.ENOSPC) {
		return "free some space there, or set LOADR_CACHE_DIR to a folder on another disk"
	}
	return "make the folder writable, or set LOADR_CACHE_DIR to another one"
}

func checkBlob(b Blob) error {
	if b.Size < 0 {
		return fmt.Errorf("blob %s: expected a length, found %d", b.Digest, b.Size)
	}
	return checkDigest(b.Digest)
}

// checkDigest also keeps foreign text out of paths: what it accepts is sha256: and 64 hexadecimal digits.
func checkDigest(d digest.Digest) error {
	if err := d.Validate(); err != nil || d.Algorithm() != digest.SHA256 {
		return fmt.Errorf("blob %q: expected a digest of the form sha256:<64 hexadecimal digits>", string(d))
	}
	return nil
}
