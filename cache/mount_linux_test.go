package cache

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// A project on a disk that is taken out, put back, and then removed from it.
func TestPruneWithADiskTakenOut(t *testing.T) {
	c, stick := Open(t.TempDir()), t.TempDir()
	mount := func() {
		t.Helper()
		if err := unix.Mount("tmpfs", stick, "tmpfs", 0, "size=1m"); err != nil {
			t.Skipf("no file system to be mounted: %v", err)
		}
	}
	unmount := func() { unix.Unmount(stick, 0) }
	project := filepath.Join(stick, "project")
	mount()
	t.Cleanup(unmount)
	if err := os.Mkdir(project, 0o755); err != nil {
		t.Fatal(err)
	}
	b := put(t, c, "blob")
	keep(t, c, project, b)
	unmount()
	if p := mustPrune(t, c, PruneOptions{}); len(p.Unreachable) != 1 || len(p.Removed) != 0 {
		t.Errorf("taken out: %+v", p)
	}
	mount() // an empty one
	if p := mustPrune(t, c, PruneOptions{}); len(p.Forgotten) != 1 || len(p.Removed) != 1 {
		t.Errorf("removed: %+v", p)
	}
}
