package scaffold

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/loadr-plugins/loadr/manifest"
)

func TestCWritesAValidPlugin(t *testing.T) {
	for target, library := range map[manifest.Target]string{
		"x86_64-unknown-linux-gnu": "libmy_proto.so",
		"aarch64-apple-darwin":     "libmy_proto.dylib",
		"x86_64-pc-windows-msvc":   "my_proto.dll",
	} {
		dir := filepath.Join(t.TempDir(), "a", "my-proto")
		names, err := C(dir, Plugin{"my-proto", target})
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(names)
		want := []string{".gitignore", "README.md", "build.sh", "loadr_plugin.h", "my_proto.c", "plugin.toml"}
		if !slices.Equal(names, want) {
			t.Errorf("wrote %v, want %v", names, want)
		}
		text, err := os.ReadFile(filepath.Join(dir, "plugin.toml"))
		if err != nil {
			t.Fatal(err)
		}
		m, warnings, err := manifest.Parse("plugin.toml", text)
		if err != nil || len(warnings) > 0 {
			t.Fatal(err, warnings)
		}
		if m.Plugin.Entry != library || m.Build.Targets[target] != "build/"+library {
			t.Errorf("%s: entry %q, built %q", target, m.Plugin.Entry, m.Build.Targets[target])
		}
	}
}

func TestCLeavesAFullFolderAlone(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "mine"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := C(dir, Plugin{"my-proto", "x86_64-unknown-linux-gnu"})
	var exists *ExistsError
	if !errors.As(err, &exists) {
		t.Fatalf("got %v", err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("the folder was written to: %v", entries)
	}
}

func TestCRefusesABadName(t *testing.T) {
	parent := t.TempDir()
	if _, err := C(filepath.Join(parent, "x"), Plugin{"../x", "x86_64-unknown-linux-gnu"}); err == nil {
		t.Error("accepted")
	}
	if entries, _ := os.ReadDir(parent); len(entries) != 0 {
		t.Errorf("left %v behind", entries)
	}
}
