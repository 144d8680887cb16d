package cache

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/internal/fsx"
)

// blobMode has no write permission: a blob that is edited by accident is a corrupt one.
const blobMode = 0o444

// fetch makes a blob. The caller holds its lock.
func (c *Cache) fetch(ctx context.Context, path string, b Blob, fill func(context.Context, io.Writer) error) error {
	if err := fsx.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return &WriteError{c.root, err}
	}
	if err := fsx.SweepTemps(path); err != nil { // of a killed process that held this lock before
		return &WriteError{c.root, err}
	}
	temp, err := fsx.Create(path, blobMode)
	if err != nil {
		return &WriteError{c.root, err}
	}
	defer temp.Discard()
	w := &checker{ctx: ctx, to: temp, root: c.root, want: b, hash: sha256.New()}
	if err := fill(ctx, w); err != nil {
		return w.blame(err)
	}
	if err := w.finish(); err != nil {
		return err
	}
	if err := temp.Place(); err != nil {
		return &WriteError{c.root, err}
	}
	return nil
}

// checker passes bytes on while it counts and hashes them. Its first error stays.
type checker struct {
	ctx  context.Context
	to   io.Writer
	root string
	want Blob
	hash hash.Hash
	size int64
	err  error
}

func (w *checker) Write(p []byte) (int, error) {
	if w.err == nil {
		w.err = w.write(p)
	}
	if w.err != nil {
		return 0, w.err
	}
	return len(p), nil
}

func (w *checker) write(p []byte) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	w.size += int64(len(p))
	if w.size > w.want.Size {
		return &MismatchError{Want: w.want, Size: w.size}
	}
	w.hash.Write(p)
	if _, err := w.to.Write(p); err != nil {
		return &WriteError{w.root, err}
	}
	return nil
}

// finish judges what was written, also when fill has swallowed an error of Write.
func (w *checker) finish() error {
	if w.err != nil {
		return w.err
	}
	if err := w.ctx.Err(); err != nil {
		return err
	}
	return w.want.compare(w.size, w.hash)
}

// blame finds the cause among our own error and fill's, which may wrap ours or hide it.
func (w *checker) blame(fillErr error) error {
	if w.err != nil {
		return w.err
	}
	return fmt.Errorf("fetch %s: %w", w.want.Digest, fillErr)
}

// compare says how what was read differs from the blob.
func (b Blob) compare(size int64, h hash.Hash) error {
	if size < b.Size {
		return &MismatchError{Want: b, Size: size} // a digest of half a blob would only confuse
	}
	if got := digest.NewDigest(digest.SHA256, h); size != b.Size || got != b.Digest {
		return &MismatchError{Want: b, Size: size, Digest: got}
	}
	return nil
}

// hashFile compares the file at path with b. read is what it read, also with a *MismatchError.
func hashFile(ctx context.Context, path string, b Blob) (read os.FileInfo, err error) {
	// Before opening it: opening a pipe would wait for its writer.
	if info, err := os.Lstat(path); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: expected a file, found %s; remove it", path, info.Mode().Type())
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if read, err = f.Stat(); err != nil {
		return nil, err
	}
	if read.Size() != b.Size {
		return read, &MismatchError{Want: b, Size: read.Size()}
	}
	h := sha256.New()
	n, err := fsx.Copy(ctx, h, f)
	if err != nil {
		return nil, err
	}
	return read, b.compare(n, h)
}
