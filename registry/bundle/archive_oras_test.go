package bundle_test

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/loadr-plugins/loadr/internal/testregistry"
)

// TestArchivesWithOras has another tool write an archive to a file, and copy it into a layout of its own and back under its name.
func TestArchivesWithOras(t *testing.T) {
	oras := testregistry.Tool(t, "oras")
	run := func(args ...string) {
		t.Helper()
		if out, err := exec.Command(oras, args...).CombinedOutput(); err != nil {
			t.Fatalf("oras %q: %v\n%s", args, err, out)
		}
	}
	const name = "archive/tarred:1.0.0-x86_64-unknown-linux-gnu"
	for _, file := range []string{"b.tar", "layout"} {
		path, dir := archivesOnly(t, file), t.TempDir()
		run("pull", "--oci-layout-path", path, "-o", dir, name)
		if got := string(readFile(t, filepath.Join(dir, "tarred.tar.gz"))); got != "bytes of a tarball" {
			t.Errorf("%s: pulled %q", file, got)
		}
		other := filepath.Join(dir, "other")
		run("copy", "--from-oci-layout-path", path, "--to-oci-layout-path", other, name, name)
		b := open(t, other)
		if list, err := b.Archives(); err != nil || len(list) != 1 {
			t.Fatalf("%s: a copy has the archives %v, %v", file, list, err)
		}
		if err := readArchive(t, b, twoArchives()["bytes of a tarball"].Location); err != nil {
			t.Errorf("%s: reading from a copy: %v", file, err)
		}
	}
}
