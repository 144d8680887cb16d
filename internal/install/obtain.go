package install

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
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

// maxArchive is the most bytes that a plugin's file may have.
const maxArchive = 1 << 30

// obtain brings a file into the cache of which the digest may not be known beforehand. What nothing vouches for does not
// stay there.
func (in *Installer) obtain(ctx context.Context, a artifact, v vouched) (file string, b cache.Blob, err error) {
	if want := v.expected(a); want != "" {
		if info, err := os.Stat(in.Cache.Path(want)); err == nil && v.accept(a, want) == nil {
			b = cache.Blob{Digest: want, Size: info.Size()}
			if file, err = in.Cache.Verified(ctx, b); err == nil {
				return file, b, nil
			}
		}
	}
	temp, err := os.CreateTemp("", "loadr-download-")
	if err != nil {
		return "", b, err
	}
	defer os.Remove(temp.Name())
	defer temp.Close()
	hash := sha256.New()
	size, err := in.stream(ctx, io.MultiWriter(temp, hash), a.location)
	if err != nil {
		return "", b, err
	}
	b = cache.Blob{Digest: digest.NewDigest(digest.SHA256, hash), Size: size}
	if err := v.accept(a, b.Digest); err != nil {
		return "", b, err
	}
	file, err = in.keep(ctx, b, temp.Name())
	return file, b, err
}

// keep copies a file into the cache.
func (in *Installer) keep(ctx context.Context, b cache.Blob, from string) (string, error) {
	return in.blob(ctx, b, func(ctx context.Context, w io.Writer) error {
		file, err := os.Open(from)
		if err != nil {
			return err
		}
		defer file.Close()
		_, err = fsx.Copy(ctx, w, file)
		return err
	})
}

// stream writes a file's bytes, however many there are, up to the limit, and says how many there were.
func (in *Installer) stream(ctx context.Context, w io.Writer, location string) (n int64, err error) {
	body, size, err := in.open(ctx, location)
	if err != nil {
		return 0, err
	}
	defer body.Close()
	progress := in.Events.fetching(path.Base(strings.TrimPrefix(location, "file:")), max(size, 0))
	defer func() { progress.Done(err == nil) }()
	return fsx.Copy(ctx, w, &counter{body, progress})
}

// open gives the file at a URL, or on this machine.
func (in *Installer) open(ctx context.Context, location string) (body io.ReadCloser, size int64, err error) {
	local, ok := lockfile.PathOf(location)
	switch {
	case !ok && in.offline:
		return nil, 0, &OfflineError{Object: "file " + location}
	case !ok:
		return in.Files.Client.Get(ctx, location, maxArchive)
	}
	info, err := os.Stat(in.Workspace.resolvePath(local)) // before opening, which waits for ever on a named pipe
	switch {
	case err != nil:
		return nil, 0, fmt.Errorf("file %s: %w", location, err)
	case !info.Mode().IsRegular():
		return nil, 0, fmt.Errorf("file %s: expected a file, found one of mode %v", location, info.Mode().Type())
	case info.Size() > maxArchive:
		return nil, 0, &download.TooLargeError{URL: location, Max: maxArchive}
	}
	file, err := os.Open(in.Workspace.resolvePath(local))
	return file, info.Size(), err
}

// unpack opens a plugin's file and brings the library into the cache, whose path it gives.
func (in *Installer) unpack(ctx context.Context, f unpack.File) (p *unpack.Plugin, library string, err error) {
	temp, err := os.MkdirTemp("", "loadr-unpack-")
	if err != nil {
		return nil, "", err
	}
	defer os.RemoveAll(temp)
	if p, err = unpack.Open(ctx, f, temp); err != nil {
		return nil, "", err
	}
	library, err = in.keep(ctx, cache.Blob{Digest: p.Report.Digest, Size: p.Report.Size}, p.Library)
	return p, library, err
}

func (it *item) archiveBlob() cache.Blob {
	return cache.Blob{Digest: it.target.Archive, Size: it.target.ArchiveSize}
}

// fetchFile brings a locked file and the library in it into the cache, and holds both against the lock.
func (in *Installer) fetchFile(ctx context.Context, it *item) error {
	t := it.target
	file, err := in.blob(ctx, it.archiveBlob(), func(ctx context.Context, w io.Writer) error {
		_, err := in.stream(ctx, w, t.URL)
		return err
	})
	if err != nil {
		return it.wrap(fmt.Errorf("file %s: %w", t.URL, err))
	}
	f := unpack.File{Path: file, Name: t.URL, Target: t.Target, Entry: t.Entry}
	if lockfile.IsIndex(it.plugin.Source) {
		f.Plugin, f.Version = it.plugin.Name, it.plugin.Version
	}
	p, library, err := in.unpack(ctx, f)
	if err != nil {
		return it.wrap(err)
	}
	if p.Report.Digest != t.Library {
		return &MismatchError{Plugin: it.plugin.Name, Part: "library " + filepath.Base(t.Entry), Want: string(t.Library), Got: string(p.Report.Digest)}
	}
	if err := it.checkTOML(string(p.Text)); err != nil {
		return err
	}
	it.library = library
	return it.readManifest()
}
