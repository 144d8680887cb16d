package cache

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		child(role)
	}
	goleak.VerifyTestMain(m)
}

func blobOf(data []byte) Blob { return Blob{digest.FromBytes(data), int64(len(data))} }

// give is a fill that writes data.
func give(data []byte) func(context.Context, io.Writer) error {
	return func(_ context.Context, w io.Writer) error {
		_, err := w.Write(data)
		return err
	}
}

func mustNotFill(t *testing.T) func(context.Context, io.Writer) error {
	return func(context.Context, io.Writer) error {
		t.Error("fetched once more")
		return nil
	}
}

// files lists all files under dir, relative to it.
func files(t *testing.T, dir string) string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			out = append(out, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(out, " ")
}

func wantOnly(t *testing.T, c *Cache, blobs ...Blob) {
	t.Helper()
	var want []string
	for _, b := range blobs {
		want = append(want, "blobs/sha256/"+b.Digest.Encoded())
	}
	if got := files(t, c.Dir()); got != strings.Join(want, " ") {
		t.Errorf("cache holds %q, want %q", got, want)
	}
}

func TestGet(t *testing.T) {
	c := Open(filepath.Join(t.TempDir(), "not", "yet"))
	data := []byte("bytes")
	b := blobOf(data)
	if c.Has(b) {
		t.Error("there before it was fetched")
	}
	path, fetched, err := c.Get(context.Background(), b, give(data))
	if err != nil || !fetched || path != c.Path(b.Digest) {
		t.Fatal(path, fetched, err)
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, data) {
		t.Errorf("got %q, %v", got, err)
	}
	if !c.Has(b) {
		t.Error("not there")
	}
	if path, fetched, err = c.Get(context.Background(), b, mustNotFill(t)); err != nil || fetched || path != c.Path(b.Digest) {
		t.Error(path, fetched, err)
	}
	if got, err := c.Verified(context.Background(), b); err != nil || got != path {
		t.Error(got, err)
	}
	wantOnly(t, c, b)
}

