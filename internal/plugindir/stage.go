package plugindir

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/loadr-plugins/loadr/internal/fsx"
)

const (
	// stagers work at once: mostly waiting for the disk to confirm, which it does for several at a time.
	stagers         = 8
	defaultFileMode = 0o644
	ownerReadWrite  = 0o600
)

// stage makes every new folder complete, verified and durable. It gives the digests of their files.
func (t *tx) stage(ctx context.Context, c *Change) (map[string]map[string]digest.Digest, error) {
	t.d.clean()
	if len(c.Put) == 0 {
		return nil, nil
	}
	if err := fsx.MkdirAll(t.staging(), 0o755); err != nil {
		return nil, &AccessError{t.d.path, err}
	}
	var mu sync.Mutex
	put := map[string]map[string]digest.Digest{}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(stagers)
	for _, p := range c.Put {
		g.Go(func() error {
			files, err := t.stagePlugin(ctx, p)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			put[p.Name] = files
			t.events.staged(p.Name)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return put, t.d.access(fsx.SyncDir(t.staging()))
}

func (t *tx) stagePlugin(ctx context.Context, p Plugin) (map[string]digest.Digest, error) {
	folder := t.staged(p.Name)
	if err := os.Mkdir(folder, 0o755); err != nil {
		return nil, &AccessError{t.d.path, err}
	}
	files := map[string]digest.Digest{}
	for _, f := range p.Files {
		got, err := t.stageFile(ctx, p.Name, f, filepath.Join(folder, f.Name))
		if err != nil {
			return nil, err
		}
		files[f.Name] = got
		t.d.at("file staged")
	}
	// The marker goes along from the start, so that a disabled plugin is not enabled for a moment; carry looks again.
	off, err := hasMarker(t.live(p.Name))
	if err == nil {
		err = setMarker(folder, off)
	}
	if err == nil {
		err = fsx.SyncDir(folder)
	}
	return files, t.d.access(err)
}

// stageFile hashes the bytes on their way: those that are written are those that are judged.
func (t *tx) stageFile(ctx context.Context, plugin string, f File, to string) (digest.Digest, error) {
	h := sha256.New()
	size, want := f.Size, f.Digest
	var n int64
	var err error
	if f.Path != "" {
		n, err = fsx.CopyFile(ctx, f.Path, to, f.mode(), h)
	} else {
		size = int64(len(f.Data))
		n, err = writeNew(ctx, to, f.mode(), io.TeeReader(bytes.NewReader(f.Data), h))
	}
	if err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", &AccessError{t.d.path, err}
	}
	got := digest.NewDigest(digest.SHA256, h)
	if want == "" && f.Path == "" {
		want = got
	}
	if got != want || n != size {
		return "", &DigestError{Plugin: plugin, File: f.Name, Source: f.Path, Want: want, Got: got, WantSize: size, GotSize: n}
	}
	return got, nil
}

// mode always lets the owner read and write, without which nothing could be verified or removed.
func (f *File) mode() fs.FileMode {
	if f.Mode.Perm() == 0 {
		return defaultFileMode
	}
	return f.Mode.Perm() | ownerReadWrite
}

func writeNew(ctx context.Context, path string, perm fs.FileMode, from io.Reader) (n int64, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, perm)
	if err != nil {
		return 0, err
	}
	defer func() {
		if closeErr := f.Close(); err == nil {
			err = closeErr
		}
	}()
	if n, err = fsx.Copy(ctx, f, from); err != nil {
		return n, err
	}
	return n, f.Sync()
}

// access gives an error of the file system its place.
func (d *Dir) access(err error) error {
	if err == nil {
		return nil
	}
	return &AccessError{d.path, err}
}
