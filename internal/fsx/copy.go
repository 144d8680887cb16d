package fsx

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
)

// CopyFile makes dst a durable copy of the regular file src and returns its length in bytes. dst must not exist; after an
// error it doesn't. Where the file system can share blocks nothing is copied, but the two files stay independent. The
// mode is perm less the umask. also, where not nil, gets every byte that dst holds, for hashing; an error of it ends the
// copy. The new name itself is durable after SyncDir of its folder.
func CopyFile(ctx context.Context, src, dst string, perm fs.FileMode, also io.Writer) (n int64, err error) {
	in, err := openRegular(src)
	if err != nil {
		return 0, err
	}
	defer in.Close()
	out, err := os.OpenFile(dst, os.O_CREATE|os.O_EXCL|os.O_RDWR, perm)
	if err != nil {
		return 0, err
	}
	n, err = fill(ctx, out, in, also)
	if err := errors.Join(err, out.Close()); err != nil {
		os.Remove(dst)
		return 0, err
	}
	return n, nil
}

func fill(ctx context.Context, out, in *os.File, also io.Writer) (n int64, err error) {
	if clone(out, in) {
		// Hash what dst holds, not src, which may have been written to since.
		n, err = Copy(ctx, tee(io.Discard, also), out)
	} else {
		n, err = Copy(ctx, tee(&eager{file: out}, also), in)
	}
	if err != nil {
		return n, err
	}
	return n, out.Sync()
}

// buffers are Copy's, kept from one file to the next.
var buffers = sync.Pool{New: func() any { b := make([]byte, 256<<10); return &b }}

// Copy copies src to dst until its end and returns the number of bytes. It stops with the context's error soon after ctx
// has ended, which io.Copy does not.
func Copy(ctx context.Context, dst io.Writer, src io.Reader) (n int64, err error) {
	held := buffers.Get().(*[]byte)
	defer buffers.Put(held)
	buf := *held
	for {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		m, readErr := src.Read(buf)
		if m > 0 {
			w, err := dst.Write(buf[:m])
			n += int64(w)
			if err != nil {
				return n, err
			}
		}
		if readErr == io.EOF {
			return n, nil
		}
		if readErr != nil {
			return n, readErr
		}
	}
}

// openRegular opens a file for reading, but no folder, device or pipe: reading some of those would never end.
func openRegular(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file but %s", path, info.Mode().Type())
	}
	return os.Open(path)
}

func tee(w, also io.Writer) io.Writer {
	if also == nil {
		return w
	}
	return io.MultiWriter(w, also)
}
