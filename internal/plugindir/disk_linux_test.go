package plugindir

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"
)

// smallDisk is a world on a disk of one megabyte.
func smallDisk(t *testing.T) *world {
	t.Helper()
	root := t.TempDir()
	if err := unix.Mount("tmpfs", root, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("no small file system to be had: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(root, 0) })
	w := worldAt(t, root)
	w.populate(t)
	return w
}

func TestFullDiskWhileStaging(t *testing.T) {
	w := smallDisk(t)
	before := w.snapshot(t)
	big := bytes.Repeat([]byte("x"), 2<<20)
	err := w.apply(t, Change{Put: []Plugin{w.plugin(t, "a", "2"), {Name: "big", Files: []File{
		{Name: "lib.so", Data: big, Digest: digest.FromBytes(big)}}}}, Files: w.files("toml 2", "lock 2")})
	var access *AccessError
	if !errors.As(err, &access) || access.Hint() != spaceHint {
		t.Errorf("got %v", err)
	}
	wantSame(t, w.snapshot(t), before)
	w.wantEmptyStaging(t)
	w.mustApply(t, w.change(t))
}

// The disk fills up once the folders are swapped: undoing needs no space.
func TestFullDiskWhileActivating(t *testing.T) {
	for _, step := range []string{"staged", "journal written", "generation recorded", "folders done"} {
		t.Run(step, func(t *testing.T) {
			w := smallDisk(t)
			before := w.snapshot(t)
			filler := filepath.Join(w.root, "filler")
			w.dir.step = func(s string) {
				if s == step {
					fillUp(t, filler)
				}
			}
			err := w.apply(t, w.change(t))
			hinter, ok := err.(interface{ Hint() string })
			if !ok || hinter.Hint() != spaceHint || strings.Contains(err.Error(), "undoing") {
				t.Errorf("got %v", err)
			}
			os.Remove(filler)
			wantSame(t, w.snapshot(t), before)
			w.wantEmptyStaging(t)
			w.dir.step = nil
			w.mustApply(t, w.change(t))
			w.wantClean(t)
		})
	}
}

func fillUp(t *testing.T, path string) {
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, size := range []int{64 << 10, 4 << 10, 1} {
		for {
			if _, err := f.Write(make([]byte, size)); err != nil {
				break
			}
		}
	}
}

func (w *world) wantEmptyStaging(t *testing.T) {
	t.Helper()
	for _, dir := range []string{"staging", "trash"} {
		if names := readNames(t, w.dir.record(dir)); len(names) > 0 {
			t.Errorf("left %v in %s", names, dir)
		}
	}
}
