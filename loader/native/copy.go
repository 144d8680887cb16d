package native

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"

	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/loader/plugin"
)

// privateCopy is <folder>/<digest>/<entry>, the folder made for it alone and closed to others (0700). The digest in the
// path matters: the C library takes a second library of the same path for the first one.
type privateCopy struct{ folder, path string }

// remove deletes the copy. Windows refuses to delete the file of an open library, so there it stays until the folder
// for temporary files is cleaned, or whoever owns TempDir removes that.
func (c privateCopy) remove() error {
	err := os.RemoveAll(c.folder)
	if runtime.GOOS == "windows" {
		return nil
	}
	return err
}

// copyPrivately copies the library while hashing it. What it leaves behind on an error is nothing.
func copyPrivately(ctx context.Context, o Options) (_ privateCopy, err error) {
	folder, err := os.MkdirTemp(o.TempDir, "loadr-plugin-")
	if err != nil {
		return privateCopy{}, fmt.Errorf("library %s: private copy: %w", o.Path, err)
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(folder)
		}
	}()
	inner := filepath.Join(folder, o.Digest.Encoded())
	if err := os.Mkdir(inner, 0o700); err != nil {
		return privateCopy{}, fmt.Errorf("library %s: private copy: %w", o.Path, err)
	}
	c := privateCopy{folder, filepath.Join(inner, o.Entry)}
	found, err := copyHashed(ctx, c.path, o.Path, o.Digest.Algorithm())
	if err != nil {
		return privateCopy{}, fmt.Errorf("library %s: private copy: %w", o.Path, err)
	}
	if found != o.Digest {
		return privateCopy{}, &plugin.DigestError{Path: o.Path, Want: o.Digest, Found: found}
	}
	return c, nil
}

// copyHashed copies a regular file and gives the digest of what it wrote.
func copyHashed(ctx context.Context, to, from string, algorithm digest.Algorithm) (_ digest.Digest, err error) {
	in, err := openRegular(from)
	if err != nil {
		return "", err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o500)
	if err != nil {
		return "", err
	}
	digester := algorithm.Digester()
	_, err = io.Copy(io.MultiWriter(out, digester.Hash()), &contextReader{ctx, in})
	if closeErr := out.Close(); err == nil {
		err = closeErr
	}
	return digester.Digest(), err
}

// openRegular refuses what could block or never end, such as a device or a pipe.
func openRegular(path string) (*os.File, error) {
	if info, err := os.Stat(path); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	return os.Open(path)
}

// contextReader ends a copy when the context ends.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (r *contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}
