package unpack

import (
	"archive/zip"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/internal/testplugin"
	"github.com/loadr-plugins/loadr/manifest"
)

const (
	linux = manifest.Target("x86_64-unknown-linux-gnu")
	mac   = manifest.Target("aarch64-apple-darwin")
)

const engine = `# as the engine reads it
[plugin]
name = "echo"
version = "1.0.0"
kind = "protocol"
type = "native"
entry = "libecho.so"
`

const build = `
[build.targets]
"x86_64-unknown-linux-gnu" = "build/linux/libecho.so"
"aarch64-unknown-linux-gnu" = "../target/libecho.so"
`

func echo(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(testplugin.Echo(t, linux))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func save(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func zipped(t *testing.T, files map[string]string) string {
	t.Helper()
	out, err := os.Create(filepath.Join(t.TempDir(), "blob")) // as in the cache: the name says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	w := zip.NewWriter(out)
	for name, text := range files {
		f, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Name()
}

func TestOpen(t *testing.T) {
	lib := echo(t)
	for name, c := range map[string]struct {
		files map[string]string
		file  File
		entry string // in the archive
		text  string // of the installed plugin.toml
	}{
		"flat": {map[string]string{"plugin.toml": engine, "libecho.so": lib}, File{}, "libecho.so", engine},
		"in its only folder": {
			map[string]string{"echo-1.0.0/plugin.toml": engine, "echo-1.0.0/libecho.so": lib, "echo-1.0.0/README": "x"}, File{}, "libecho.so", engine,
		},
		"as [build.targets] says": {
			map[string]string{"plugin.toml": engine + build, "build/linux/libecho.so": lib}, File{}, "build/linux/libecho.so", engine,
		},
		"as the engine looks, whatever [build.targets] says": {
			map[string]string{"plugin.toml": engine + build, "libecho.so": lib}, File{}, "libecho.so", engine,
		},
		"as the index says": {
			map[string]string{"plugin.toml": engine, "libother.so": lib}, File{Entry: "libother.so"}, "libother.so",
			strings.Replace(engine, "libecho.so", "libother.so", 1),
		},
		"as the lock says": {
			map[string]string{"plugin.toml": engine + build, "build/linux/libecho.so": lib, "libecho.so": "x"}, File{Entry: "build/linux/libecho.so"},
			"build/linux/libecho.so", engine,
		},
	} {
		c.file.Path, c.file.Name, c.file.Target = zipped(t, c.files), "https://host.example/x.zip", linux
		p, err := Open(t.Context(), c.file, t.TempDir())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if p.Entry != c.entry || strings.TrimSpace(string(p.Text)) != strings.TrimSpace(c.text) || p.Target != linux {
			t.Errorf("%s: entry %s, text\n%s", name, p.Entry, p.Text)
		}
		if got, err := os.ReadFile(p.Library); err != nil || string(got) != lib || p.Report.Digest != digest.FromString(lib) {
			t.Errorf("%s: library %s: %v", name, p.Library, err)
		}
	}
}

func TestOpenBare(t *testing.T) {
	file := File{Path: save(t, echo(t)), Name: "x", Target: linux, Entry: "libecho.so", Plugin: "echo", Version: "1.0.0"}
	p, err := Open(t.Context(), file, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.TrimPrefix(engine, "# as the engine reads it\n"); string(p.Text) != want || p.Library != file.Path || p.Entry != "libecho.so" {
		t.Errorf("%+v\n%s", p, p.Text)
	}
}

// TestOpenBareNative: which kind of plugin it is can't be known without running it.
func TestOpenBareNative(t *testing.T) {
	lib := testplugin.Rust(t, linux, "examples/echo-proto", testplugin.RustOptions{})
	_, err := Open(t.Context(), File{Path: lib, Name: "x", Target: linux, Entry: "libecho.so", Plugin: "echo", Version: "1.0.0"}, t.TempDir())
	if err == nil || !strings.Contains(err.Error(), `a bare library of interface "native" does not say what kind of plugin it is`) {
		t.Error(err)
	}
}

func TestOpenRefuses(t *testing.T) {
	lib := echo(t)
	for name, c := range map[string]struct {
		path   string
		file   File
		target manifest.Target
		want   string
	}{
		"a bare library of unknown name": {save(t, lib), File{}, linux, "expected an archive"},
		"text in place of a library":     {save(t, "hello"), File{Plugin: "echo", Version: "1.0.0", Entry: "x.so"}, linux, "file the file: "},
		"no manifest":                    {zipped(t, map[string]string{"libecho.so": lib}), File{}, linux, "expected a plugin.toml"},
		"a manifest too deep": {
			zipped(t, map[string]string{"a/b/plugin.toml": engine, "a/b/libecho.so": lib}), File{}, linux, "expected a plugin.toml",
		},
		"a bad manifest": {zipped(t, map[string]string{"plugin.toml": "[plugin]\nname = 7\n"}), File{}, linux, "the file/plugin.toml:2:8"},
		"a huge manifest": {
			zipped(t, map[string]string{"plugin.toml": engine + "#" + strings.Repeat("x", 100_000)}), File{}, linux, "at most 65536",
		},
		"no library": {zipped(t, map[string]string{"plugin.toml": engine}), File{}, linux, "expected the library libecho.so beside plugin.toml"},
		"a library that leads out": {
			zipped(t, map[string]string{"plugin.toml": engine, "libecho.so": lib}), File{Entry: "../file"}, linux, "expected the library ../file",
		},
		"a folder for a library": {
			zipped(t, map[string]string{"plugin.toml": engine, "libecho.so/x": "y"}), File{}, linux, "expected the library libecho.so",
		},
		"text for a library": {zipped(t, map[string]string{"plugin.toml": engine, "libecho.so": "hello"}), File{}, linux, "file the file: "},
		"another platform":   {zipped(t, map[string]string{"plugin.toml": engine, "libecho.so": lib}), File{}, mac, "no library for aarch64-apple-darwin"},
	} {
		c.file.Path, c.file.Name, c.file.Target = c.path, "the file", c.target
		_, err := Open(t.Context(), c.file, t.TempDir())
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), os.TempDir()) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
	_, err := Open(t.Context(), File{Path: zipped(t, map[string]string{"plugin.toml": engine, "libecho.so": lib}), Name: "x", Target: mac}, t.TempDir())
	var none *NoLibraryError
	if !errors.As(err, &none) || none.Target != mac {
		t.Errorf("got %v", err)
	}
}
