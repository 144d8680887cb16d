//go:build unix

package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/loadr-plugins/loadr/internal/testplugin"
	"github.com/loadr-plugins/loadr/loader"
	"github.com/loadr-plugins/loadr/manifest"
)

// libraries are the compiled plugins that scripts use: dir/TARGET/VARIANT/ holds one library.
type libraries struct {
	dir      string
	host     manifest.Target
	zig      bool            // those for other platforms are there
	examples string          // folder of the examples' sources
	has      map[string]bool // further conditions of scripts, by their word
}

func (l libraries) condition(word string) (bool, error) {
	switch word {
	case "zig":
		return l.zig, nil
	case "root":
		return os.Getuid() == 0, nil
	}
	return l.has[word], nil
}

// echoVersions are the versions in which the echo plugin is built.
var echoVersions = []string{"0.1.0", "0.1.1", "0.2.0", "2.0.0"}

// variants are the forms of testdata/plugin.c for this machine.
var variants = map[string][]string{
	"other":      {},
	"mark":       {"-DMARK", `-DNAME="mark"`},
	"crash":      {"-DCRASH", `-DNAME="crash"`},
	"hang":       {"-DHANG", `-DNAME="hang"`},
	"null":       {"-DNULL_REPLY", `-DNAME="null-reply"`},
	"bad-json":   {"-DBAD_JSON", `-DNAME="bad-json"`},
	"bad-info":   {"-DBAD_INFO", `-DNAME="bad-info"`},
	"version-2":  {"-DABI=2u", `-DNAME="version-two"`},
	"no-free":    {"-DNO_FREE", `-DNAME="no-free"`},
	"bare":       {"-DBARE"},
	"fails":      {"-DFAILS", `-DNAME="fails"`},
	"steers":     {"-DSTEERS", `-DNAME="steers"`},
	"other-kind": {`-DKIND="output"`},
}

// releases are plugins that require each other in scripts: NAME-VERSION.
var releases = []string{
	"tokens-1.0.0", "tokens-1.2.0", "tokens-2.0.0", "kafka-1.0.0", "kafka-1.1.0", "kafka-1.2.0", "kafka-2.0.0",
	"broker-1.0.0", "lonely-1.0.0", "smtp-1.0.0", "smtp-1.0.1", "smtp-2.0.0",
}

// foreign are platforms that this machine needs zig to compile for.
var foreign = []manifest.Target{
	"aarch64-apple-darwin", "aarch64-unknown-linux-gnu", "x86_64-apple-darwin", "x86_64-pc-windows-gnu", "x86_64-unknown-linux-musl",
}

func buildLibraries(t *testing.T) libraries {
	t.Helper()
	host, ok := loader.HostTarget()
	if !ok {
		t.Skip("the platform of this machine is not known")
	}
	libs := libraries{dir: t.TempDir(), host: host}
	source := readText(t, filepath.Join("testdata", "plugin.c"))
	for name, flags := range variants {
		libs.add(t, host, name, testplugin.C(t, host, source, flags...))
	}
	for _, release := range releases {
		name, version, _ := strings.Cut(release, "-")
		flags := []string{"-DNAME=\"" + name + "\"", "-DVERSION=\"" + version + "\""}
		libs.add(t, host, release, testplugin.C(t, host, source, flags...))
	}
	for _, version := range echoVersions {
		libs.add(t, host, "echo-"+version, echo(t, host, version))
	}
	t.Run("zig", func(t *testing.T) { // a test of its own, so that only this part is skipped without zig
		for _, target := range foreign {
			if target == host {
				continue
			}
			libs.add(t, target, "echo-0.1.0", echo(t, target, "0.1.0"))
			libs.add(t, target, "mark", testplugin.C(t, target, source, variants["mark"]...))
		}
		libs.zig = true
	})
	return libs
}

// echo compiles the example under another version, and under the name that its plugin.toml gives it.
func echo(t *testing.T, target manifest.Target, version string) string {
	source := readText(t, filepath.Join(testplugin.Root(t), "examples", "c-echo", "c_echo.c"))
	const said = `\"version\":\"0.1.0\"`
	if !strings.Contains(source, said) {
		t.Fatalf("c_echo.c does not say %s", said)
	}
	source = strings.Replace(source, said, `\"version\":\"`+version+`\"`, 1)
	return testplugin.C(t, target, source, "-fvisibility=hidden")
}

// add copies a library, because the compiled one is shared with other tests.
func (l libraries) add(t *testing.T, target manifest.Target, variant, path string) {
	t.Helper()
	dir := filepath.Join(l.dir, string(target), variant)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	stem := strings.ReplaceAll(variant, "-", "_")
	if strings.HasPrefix(variant, "echo-") {
		stem = "c_echo" // whatever the version
	}
	name := testplugin.FileName(target, stem)
	if err := os.WriteFile(filepath.Join(dir, name), []byte(readText(t, path)), 0o644); err != nil {
		t.Fatal(err)
	}
}

func readText(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
