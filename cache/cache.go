// Package cache keeps bytes by their digest: libraries as they are installed, and what else was fetched and verified.
//
// A blob is whole or absent. It gets its name only after its length and digest were right and it was durable, so a
// process that is killed, a full disk or a lying server leave nothing behind that looks like a blob. Processes that want
// the same blob at once fetch it once. Nothing is ever held in memory whole.
//
// The package fetches nothing itself and knows nothing of plugins, registries or compression: whoever asks brings a
// function that writes the bytes. It deletes nothing but blobs that turn out to be corrupt, files that killed processes
// left, and, in Prune, blobs that no recorded user needs.
//
//	<root>/blobs/sha256/<hex>                 a blob
//	<root>/blobs/sha256/.<hex>.<random>.tmp   one in the making
//	<root>/locks/<hex>                        held by who makes it
//	<root>/users/<hex>.json                   what a plugins directory needs; <hex> is the sha256 of its path
//	<root>/use.lock                           shared by who uses blobs, held alone by who prunes
package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/internal/fsx"
)

// Cache is a cache directory. It is safe for concurrent use, also by several processes.
type Cache struct {
	// Waiting, where not nil, is called when Get waits for another process (or goroutine) that fetches the same blob. It
	// is set before the first use and may be called from several goroutines at once.
	Waiting func(Blob)

	root  string
	swept sync.Once
}

// Blob names bytes.
type Blob struct {
	Digest digest.Digest `json:"digest"` // sha256
	Size   int64         `json:"size"`   // bytes
}

// Open gives the cache in dir. Nothing is read or created before it is needed; a cache that is only read may lie in a
// folder that can't be written.
func Open(dir string) *Cache { return &Cache{root: dir} }

// Dir is the cache's folder.
func (c *Cache) Dir() string { return c.root }

// Path is where a blob lies or would lie; empty for a digest that is not a sha256. It says nothing about what is there.
func (c *Cache) Path(d digest.Digest) string {
	if checkDigest(d) != nil {
		return ""
	}
	return filepath.Join(c.blobs(), d.Encoded())
}

// Has says whether the blob is there, judged by its length alone.
func (c *Cache) Has(b Blob) bool {
	info, err := os.Lstat(c.Path(b.Digest))
	return err == nil && info.Mode().IsRegular() && info.Size() == b.Size
}

// Verified gives the path of a blob after reading it all and comparing its digest. A blob that is absent or not what its
// name says is a *MissingError, and the latter is removed, so that the next Get fetches it.
func (c *Cache) Verified(ctx context.Context, b Blob) (path string, err error) {
	if err := checkBlob(b); err != nil {
		return "", err
	}
	path = c.Path(b.Digest)
	read, err := hashFile(ctx, path, b)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "", &MissingError{Blob: b, Dir: c.root}
	case errors.As(err, new(*MismatchError)):
		return "", c.evict(ctx, b, read, err)
	case err != nil:
		return "", fmt.Errorf("cache: %w", err)
	}
	return path, nil
}

// Get gives the path of a blob, fetching it if it is not there: fill writes its bytes to w, from the first to the last.
// fetched is true when this call did so. Of several calls for one blob, in one process or many, one fetches; the others
// wait, each as long as its own ctx, and one of them takes over if the first fails or is killed. Bytes that are not the
// blob's are a *MismatchError, a cache that can't be written to a *WriteError; fill's own error is wrapped. After any
// error nothing is left. w fails once the blob's length is exceeded or ctx has ended; fill should return at once then.
func (c *Cache) Get(ctx context.Context, b Blob, fill func(ctx context.Context, w io.Writer) error) (path string, fetched bool, err error) {
	if err := checkBlob(b); err != nil {
		return "", false, err
	}
	path = c.Path(b.Digest)
	if c.Has(b) {
		return path, false, nil
	}
	unlock, err := c.lock(ctx, b)
	if err != nil {
		return "", false, err
	}
	defer unlock()
	if c.Has(b) { // fetched by whom we waited for
		return path, false, nil
	}
	c.swept.Do(c.sweep)
	return path, true, c.fetch(ctx, path, b, fill)
}

// Sync makes the names of fetched blobs survive a power cut; their bytes do so from the moment that they have names. It is one
// call for dozens of blobs, because the system takes as long for it as for one of them.
func (c *Cache) Sync() error {
	err := fsx.SyncDir(c.blobs())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return &WriteError{c.root, err}
	}
	return nil
}

func (c *Cache) blobs() string { return filepath.Join(c.root, "blobs", "sha256") }

func (c *Cache) lockPath(hex string) string { return filepath.Join(c.root, "locks", hex) }

// lock takes the lock of one blob, under which it is made and removed.
func (c *Cache) lock(ctx context.Context, b Blob) (unlock func() error, err error) {
	path := c.lockPath(b.Digest.Encoded())
	if err := fsx.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, &WriteError{c.root, err}
	}
	o := fsx.LockOptions{Remove: true}
	if c.Waiting != nil {
		o.Waiting = func(string) { c.Waiting(b) }
	}
	unlock, err = fsx.Lock(ctx, path, o)
	if err != nil && ctx.Err() == nil {
		err = &WriteError{c.root, err}
	}
	return unlock, err
}

// evict removes a corrupt blob, but not the good one that somebody else has put in its place since it was read.
func (c *Cache) evict(ctx context.Context, b Blob, read os.FileInfo, cause error) error {
	unlock, err := c.lock(ctx, b)
	if err != nil {
		return err
	}
	defer unlock()
	path := c.Path(b.Digest)
	if now, err := os.Lstat(path); err == nil && os.SameFile(now, read) {
		if err := os.Remove(path); err != nil {
			return &WriteError{c.root, err}
		}
	}
	return &MissingError{Blob: b, Dir: c.root, Corrupt: cause}
}

// sweep removes what killed processes left, once per run and only when something is fetched anyway. A file in the making
// is left over exactly when nobody holds its blob's lock.
func (c *Cache) sweep() {
	entries, err := os.ReadDir(c.blobs())
	if err != nil {
		return // it does not exist yet, or the fetch will say what is wrong with it
	}
	for _, e := range entries {
		if hex, ok := fsx.TempOf(e.Name()); ok {
			c.sweepOne(hex)
		}
	}
}

func (c *Cache) sweepOne(hex string) {
	o := fsx.LockOptions{NoWait: true, Remove: true}
	unlock, err := fsx.Lock(context.Background(), c.lockPath(hex), o)
	if err != nil {
		return // in the making
	}
	defer unlock()
	fsx.SweepTemps(filepath.Join(c.blobs(), hex))
}
