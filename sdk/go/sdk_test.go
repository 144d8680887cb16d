package gosdk

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A file that was forgotten here would make a new plugin that does not build.
func TestFilesAreThePackage(t *testing.T) {
	var want []string
	found, _ := filepath.Glob("loadrplugin/*.go")
	for _, path := range found {
		if !strings.HasSuffix(path, "_test.go") {
			want = append(want, filepath.ToSlash(path))
		}
	}
	var got []string
	err := fs.WalkDir(Files, ".", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			got = append(got, path)
		}
		return err
	})
	if err != nil || !slices.Equal(got, want) || len(want) < 3 {
		t.Fatalf("embedded %v, the package is %v; %v", got, want, err)
	}
	for _, path := range got {
		embedded, _ := Files.ReadFile(path)
		text, err := os.ReadFile(path)
		if err != nil || string(text) != string(embedded) {
			t.Errorf("%s differs from the file; %v", path, err)
		}
	}
}
