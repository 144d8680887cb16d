package fsx

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// names lists a folder, so that tests see also what should not be there.
func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return strings.Join(out, " ")
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func wantText(t *testing.T, path, want string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil || string(got) != want {
		t.Errorf("%s: got %q, %v, want %q", path, got, err, want)
	}
}

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	for _, text := range []string{"one", "", "three"} {
		if err := WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		wantText(t, path, text)
	}
	if got := names(t, dir); got != "a" {
		t.Errorf("left %q beside the file", got)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
}

func TestWriteFileFailureLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "taken", "child"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(filepath.Join(dir, "taken"), []byte("x"), 0o644); err == nil {
		t.Error("a folder was replaced")
	}
	if got := names(t, dir); got != "taken" {
		t.Errorf("left %q", got)
	}
	if err := WriteFile(filepath.Join(dir, "absent", "x"), nil, 0o644); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in a missing folder: %v", err)
	}
}

func TestTempDiscard(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	write(t, path, "old")
	temp, err := Create(path, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(temp, "half")
	wantText(t, path, "old")
	temp.Discard()
	wantText(t, path, "old")
	if got := names(t, dir); got != "a" {
		t.Errorf("left %q", got)
	}
}

func TestDiscardAfterCommitKeepsTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	temp, err := Create(path, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(temp, "new")
	if err := temp.Commit(); err != nil {
		t.Fatal(err)
	}
	temp.Discard()
	wantText(t, path, "new")
}

func TestTempOf(t *testing.T) {
	for _, name := range []string{"", "a", ".a.tmp", "..0123456789abcdef.tmp", ".a.0123456789abcdeg.tmp", ".a.0123456789abcdef",
		"a.0123456789abcdef.tmp", ".a-0123456789abcdef.tmp", ".0123456789abcdef.tmp"} {
		if base, ok := TempOf(name); ok {
			t.Errorf("%q taken for a temporary of %q", name, base)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		base := rapid.StringN(1, 40, -1).Draw(t, "base")
		if got, ok := TempOf("." + base + "." + randomName() + ".tmp"); !ok || got != base {
			t.Fatalf("got %q, %v, want %q", got, ok, base)
		}
	})
}

func TestSweepTempsTakesOnlyItsOwn(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{"a", "a", "b"} {
		temp, err := Create(filepath.Join(dir, path), 0o644)
		if err != nil {
			t.Fatal(err)
		}
		temp.file.Close() // as a killed process leaves it
	}
	write(t, filepath.Join(dir, "a"), "a")
	if err := SweepTemps(filepath.Join(dir, "a")); err != nil {
		t.Fatal(err)
	}
	got := strings.Fields(names(t, dir))
	if len(got) != 2 || !strings.HasPrefix(got[0], ".b.") || got[1] != "a" {
		t.Errorf("left %v", got)
	}
	if err := SweepTemps(filepath.Join(dir, "absent", "a")); err != nil {
		t.Errorf("in a missing folder: %v", err)
	}
}

// exchange skips where the system can't.
func exchange(t *testing.T, a, b string) {
	t.Helper()
	err := Exchange(a, b)
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip("this file system can't exchange")
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestExchange(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	for _, p := range []string{a, b} {
		os.Mkdir(p, 0o755)
		write(t, filepath.Join(p, "name"), filepath.Base(p))
	}
	exchange(t, a, b)
	wantText(t, filepath.Join(a, "name"), "b")
	wantText(t, filepath.Join(b, "name"), "a")

	link := filepath.Join(dir, "link") // the link itself, not what it points to
	if err := os.Symlink(a, link); err != nil {
		t.Fatal(err)
	}
	exchange(t, link, b)
	if to, err := os.Readlink(b); err != nil || to != a {
		t.Errorf("b is %q, %v", to, err)
	}
	wantText(t, filepath.Join(link, "name"), "a")
}

func TestExchangeWithNothing(t *testing.T) {
	dir := t.TempDir()
	a := filepath.Join(dir, "a")
	write(t, a, "a")
	if err := Exchange(a, filepath.Join(dir, "b")); err == nil {
		t.Error("exchanged with nothing")
	}
	wantText(t, a, "a")
}

func TestCopyFile(t *testing.T) {
	dir := t.TempDir()
	src, dst := filepath.Join(dir, "src"), filepath.Join(dir, "dst")
	text := strings.Repeat("0123456789", 100_000) // several buffers
	write(t, src, text)
	h := sha256.New()
	n, err := CopyFile(context.Background(), src, dst, 0o700, h)
	if err != nil || n != int64(len(text)) {
		t.Fatal(n, err)
	}
	wantText(t, dst, text)
	if want := sha256.Sum256([]byte(text)); !bytes.Equal(h.Sum(nil), want[:]) {
		t.Error("wrong hash")
	}
	a, _ := os.Stat(src)
	b, _ := os.Stat(dst)
	if os.SameFile(a, b) {
		t.Error("a hard link")
	}
	if b.Mode().Perm() != 0o700 {
		t.Errorf("mode %v", b.Mode())
	}
	write(t, dst, "changed")
	wantText(t, src, text)
}

func TestCopyFileRefusals(t *testing.T) {
	dir := t.TempDir()
	src, dst := filepath.Join(dir, "src"), filepath.Join(dir, "dst")
	write(t, src, "src")
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	full := errors.New("full")
	for name, c := range map[string]struct {
		ctx  context.Context
		src  string
		also io.Writer
		want error
	}{
		"cancelled":      {ended, src, nil, context.Canceled},
		"hashing failed": {context.Background(), src, failing{full}, full},
		"no source":      {context.Background(), src + "x", nil, fs.ErrNotExist},
		"a folder":       {context.Background(), dir, nil, nil},
		"a device":       {context.Background(), os.DevNull, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := CopyFile(c.ctx, c.src, dst, 0o644, c.also)
			if err == nil || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if got := names(t, dir); got != "src" {
				t.Errorf("left %q", got)
			}
		})
	}
	write(t, dst, "dst")
	if _, err := CopyFile(context.Background(), src, dst, 0o644, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("onto a file: %v", err)
	}
	wantText(t, dst, "dst")
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestMkdirAll(t *testing.T) {
	dir := t.TempDir()
	deep := filepath.Join(dir, "a", "b", "c")
	for range 2 {
		if err := MkdirAll(deep, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(deep, "file"), "")
	if err := MkdirAll(filepath.Join(deep, "file", "d"), 0o755); err == nil {
		t.Error("made a folder in a file")
	}
}
