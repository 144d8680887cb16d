package folder

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/loadr-plugins/loadr/manifest"
)

const valid = "[plugin]\nname = \"x\"\nversion = \"1.0.0\"\nkind = \"protocol\"\ntype = \"native\"\nentry = \"libx.so\"\n"

func folderWith(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, ManifestName), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestReadManifest(t *testing.T) {
	m, warnings, err := ReadManifest(folderWith(t, valid))
	if err != nil || len(warnings) > 0 || m.Plugin.Name != "x" {
		t.Errorf("%+v, %v, %v", m, warnings, err)
	}
}

func TestWhatIsNoManifest(t *testing.T) {
	var none *NoManifestError
	if _, _, err := ReadManifest(t.TempDir()); !errors.As(err, &none) {
		t.Errorf("an empty folder: %v", err)
	}
	if _, _, err := ReadManifest(filepath.Join(t.TempDir(), "absent")); errors.As(err, &none) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, ManifestName), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, _, err := ReadManifest(dir); err == nil || !strings.Contains(err.Error(), "expected a file") {
		t.Errorf("a folder of that name: %v", err)
	}
	var invalid manifest.Errors
	if _, _, err := ReadManifest(folderWith(t, "[plugin]")); !errors.As(err, &invalid) {
		t.Errorf("an invalid one: %v", err)
	}
}

func TestHugeManifestIsNotRead(t *testing.T) {
	dir := folderWith(t, valid)
	path := filepath.Join(dir, ManifestName)
	if err := os.Truncate(path, 1<<40); err != nil { // sparse: reading it all would take the machine's memory
		t.Skipf("no sparse files here: %v", err)
	}
	var invalid manifest.Errors
	if _, _, err := ReadManifest(dir); !errors.As(err, &invalid) {
		t.Errorf("got %v", err)
	}
}
