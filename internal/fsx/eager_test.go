package fsx

import (
	"bytes"
	"crypto/sha256"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// TestEagerFiles are larger than a step, and written in pieces that no step is a multiple of.
func TestEagerFiles(t *testing.T) {
	want := make([]byte, 2*eagerStep+eagerStep/3)
	_, _ = rand.NewChaCha8([32]byte{}).Read(want)
	dir := t.TempDir()
	path, copied := filepath.Join(dir, "file"), filepath.Join(dir, "copy")
	temp, err := Create(path, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer temp.Discard()
	for rest := want; len(rest) > 0; {
		n, err := temp.Write(rest[:min(len(rest), 1<<20-7)])
		if err != nil {
			t.Fatal(err)
		}
		rest = rest[n:]
	}
	if err := temp.Commit(); err != nil {
		t.Fatal(err)
	}
	h := sha256.New()
	if n, err := CopyFile(t.Context(), path, copied, 0o644, h); err != nil || n != int64(len(want)) {
		t.Fatalf("copied %d bytes, %v", n, err)
	}
	for _, p := range []string{path, copied} {
		if got, err := os.ReadFile(p); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes that differ, %v", p, len(got), err)
		}
	}
	if sum := sha256.Sum256(want); !bytes.Equal(h.Sum(nil), sum[:]) {
		t.Error("the hash is not that of the content")
	}
}
