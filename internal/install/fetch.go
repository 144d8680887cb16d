package install

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/loadr-plugins/loadr/cache"
	"github.com/loadr-plugins/loadr/lockfile"
	"github.com/loadr-plugins/loadr/manifest"
	"github.com/loadr-plugins/loadr/registry"
)

// defaultConcurrency hides round trips of 50 ms behind each other without troubling a registry.
const defaultConcurrency = 16

// decodeAtOnce bounds the memory of an install, whatever the concurrency: a decoder keeps a window of some megabytes of what it
// has decoded. Libraries that wait for one have been asked for meanwhile. It is not fewer, because over a long line each
// connection is slow at first.
const decodeAtOnce = 8

// limit bounds what is done at once.
func (in *Installer) limit() int {
	if in.Concurrency > 0 {
		return in.Concurrency
	}
	return defaultConcurrency
}

// item is one locked plugin on its way into the plugins directory.
type item struct {
	plugin    lockfile.Plugin
	target    lockfile.Target
	from      string // the version that it replaces; empty for none
	unchanged bool
	config    *registry.Config // the publisher's claim; nil for a plugin that is a file, of which nobody claims anything
	toml      string           // the installed plugin.toml
	manifest  *manifest.Manifest
	library   string // path in the cache
}

func (it *item) configBlob() cache.Blob {
	return cache.Blob{Digest: it.target.Config, Size: it.target.ConfigSize}
}

func (it *item) libraryBlob() cache.Blob {
	return cache.Blob{Digest: it.target.Library, Size: it.target.LibrarySize}
}

// blobs are what an installation without a network takes from the cache, by what they are. A file on this machine is read
// where it lies.
func (it *item) blobs() map[string]cache.Blob {
	if !lockfile.IsFileSource(it.plugin.Source) {
		return map[string]cache.Blob{"config": it.configBlob(), "library": it.libraryBlob()}
	}
	if _, here := lockfile.PathOf(it.target.URL); here {
		return nil
	}
	return map[string]cache.Blob{"archive": it.archiveBlob()}
}

// wrap gives an error the plugin it is about.
func (it *item) wrap(err error) error {
	return fmt.Errorf("plugin %q %s: %w", it.plugin.Name, it.plugin.Version, err)
}

// plan compares the lock with the records of the plugins directory.
func (in *Installer) plan(ctx context.Context, j *job) ([]*item, error) {
	items := make([]*item, len(j.next.Plugins))
	for i, p := range j.next.Plugins {
		t, ok := p.For(j.target)
		if !ok {
			return nil, &IncompatibleError{Plugin: p.Name, Target: j.target, Detail: "the lock has none"}
		}
		files, present := in.state.Plugins[p.Name]
		it := &item{plugin: p, target: t, unchanged: present && in.inPlace(p.Name, files, t)}
		if it.unchanged && j.Force {
			var err error
			if it.unchanged, err = in.intact(ctx, p.Name); err != nil {
				return nil, err
			}
		}
		switch {
		case it.unchanged:
			it.from = p.Version
		case present:
			it.from = installedVersion(in.dir(), p.Name)
		}
		items[i] = it
	}
	return items, nil
}

// inPlace says whether a plugin's folder holds what the lock wants, judged by our records, plugin.toml, which people edit,
// and the library's size. verify and --force read every byte; a sync that has nothing to do must not.
func (in *Installer) inPlace(name string, files map[string]digest.Digest, t lockfile.Target) bool {
	entry, ok := entryOf(files)
	if !ok || files[manifestName] != t.PluginTOML || files[entry] != t.Library {
		return false
	}
	folder, err := os.Lstat(in.path(name, ""))
	if err != nil || !folder.IsDir() { // a link is somebody else's
		return false
	}
	info, err := os.Lstat(in.path(name, entry))
	if err != nil || !info.Mode().IsRegular() || info.Size() != t.LibrarySize {
		return false
	}
	path := in.path(name, manifestName)
	if info, err = os.Lstat(path); err != nil || !info.Mode().IsRegular() || info.Size() > manifest.MaxSize {
		return false
	}
	text, err := os.ReadFile(path)
	return err == nil && digest.FromBytes(text) == t.PluginTOML
}

// intact reads every byte of a plugin that we installed.
func (in *Installer) intact(ctx context.Context, name string) (bool, error) {
	altered, err := in.dir().Check(ctx, name)
	return len(altered) == 0, err
}

