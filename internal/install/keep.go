package install

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"syscall"

	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/cache"
	"github.com/loadr-plugins/loadr/internal/plugindir"
	"github.com/loadr-plugins/loadr/lockfile"
)

// keptGenerations is for how many generations, the current one included, a pruned cache still has all blobs.
const keptGenerations = 5

// cacheUse is the command's hold on the cache, once it has one.
type cacheUse struct {
	mu      sync.Mutex
	release func() error
}

// useCache takes the cache, together with others, until the command ends: from the first blob that is found or fetched to
// the last that is installed nothing may be pruned. A command that needs no blob does not touch the cache.
func (in *Installer) useCache(ctx context.Context) (err error) {
	in.using.mu.Lock()
	defer in.using.mu.Unlock()
	if in.using.release == nil {
		in.using.release, err = in.Cache.Use(ctx, cache.UseOptions{NoWait: in.noWait, Waiting: in.Events.pruning})
	}
	return err
}

func (in *Installer) leaveCache() error {
	in.using.mu.Lock()
	defer in.using.mu.Unlock()
	if in.using.release == nil {
		return nil
	}
	release := in.using.release
	in.using.release = nil
	return release()
}

// keep has the cache record what this plugins directory needs once the change is made. Without that record all works, but
// pruning would take what a rollback needs; so a cache that can't be written is left alone, and other trouble is a warning.
func (in *Installer) keep(ctx context.Context, change plugindir.Change, report *Report) error {
	if err := in.useCache(ctx); err != nil {
		return err
	}
	blobs := in.blobsAfter(change)
	if len(blobs) == 0 && !in.Cache.Knows(in.Workspace.Plugins) {
		return nil
	}
	user := cache.User{Dir: in.Workspace.Plugins, Path: in.Workspace.Plugins, Blobs: blobs}
	if in.Workspace.Owner() == ownProject {
		// A project is there as long as its folder is, also when .loadr was cleaned away: its lock still names the blobs.
		user.Path = in.Workspace.Root
	}
	err := in.Cache.Keep(user)
	if err != nil && !errors.Is(err, fs.ErrPermission) && !errors.Is(err, syscall.EROFS) {
		report.Warnings = append(report.Warnings, fmt.Sprintf("%v; 'loadr plugin cache prune' may remove what a rollback of this directory needs", err))
	}
	return nil
}

// introduce is for a command with nothing to do: a cache that does not know the directory, as after a project was moved, is
// told of it. No cache is made for that.
func (in *Installer) introduce(ctx context.Context, change plugindir.Change, report *Report) error {
	if _, err := os.Stat(in.Cache.Dir()); err != nil || in.Cache.Knows(in.Workspace.Plugins) {
		return nil
	}
	return in.keep(ctx, change, report)
}

// blobsAfter collects what the last generations need, the one included that the change makes.
func (in *Installer) blobsAfter(change plugindir.Change) map[digest.Digest]string {
	blobs := map[digest.Digest]string{}
	generations, err := in.dir().GenerationsAfter(change, keptGenerations)
	if err != nil {
		return blobs // which the change itself will say
	}
	for _, g := range generations {
		if lock, err := lockOf(g); err == nil && lock != nil {
			addBlobs(blobs, lock)
		}
	}
	return blobs
}

// addBlobs adds all that an installation of a lock takes from the cache, for every platform: one machine may fill folders
// for others.
func addBlobs(blobs map[digest.Digest]string, lock *lockfile.Lock) {
	for _, p := range lock.Plugins {
		for _, t := range p.Targets {
			for _, d := range []digest.Digest{t.Config, t.Archive, t.Library} {
				if d != "" {
					blobs[d] = p.Name + " " + p.Version
				}
			}
		}
	}
}
