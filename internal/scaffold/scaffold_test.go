package scaffold

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/loadr-plugins/loadr/manifest"
)

const linux = manifest.Target("x86_64-unknown-linux-gnu")

// everyPlugin lists a plugin of each language and kind, under the name given.
func everyPlugin(name string) (list []Plugin) {
	for _, language := range Languages() {
		for _, kind := range Kinds(language) {
			list = append(list, Plugin{name, language, kind, linux})
		}
	}
	return list
}

// start writes a plugin and gives its folder, the names written and its manifest.
func start(t *testing.T, p Plugin) (string, []string, *manifest.Manifest) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "a", p.Name)
	names, err := Write(dir, p)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "plugin.toml"))
	if err != nil {
		t.Fatal(err)
	}
	m, warnings, err := manifest.Parse("plugin.toml", text)
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	return dir, names, m
}

func TestWhatIsWritten(t *testing.T) {
	common := []string{".gitignore", "README.md", "plugin.toml"}
	for language, own := range map[string][]string{
		"c":  {"build.sh", "loadr_plugin.h", "my_proto.c"},
		"go": {"build.sh", "go.mod", "main.go", "loadrplugin/doc.go", "loadrplugin/export.go", "loadrplugin/json.go", "loadrplugin/plugin.go"},
		"rust": {
			"Cargo.toml", "src/lib.rs", "loadr-plugin-sdk/Cargo.toml", "loadr-plugin-sdk/LICENSE", "loadr-plugin-sdk/README.md",
			"loadr-plugin-sdk/build.rs", "loadr-plugin-sdk/src/export.rs", "loadr-plugin-sdk/src/guard.rs",
			"loadr-plugin-sdk/src/interface.rs", "loadr-plugin-sdk/src/lib.rs", "loadr-plugin-sdk/src/macros.rs",
			"loadr-plugin-sdk/src/message.rs", "loadr-plugin-sdk/src/raw.rs", "loadr-plugin-sdk/src/traits.rs",
		},
	} {
		for _, kind := range Kinds(language) {
			dir, names, m := start(t, Plugin{"my-proto", language, kind, linux})
			if want := slices.Sorted(slices.Values(slices.Concat(common, own))); !slices.Equal(names, want) {
				t.Errorf("%s: wrote %v, want %v", language, names, want)
			}
			for _, name := range names {
				if text, err := os.ReadFile(filepath.Join(dir, name)); err != nil || len(text) == 0 {
					t.Errorf("%s: %s: %d bytes, %v", language, name, len(text), err)
				}
			}
			if m.Plugin.Kind != kind || (kind == manifest.Protocol) != (len(m.Plugin.Schemes) == 1) {
				t.Errorf("%s: kind %s with schemes %v, want %s", language, m.Plugin.Kind, m.Plugin.Schemes, kind)
			}
		}
	}
}

func TestLibraryOfEachSystem(t *testing.T) {
	for target, library := range map[manifest.Target]string{
		linux:                    "libmy_proto.so",
		"aarch64-apple-darwin":   "libmy_proto.dylib",
		"x86_64-pc-windows-msvc": "my_proto.dll",
	} {
		for language, folder := range map[string]string{"c": "build/", "go": "build/", "rust": "target/release/"} {
			_, _, m := start(t, Plugin{"my-proto", language, manifest.Protocol, target})
			if m.Plugin.Entry != library || m.Build.Targets[target] != folder+library {
				t.Errorf("%s for %s: entry %q, built %q", language, target, m.Plugin.Entry, m.Build.Targets[target])
			}
		}
	}
}

// Every valid plugin name makes a valid plugin: one of a digit, of a word of Rust, of the SDK's own name.
func TestNamesThatLanguagesDoNotHave(t *testing.T) {
	for _, name := range []string{"2fast", "fn", "loadr-plugin-sdk", "0"} {
		for _, p := range everyPlugin(name) {
			dir, _, m := start(t, p)
			if m.Plugin.Name != name {
				t.Errorf("%v: name %q", p, m.Plugin.Name)
			}
			if p.Language != "rust" {
				continue
			}
			text, err := os.ReadFile(filepath.Join(dir, "Cargo.toml"))
			if err != nil || !strings.Contains(string(text), "name = \"plugin-"+name+"\"\n") {
				t.Errorf("%v: %v, Cargo.toml:\n%s", p, err, text)
			}
		}
	}
}

func TestAFullFolderIsLeftAlone(t *testing.T) {
	for _, p := range everyPlugin("my-proto") {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "mine"), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Write(dir, p)
		var exists *ExistsError
		if !errors.As(err, &exists) {
			t.Fatalf("%v: got %v", p, err)
		}
		if entries, _ := os.ReadDir(dir); len(entries) != 1 {
			t.Errorf("%v: the folder was written to: %v", p, entries)
		}
	}
}

func TestRefused(t *testing.T) {
	for problem, p := range map[string]Plugin{
		"name":     {"../x", "c", manifest.Protocol, linux},
		"kind":     {"x", "go", manifest.Output, linux},
		"language": {"x", "cobol", manifest.Protocol, linux},
	} {
		parent := t.TempDir()
		if _, err := Write(filepath.Join(parent, "x"), p); err == nil || !strings.Contains(err.Error(), problem) {
			t.Errorf("%s: %v", problem, err)
		}
		if entries, _ := os.ReadDir(parent); len(entries) != 0 {
			t.Errorf("%s: left %v behind", problem, entries)
		}
	}
}