// fetch brings what changes into the cache, in parallel.
func (in *Installer) fetch(ctx context.Context, items []*item) error {
	if err := in.missing(items); err != nil {
		return err
	}
	if !slices.ContainsFunc(items, func(it *item) bool { return !it.unchanged }) {
		return nil
	}
	if err := in.useCache(ctx); err != nil {
		return err
	}
	in.decoding = make(chan struct{}, decodeAtOnce)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(in.limit())
	for _, it := range items {
		if it.unchanged {
			continue
		}
		if lockfile.IsFileSource(it.plugin.Source) {
			group.Go(func() error { return in.fetchFile(ctx, it) })
			continue
		}
		group.Go(func() error { return in.fetchConfig(ctx, it) })
		group.Go(func() error { return in.fetchLibrary(ctx, it) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return in.Cache.Sync()
}

// fetchConfig reads what the publisher says about the library, and holds it against the lock.
func (in *Installer) fetchConfig(ctx context.Context, it *item) error {
	desc := v1.Descriptor{MediaType: registry.MediaTypeConfig, Digest: it.target.Config, Size: it.target.ConfigSize}
	path, err := in.download(ctx, it, it.configBlob(), desc, func(w io.Writer, wire io.Reader) error {
		_, err := io.Copy(w, wire)
		return err
	})
	if err != nil {
		return it.wrap(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	object := fmt.Sprintf("plugin %q %s: config %s", it.plugin.Name, it.plugin.Version, desc.Digest)
	if it.config, err = registry.ParseConfig(object, text); err != nil {
		return err
	}
	return it.readConfig()
}

// fetchLibrary decompresses the library while it arrives. The registry client checks the compressed bytes, the cache
// the decompressed ones; nothing gets a name before both are right.
func (in *Installer) fetchLibrary(ctx context.Context, it *item) (err error) {
	desc := v1.Descriptor{MediaType: it.target.MediaType, Digest: it.target.Blob, Size: it.target.BlobSize}
	it.library, err = in.download(ctx, it, it.libraryBlob(), desc, func(w io.Writer, wire io.Reader) (err error) {
		progress := in.Events.fetching(it.plugin.Name+" "+it.plugin.Version, desc.Size)
		defer func() { progress.Done(err == nil) }()
		select {
		case in.decoding <- struct{}{}:
			defer func() { <-in.decoding }()
		case <-ctx.Done():
			return ctx.Err()
		}
		return registry.Decompress(w, &counter{wire, progress}, desc.MediaType)
	})
	if err != nil {
		return it.wrap(err)
	}
	return nil
}

// download brings what desc names into the cache as blob b: read writes what the cache is to keep of what the wire brings.
// What a mirror served wrongly is asked for again, and comes from elsewhere: each time there is one mirror less.
func (in *Installer) download(ctx context.Context, it *item, b cache.Blob, desc v1.Descriptor, read func(w io.Writer, wire io.Reader) error) (string, error) {
	repo, err := repository(it.plugin.Source, it.plugin.Name)
	if err != nil {
		return "", err
	}
	for {
		var wrong *registry.IntegrityError
		path, err := in.Cache.Ensure(ctx, b, func(ctx context.Context, w io.Writer) error {
			wire, err := in.source().Fetch(ctx, repo, desc)
			if err != nil {
				return err
			}
			defer wire.Close()
			err = read(w, wire)
			verdict := err
			if errors.As(err, new(*cache.MismatchError)) {
				// Another blob than the lock says. Whether whoever served it is to blame shows at the wire's end.
				_, verdict = io.Copy(io.Discard, wire)
			}
			errors.As(verdict, &wrong)
			return err
		})
		if err == nil || wrong == nil || wrong.Mirror == "" {
			return path, err
		}
	}
}

// keepConfig puts a config that came inside an index into the cache.
func (in *Installer) keepConfig(ctx context.Context, desc v1.Descriptor) error {
	if len(desc.Data) == 0 {
		return nil
	}
	if err := in.useCache(ctx); err != nil {
		return err
	}
	_, _, err := in.Cache.Get(ctx, cache.Blob{Digest: desc.Digest, Size: desc.Size}, func(_ context.Context, w io.Writer) error {
		_, err := io.Copy(w, bytes.NewReader(desc.Data))
		return err
	})
	return err
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