func TestEmptyBlob(t *testing.T) {
	c := Open(t.TempDir())
	b := blobOf(nil)
	if _, _, err := c.Get(context.Background(), b, give(nil)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Verified(context.Background(), b); err != nil {
		t.Error(err)
	}
}

// After every failure nothing may be left, neither a blob nor a file in the making nor a lock.
func TestGetFailureLeavesNothing(t *testing.T) {
	data := []byte("the right bytes")
	b := blobOf(data)
	broken := errors.New("connection lost")
	swallow := func(w io.Writer, data []byte) { w.Write(data) }
	for name, c := range map[string]struct {
		fill func(context.Context, io.Writer) error
		want func(error) bool
	}{
		"source fails": {func(_ context.Context, w io.Writer) error {
			swallow(w, data[:5])
			return broken
		}, func(err error) bool { return errors.Is(err, broken) }},
		"too short":         {give(data[:5]), isMismatch(5, "")},
		"nothing":           {give(nil), isMismatch(0, "")},
		"too long":          {give(append(data[:15:15], 'x')), isMismatch(16, "")},
		"wrong bytes":       {give([]byte("the wrong bytes")), isMismatch(15, digest.FromString("the wrong bytes"))},
		"swallowed failure": {func(_ context.Context, w io.Writer) error { swallow(w, make([]byte, 99)); return nil }, isMismatch(99, "")},
		"hidden failure": {func(_ context.Context, w io.Writer) error {
			swallow(w, make([]byte, 99))
			return broken
		}, isMismatch(99, "")},
	} {
		t.Run(name, func(t *testing.T) {
			cache := Open(t.TempDir())
			_, _, err := cache.Get(context.Background(), b, c.fill)
			if err == nil || !c.want(err) {
				t.Errorf("got %v", err)
			}
			wantOnly(t, cache)
			if _, _, err := cache.Get(context.Background(), b, give(data)); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

func isMismatch(size int64, d digest.Digest) func(error) bool {
	return func(err error) bool {
		var m *MismatchError
		return errors.As(err, &m) && m.Size == size && m.Digest == d
	}
}

func TestGetCancelledWhileFetching(t *testing.T) {
	c := Open(t.TempDir())
	ctx, cancel := context.WithCancel(context.Background())
	_, _, err := c.Get(ctx, blobOf([]byte("ab")), func(ctx context.Context, w io.Writer) error {
		w.Write([]byte("a"))
		cancel()
		_, err := w.Write([]byte("b"))
		return err
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	wantOnly(t, c)
}

func TestUnfitBlobs(t *testing.T) {
	c := Open(t.TempDir())
	for _, d := range []digest.Digest{"", "sha256:", "sha256:../../../etc/passwd", "x", "sha256:" + digest.Digest(strings.Repeat("A", 64)),
		"sha512:" + digest.Digest(strings.Repeat("a", 128)), digest.Digest("md5:" + strings.Repeat("a", 32))} {
		b := Blob{d, 1}
		if c.Path(d) != "" || c.Has(b) {
			t.Errorf("%q has a place", d)
		}
		if _, _, err := c.Get(context.Background(), b, mustNotFill(t)); err == nil {
			t.Errorf("Get %q", d)
		}
		if _, err := c.Verified(context.Background(), b); err == nil {
			t.Errorf("Verified %q", d)
		}
	}
	if _, _, err := c.Get(context.Background(), Blob{digest.FromString(""), -1}, mustNotFill(t)); err == nil {
		t.Error("negative length accepted")
	}
	wantOnly(t, c)
}

func TestVerifiedRemovesCorruptBlobs(t *testing.T) {
	data := []byte("good bytes")
	b := blobOf(data)
	for name, bad := range map[string][]byte{"altered": []byte("gold bytes"), "cut": []byte("good"), "grown": []byte("good bytes!"), "empty": {}} {
		t.Run(name, func(t *testing.T) {
			c := Open(t.TempDir())
			if _, _, err := c.Get(context.Background(), b, give(data)); err != nil {
				t.Fatal(err)
			}
			os.Remove(c.Path(b.Digest))
			if err := os.WriteFile(c.Path(b.Digest), bad, 0o644); err != nil {
				t.Fatal(err)
			}
			_, err := c.Verified(context.Background(), b)
			var missing *MissingError
			if !errors.As(err, &missing) || missing.Corrupt == nil || !errors.As(err, new(*MismatchError)) {
				t.Fatalf("got %v", err)
			}
			wantOnly(t, c)
			if _, fetched, err := c.Get(context.Background(), b, give(data)); err != nil || !fetched {
				t.Errorf("afterwards: %v, %v", fetched, err)
			}
		})
	}
}

// The length alone shows a blob that was cut; Get must not hand it out and must replace it.
func TestGetReplacesABlobOfTheWrongLength(t *testing.T) {
	c := Open(t.TempDir())
	data := []byte("good bytes")
	b := blobOf(data)
	os.MkdirAll(c.blobs(), 0o755)
	os.WriteFile(c.Path(b.Digest), data[:3], 0o444)
	if _, fetched, err := c.Get(context.Background(), b, give(data)); err != nil || !fetched {
		t.Fatal(fetched, err)
	}
	if _, err := c.Verified(context.Background(), b); err != nil {
		t.Error(err)
	}
}

func TestVerifiedOfWhatIsNoFile(t *testing.T) {
	c := Open(t.TempDir())
	b := blobOf([]byte("x"))
	var missing *MissingError
	if _, err := c.Verified(context.Background(), b); !errors.As(err, &missing) || missing.Corrupt != nil {
		t.Errorf("absent: %v", err)
	}
	os.MkdirAll(c.Path(b.Digest), 0o755)
	if _, err := c.Verified(context.Background(), b); err == nil || errors.As(err, &missing) {
		t.Errorf("a folder: %v", err)
	}
}

// Whoever finds a blob corrupt may find the good one in its place when it comes to remove it.
func TestEvictSparesTheNextBlob(t *testing.T) {
	c := Open(t.TempDir())
	data := []byte("good bytes")
	b := blobOf(data)
	os.MkdirAll(c.blobs(), 0o755)
	os.WriteFile(c.Path(b.Digest), []byte("gold bytes"), 0o644)
	read, err := hashFile(context.Background(), c.Path(b.Digest), b)
	if err == nil {
		t.Fatal("not corrupt")
	}
	os.Rename(c.Path(b.Digest), filepath.Join(c.Dir(), "kept")) // so that its inode is not used again
	if _, _, err := c.Get(context.Background(), b, give(data)); err != nil {
		t.Fatal(err)
	}
	c.evict(context.Background(), b, read, err)
	if !c.Has(b) {
		t.Error("the good blob was removed")
	}
}

func TestManyGoroutinesFetchOnce(t *testing.T) {
	c := Open(t.TempDir())
	data := make([]byte, 1<<20)
	rand.Read(data)
	b := blobOf(data)
	var fills, fetches, waits atomic.Int32
	c.Waiting = func(got Blob) {
		if got == b {
			waits.Add(1)
		}
	}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			_, fetched, err := c.Get(context.Background(), b, func(ctx context.Context, w io.Writer) error {
				fills.Add(1)
				time.Sleep(20 * time.Millisecond) // the others arrive
				return give(data)(ctx, w)
			})
			if err != nil {
				t.Error(err)
			}
			if fetched {
				fetches.Add(1)
			}
		})
	}
	wg.Wait()
	if fills.Load() != 1 || fetches.Load() != 1 || waits.Load() == 0 {
		t.Errorf("%d fills, %d fetches, %d waits", fills.Load(), fetches.Load(), waits.Load())
	}
	wantOnly(t, c, b)
}

// The first fails; one of those waiting takes over.
func TestWaiterTakesOverAfterFailure(t *testing.T) {
	c := Open(t.TempDir())
	data := []byte("data")
	b := blobOf(data)
	started := make(chan struct{})
	go c.Get(context.Background(), b, func(context.Context, io.Writer) error {
		close(started)
		time.Sleep(50 * time.Millisecond)
		return errors.New("gone")
	})
	<-started
	if _, fetched, err := c.Get(context.Background(), b, give(data)); err != nil || !fetched {
		t.Errorf("fetched %v, %v", fetched, err)
	}
}

func TestWaiterIsCancellable(t *testing.T) {
	c := Open(t.TempDir())
	data := []byte("data")
	b := blobOf(data)
	started, end := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		_, _, err := c.Get(context.Background(), b, func(ctx context.Context, w io.Writer) error {
			close(started)
			<-end
			return give(data)(ctx, w)
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-started
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
	defer cancel()
	if _, _, err := c.Get(ctx, b, mustNotFill(t)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	close(end)
	wg.Wait() // the one at work is not disturbed
	wantOnly(t, c, b)
}

func TestSweepSparesWhatIsInTheMaking(t *testing.T) {
	dir := t.TempDir()
	stale, busy, other := []byte("stale"), []byte("busy"), []byte("other")
	c := Open(dir)
	os.MkdirAll(c.blobs(), 0o755)
	leftover := filepath.Join(c.blobs(), "."+blobOf(stale).Digest.Encoded()+".0123456789abcdef.tmp")
	os.WriteFile(leftover, stale[:3], 0o444)

	_, _, err := c.Get(context.Background(), blobOf(busy), func(ctx context.Context, w io.Writer) error {
		io.WriteString(w, "bu")
		if _, _, err := Open(dir).Get(ctx, blobOf(other), give(other)); err != nil { // sweeps
			t.Error(err)
		}
		_, err := io.WriteString(w, "sy")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(leftover); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("leftover: %v", err)
	}
	for _, b := range []Blob{blobOf(busy), blobOf(other)} {
		if !c.Has(b) {
			t.Errorf("%v is missing", b)
		}
	}
	if locks := files(t, filepath.Join(dir, "locks")); locks != "" {
		t.Errorf("locks left: %s", locks)
	}
}

// A library of any size passes through: what is held does not grow with it.
func TestMemoryDoesNotGrowWithTheBlob(t *testing.T) {
	const size = 64 << 20
	c := Open(t.TempDir())
	chunk := make([]byte, 64<<10)
	h := digest.SHA256.Digester()
	for range size / len(chunk) {
		h.Hash().Write(chunk)
	}
	b := Blob{h.Digest(), size}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, _, err := c.Get(context.Background(), b, func(_ context.Context, w io.Writer) error {
		for range size / len(chunk) {
			if _, err := w.Write(chunk); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		_, err = c.Verified(context.Background(), b)
	}
	runtime.ReadMemStats(&after)
	if err != nil {
		t.Fatal(err)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 2<<20 {
		t.Errorf("allocated %d bytes for %d", used, size)
	}
}

func TestUnwritableCache(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	os.WriteFile(file, nil, 0o644)
	_, _, err := Open(filepath.Join(file, "cache")).Get(context.Background(), blobOf([]byte("x")), mustNotFill(t))
	var write *WriteError
	if !errors.As(err, &write) || write.Hint() == "" {
		t.Errorf("got %v", err)
	}
}

func TestMessages(t *testing.T) {
	b := Blob{digest.FromString("a"), 5}
	for _, c := range []struct{ got, want string }{
		{(&MismatchError{Want: b, Size: 6}).Error(), fmt.Sprintf("blob %s: expected 5 bytes, found more", b.Digest)},
		{(&MismatchError{Want: b, Size: 4}).Error(), fmt.Sprintf("blob %s: expected 5 bytes, found 4", b.Digest)},
		{(&MissingError{Blob: b, Dir: "d"}).Error(), fmt.Sprintf("cache d: no blob %s of 5 bytes", b.Digest)},
	} {
		if c.got != c.want {
			t.Errorf("got %s, want %s", c.got, c.want)
		}
	}
}

// TestSync has nothing to do before anything was fetched, and leaves what was fetched as it is.
func TestSync(t *testing.T) {
	c := Open(filepath.Join(t.TempDir(), "cache"))
	if err := c.Sync(); err != nil {
		t.Errorf("an empty cache: %v", err)
	}
	b := Blob{Digest: digest.FromString("x"), Size: 1}
	if _, _, err := c.Get(t.Context(), b, func(_ context.Context, w io.Writer) error { _, err := io.WriteString(w, "x"); return err }); err != nil {
		t.Fatal(err)
	}
	if err := c.Sync(); err != nil || !c.Has(b) {
		t.Errorf("%v, has %v", err, c.Has(b))
	}
}
