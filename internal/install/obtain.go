package install

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	"github.com/loadr-plugins/loadr/cache"
	"github.com/loadr-plugins/loadr/internal/obtain"
	"github.com/loadr-plugins/loadr/internal/unpack"
	"github.com/loadr-plugins/loadr/lockfile"
)

// Files says how plugins are found and fetched that are plain files.
type Files struct {
	Client obtain.Getter
	// Alone says that Client has the files of this machine, too: nothing is read where it lies.
	Alone bool
	// GitHub is the base URL of GitHub's API.
	GitHub string
}

// fetcher is the way to files: none out of this machine when offline.
func (in *Installer) fetcher() *obtain.Fetcher {
	f := &obtain.Fetcher{
		From: in.Files.Client, Alone: in.Files.Alone, Cache: in.Cache, Base: filepath.Dir(in.Workspace.ProjectFile),
		Fetching: func(name string, size int64) obtain.Progress { return in.Events.fetching(name, size) },
	}
	if in.offline {
		f.From = noFiles{}
	}
	return f
}

// noFiles stands in for the network of an offline command.
type noFiles struct{}

func (noFiles) Get(_ context.Context, address string, _ int64) (io.ReadCloser, int64, error) {
	return nil, 0, &OfflineError{Object: "file " + address}
}

func (it *item) archiveBlob() cache.Blob {
	return cache.Blob{Digest: it.target.Archive, Size: it.target.ArchiveSize}
}

// fetchFile brings a locked file and the library in it into the cache, and holds both against the lock.
func (in *Installer) fetchFile(ctx context.Context, it *item) error {
	t, files := it.target, in.fetcher()
	file, err := in.Cache.Ensure(ctx, it.archiveBlob(), func(ctx context.Context, w io.Writer) error {
		_, err := files.Stream(ctx, w, t.URL)
		return err
	})
	if err != nil {
		return it.wrap(fmt.Errorf("file %s: %w", obtain.Name(t.URL), err))
	}
	f := unpack.File{Path: file, Name: obtain.Name(t.URL), Target: t.Target, Entry: t.Entry}
	if lockfile.IsIndex(it.plugin.Source) {
		f.Plugin, f.Version = it.plugin.Name, it.plugin.Version
	}
	p, library, err := files.Unpack(ctx, f)
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
