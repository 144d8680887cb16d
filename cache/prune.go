package cache

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/internal/fsx"
)

// Listed is a blob and who needs it.
type Listed struct {
	Blob
	// What are the words that users have for it, sorted, each once. Never nil.
	What []string `json:"what"`
	// UsedBy are the plugins directories that need it, sorted. Never nil; those whose folders are gone don't count.
	UsedBy []string `json:"used_by"`
}

// List gives the blobs that are there, sorted by digest. Nothing is read of them. Errors: *RecordError, *ReadError.
func (c *Cache) List() ([]Listed, error) {
	users, err := c.Users()
	if err != nil {
		return nil, err
	}
	blobs, err := c.all()
	if err != nil {
		return nil, err
	}
	out := make([]Listed, len(blobs))
	for i, b := range blobs {
		out[i] = Listed{Blob: b, What: []string{}, UsedBy: []string{}}
		for _, u := range users {
			if what, ok := u.Blobs[b.Digest]; ok && u.Presence != Gone {
				out[i].What = append(out[i].What, what)
				out[i].UsedBy = append(out[i].UsedBy, u.Dir)
			}
		}
		slices.Sort(out[i].What)
		out[i].What = slices.Compact(out[i].What)
		slices.Sort(out[i].UsedBy)
	}
	return out, nil
}

// all gives the blobs that are there. Other files are none of ours.
func (c *Cache) all() (blobs []Blob, err error) {
	entries, err := os.ReadDir(c.blobs())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, &ReadError{c.root, err}
	}
	for _, e := range entries {
		if !isHex(e.Name()) || !e.Type().IsRegular() {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, &ReadError{c.root, err}
		}
		blobs = append(blobs, Blob{digest.NewDigestFromEncoded(digest.SHA256, e.Name()), info.Size()})
	}
	return blobs, nil
}

// PruneOptions are the choices of Prune.
type PruneOptions struct {
	UseOptions
	// All also removes what only users need that can't be reached now, and forgets them.
	All bool
	// DryRun removes nothing and says what would be removed.
	DryRun bool
}

// Pruned is what Prune did. The lists are never nil.
type Pruned struct {
	Removed []Blob `json:"removed"` // sorted by digest
	Freed   int64  `json:"freed"`   // bytes: the removed blobs' lengths
	Kept    int    `json:"kept"`    // blobs
	// KeptSize is what they take, in bytes.
	KeptSize int64 `json:"kept_size"`
	// Forgotten are the plugins directories whose records were removed: their folders are gone.
	Forgotten []string `json:"forgotten"`
	// Unreachable are the plugins directories that can't be looked at now. What they need was kept, unless All.
	Unreachable []string `json:"unreachable"`
}

// Prune removes the blobs that no user needs. It waits until nobody holds Use, and whoever wants it waits for Prune. Errors:
// *BusyError, *RecordError, *ReadError, *WriteError, ctx's; what had been removed by then stays so and is harmless.
func (c *Cache) Prune(ctx context.Context, o PruneOptions) (*Pruned, error) {
	if _, err := os.Stat(c.root); errors.Is(err, fs.ErrNotExist) {
		return newPruned(), nil // and no folder is made
	}
	lock := c.useAlone
	if o.DryRun {
		lock = c.Use
	}
	release, err := lock(ctx, o.UseOptions)
	if err != nil {
		return nil, err
	}
	defer release()
	users, err := c.Users()
	if err != nil {
		return nil, err
	}
	if !o.DryRun {
		c.swept.Do(c.sweep)
		c.sweepUsers()
	}
	p := newPruned()
	needed, err := p.needed(c, users, o)
	if err != nil {
		return nil, err
	}
	return p, p.remove(ctx, c, needed, o.DryRun)
}

func newPruned() *Pruned {
	return &Pruned{Removed: []Blob{}, Forgotten: []string{}, Unreachable: []string{}}
}

// needed gives the blobs to keep, and forgets users that are no more.
func (p *Pruned) needed(c *Cache, users []User, o PruneOptions) (map[digest.Digest]bool, error) {
	needed := map[digest.Digest]bool{}
	for _, u := range users {
		if u.Presence == Unreachable {
			p.Unreachable = append(p.Unreachable, u.Dir)
		}
		if u.Presence == Gone || u.Presence == Unreachable && o.All {
			p.Forgotten = append(p.Forgotten, u.Dir)
			if err := c.forget(u.Dir, o.DryRun); err != nil {
				return nil, err
			}
			continue
		}
		for d := range u.Blobs {
			needed[d] = true
		}
	}
	slices.Sort(p.Forgotten)
	slices.Sort(p.Unreachable)
	return needed, nil
}

func (c *Cache) forget(dir string, dry bool) error {
	if dry {
		return nil
	}
	if err := os.Remove(c.userPath(dir)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &WriteError{c.root, err}
	}
	return nil
}

func (p *Pruned) remove(ctx context.Context, c *Cache, needed map[digest.Digest]bool, dry bool) error {
	blobs, err := c.all()
	if err != nil {
		return err
	}
	for _, b := range blobs {
		if needed[b.Digest] {
			p.Kept, p.KeptSize = p.Kept+1, p.KeptSize+b.Size
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if !dry {
			if err := os.Remove(c.Path(b.Digest)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return &WriteError{c.root, err}
			}
		}
		p.Removed, p.Freed = append(p.Removed, b), p.Freed+b.Size
	}
	return nil
}

// sweepUsers removes what killed processes left of records. Nobody writes any now.
func (c *Cache) sweepUsers() {
	entries, err := os.ReadDir(c.users())
	if err != nil {
		return
	}
	for _, e := range entries {
		if _, temp := fsx.TempOf(e.Name()); temp {
			os.Remove(filepath.Join(c.users(), e.Name()))
		}
	}
}
