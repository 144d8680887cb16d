// Package obtain brings the files of plugins into the cache: from a URL, or from this machine. It knows locations, as package
// lockfile writes them, and digests; what is in a file, and who vouches for it, is others' business.
package obtain

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/cache"
	"github.com/loadr-plugins/loadr/internal/download"
	"github.com/loadr-plugins/loadr/internal/fsx"
	"github.com/loadr-plugins/loadr/internal/unpack"
	"github.com/loadr-plugins/loadr/lockfile"
)

// MaxFile is the most bytes that a plugin's file may have.
const MaxFile = 1 << 30

// Fetcher fetches files. It is safe for concurrent use.
type Fetcher struct {
	From  Getter
	Cache *cache.Cache
	// Alone says that From has the files of this machine, too: nothing is read where it lies.
	Alone bool
	// Base is the folder that relative paths start from.
	Base string
	// Fetching is told of a file of size bytes, or 0 where that is not known, that begins to arrive; may be nil.
	Fetching func(name string, size int64) Progress
}

// Getter opens URLs, as *download.Client does, or whatever locations it has, as *bundle.Bundle does.
type Getter interface {
	Get(ctx context.Context, address string, max int64) (body io.ReadCloser, size int64, err error)
}

// Progress follows one file.
type Progress interface {
	// Add counts n more bytes.
	Add(n int)
	// Done ends the file, complete or not.
	Done(complete bool)
}

// Text gives a document of at most max bytes.
func (f *Fetcher) Text(ctx context.Context, location string, max int64) ([]byte, error) {
	body, _, err := f.open(ctx, location, max)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	text, err := io.ReadAll(io.LimitReader(body, max+1))
	if err == nil && int64(len(text)) > max {
		err = &download.TooLargeError{URL: location, Max: max}
	}
	return text, err
}

// File gives the path of a file in the cache. want is the digest that it must have, as far as that is known, else empty: then
// it is fetched whatever the cache holds. accept judges the digest that the file has, want too; what it refuses does not stay.
func (f *Fetcher) File(ctx context.Context, location string, want digest.Digest, accept func(digest.Digest) error) (string, cache.Blob, error) {
	if want != "" {
		if info, err := os.Stat(f.Cache.Path(want)); err == nil && accept(want) == nil {
			b := cache.Blob{Digest: want, Size: info.Size()}
			if file, err := f.Cache.Verified(ctx, b); err == nil {
				return file, b, nil
			}
		}
	}
	temp, err := os.CreateTemp("", "loadr-download-")
	if err != nil {
		return "", cache.Blob{}, err
	}
	defer os.Remove(temp.Name())
	defer temp.Close()
	hash := sha256.New()
	size, err := f.Stream(ctx, io.MultiWriter(temp, hash), location)
	if err != nil {
		return "", cache.Blob{}, err
	}
	b := cache.Blob{Digest: digest.NewDigest(digest.SHA256, hash), Size: size}
	if err := accept(b.Digest); err != nil {
		return "", b, err
	}
	file, err := f.keep(ctx, b, temp.Name())
	return file, b, err
}

// keep copies a file into the cache.
func (f *Fetcher) keep(ctx context.Context, b cache.Blob, from string) (string, error) {
	return f.Cache.Ensure(ctx, b, func(ctx context.Context, w io.Writer) error {
		file, err := os.Open(from)
		if err != nil {
			return err
		}
		defer file.Close()
		_, err = fsx.Copy(ctx, w, file)
		return err
	})
}

// Stream writes a file's bytes and says how many there were, at most MaxFile.
func (f *Fetcher) Stream(ctx context.Context, w io.Writer, location string) (n int64, err error) {
	body, size, err := f.open(ctx, location, MaxFile)
	if err != nil {
		return 0, err
	}
	defer body.Close()
	if f.Fetching == nil {
		return fsx.Copy(ctx, w, body)
	}
	progress := f.Fetching(path.Base(Name(location)), max(size, 0))
	defer func() { progress.Done(err == nil) }()
	return fsx.Copy(ctx, w, &counter{body, progress})
}

// Name is what messages call the file at a location: its URL, or its path.
func Name(location string) string { return strings.TrimPrefix(location, "file:") }

// open gives the file at a URL, or on this machine.
func (f *Fetcher) open(ctx context.Context, location string, max int64) (body io.ReadCloser, size int64, err error) {
	local, ok := lockfile.PathOf(location)
	if !ok || f.Alone {
		return f.From.Get(ctx, location, max)
	}
	local = filepath.FromSlash(local)
	if !filepath.IsAbs(local) {
		local = filepath.Join(f.Base, local)
	}
	info, err := os.Stat(local) // before opening, which waits for ever on a named pipe
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, 0, fmt.Errorf("file %s: %w", Name(location), fs.ErrNotExist)
	case err != nil:
		return nil, 0, fmt.Errorf("file %s: %w", Name(location), err)
	case !info.Mode().IsRegular():
		return nil, 0, fmt.Errorf("file %s: expected a file, found one of mode %v", Name(location), info.Mode().Type())
	case info.Size() > max:
		return nil, 0, &download.TooLargeError{URL: Name(location), Max: max}
	}
	file, err := os.Open(local)
	return file, info.Size(), err
}

// Unpack opens a plugin's file and brings the library in it into the cache, whose path it gives.
func (f *Fetcher) Unpack(ctx context.Context, file unpack.File) (p *unpack.Plugin, library string, err error) {
	temp, err := os.MkdirTemp("", "loadr-unpack-")
	if err != nil {
		return nil, "", err
	}
	defer os.RemoveAll(temp)
	if p, err = unpack.Open(ctx, file, temp); err != nil {
		return nil, "", err
	}
	library, err = f.keep(ctx, cache.Blob{Digest: p.Report.Digest, Size: p.Report.Size}, p.Library)
	return p, library, err
}

// counter tells progress of what is read.
type counter struct {
	from     io.Reader
	progress Progress
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	c.progress.Add(n)
	return n, err
}
