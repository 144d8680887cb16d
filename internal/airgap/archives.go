package airgap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/loadr-plugins/loadr/cache"
	"github.com/loadr-plugins/loadr/internal/fsx"
	"github.com/loadr-plugins/loadr/internal/obtain"
	"github.com/loadr-plugins/loadr/lockfile"
	"github.com/loadr-plugins/loadr/manifest"
	"github.com/loadr-plugins/loadr/registry/bundle"
)

// archived is one plugin of a lock that is in no registry: files, one for each platform or for several.
type archived struct {
	Plugin
	files []bundle.Archive // sorted by first target
}

// split tells the plugins of a lock that are in registries from those that are files, of which it chooses those for the targets.
func split(lock *lockfile.Lock, targets []manifest.Target) (released []lockfile.Plugin, files []archived, err error) {
	for _, p := range lock.Plugins {
		if !lockfile.IsFileSource(p.Source) {
			released = append(released, p)
			continue
		}
		a := archived{Plugin: Plugin{Name: p.Name, Version: p.Version, Source: p.Source}}
		if a.Targets, err = choose(p, targets); err != nil {
			return nil, nil, err
		}
		a.files = filesOf(p, a.Targets)
		files = append(files, a)
	}
	return released, files, nil
}

// filesOf gives the files that hold the libraries for some targets of a plugin, each once.
func filesOf(p lockfile.Plugin, chosen []manifest.Target) (out []bundle.Archive) {
	for _, t := range p.Targets {
		if !slices.Contains(chosen, t.Target) {
			continue
		}
		i := slices.IndexFunc(out, func(a bundle.Archive) bool { return a.Location == t.URL && a.Digest == t.Archive })
		if i < 0 {
			i = len(out)
			out = append(out, bundle.Archive{Location: t.URL, Plugin: p.Name, Version: p.Version, Digest: t.Archive, Size: t.ArchiveSize})
		}
		out[i].Targets = append(out[i].Targets, t.Target)
	}
	return out
}

// archive puts one file into the bundle: out of the cache, or from where it was locked.
func (b *bundler) archive(ctx context.Context, a bundle.Archive) error {
	err := b.to.Blob(ctx, a.Blob(), func(ctx context.Context, w io.Writer) error {
		if b.Cache != nil {
			path, err := b.Cache.Verified(ctx, cache.Blob{Digest: a.Digest, Size: a.Size})
			switch {
			case err == nil:
				return copyFile(ctx, w, path)
			case !errors.As(err, new(*cache.MissingError)):
				return err
			}
		}
		b.fetched.Add(1)
		_, err := b.Files.Stream(ctx, w, a.Location)
		return err
	})
	if err != nil {
		return fmt.Errorf("plugin %q %s: file %s: %w", a.Plugin, a.Version, obtain.Name(a.Location), err)
	}
	return nil
}

func copyFile(ctx context.Context, w io.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = fsx.Copy(ctx, w, f)
	return err
}

// leftOut says of a bundle's archives that a mirror does not have them.
func leftOut(archives []bundle.Archive) (warnings []string) {
	for _, a := range archives {
		w := fmt.Sprintf("%s %s: not copied: it is no registry's, but the archive %s; install it with --from from the bundle, or publish it",
			a.Plugin, a.Version, obtain.Name(a.Location))
		warnings = append(warnings, w)
	}
	return warnings
}
