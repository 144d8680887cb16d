package cache

import (
	"errors"
	"fmt"
	"strings"
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

// BusyError says that others use the cache, or one prunes it, and that waiting was not wanted.
type BusyError struct {
	Dir    string `json:"dir"`
	Holder string `json:"holder"` // who; empty when not known
}

func (e *BusyError) Error() string {
	holder := e.Holder
	if holder == "" {
		holder = "other processes"
	}
	return fmt.Sprintf("cache %s: in use by %s", e.Dir, holder)
}

// Hint says what to do.
func (e *BusyError) Hint() string {
	return "try again when it is done, or leave out --no-wait to wait for it"
}

// ReadError says that the cache can't be read.
type ReadError struct {
	Dir string `json:"dir"` // of the cache
	Err error  `json:"-"`
}

func (e *ReadError) Error() string { return fmt.Sprintf("cache %s: %v", e.Dir, e.Err) }

func (e *ReadError) Unwrap() error { return e.Err }

// Hint says what to do.
func (e *ReadError) Hint() string {
	return "make the folder readable, or set LOADR_CACHE_DIR to another one"
}

// RecordError says that a user's record is not what we write: damaged, edited, or by a newer version.
type RecordError struct {
	Path   string `json:"path"`
	Detail string `json:"detail"`
}

func (e *RecordError) Error() string { return fmt.Sprintf("%s: %s", e.Path, e.Detail) }

// Hint says what to do.
func (e *RecordError) Hint() string {
	return "if no newer version of loadr wrote it, remove the file; the project it is of is recorded anew by its next change"
}

// CorruptError says that blobs were not what their names say. They have been removed.
type CorruptError struct {
	Dir   string    `json:"dir"` // of the cache
	Blobs []Corrupt `json:"corrupt"`
}

func (e *CorruptError) Error() string {
	lines := make([]string, len(e.Blobs))
	for i, b := range e.Blobs {
		lines[i] = fmt.Sprintf("expected %s, found %s", b.Digest, b.Found)
	}
	return fmt.Sprintf("cache %s: %d corrupt, and removed:\n  %s", e.Dir, len(e.Blobs), strings.Join(lines, "\n  "))
}

// Hint says what comes next.
func (e *CorruptError) Hint() string {
	return "they are fetched again when they are needed; check the disk if this happens more than once"
}
