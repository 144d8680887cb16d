package testplugin

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/loadr-plugins/loadr/manifest"
)

const rustSource = `use loadr_plugin_sdk::{export_loadr_plugin, Error, Info, Protocol, Request, Response};

struct Echo;

impl Protocol for Echo {
    fn name(&self) -> &str { "echo" }
    fn execute(&self, request: Request) -> Result<Response, Error> { Ok(Response::new(200).body(request.body)) }
}

export_loadr_plugin! { info: || Info::protocol("echo", "0.1.0").scheme("echo"), protocol: || Echo }
`

const rootModule = "_1as_0lib_1header_0root_bmodule_bloader"

func TestRustForEveryTarget(t *testing.T) {
	for _, target := range []manifest.Target{
		"x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu", "x86_64-pc-windows-gnu", "x86_64-apple-darwin", "aarch64-apple-darwin",
	} {
		t.Run(string(target), func(t *testing.T) {
			path := RustSource(t, target, rustSource, RustOptions{})
			text := read(t, path)
			if !bytes.HasPrefix(text, []byte(magics[target.Format()])) || !bytes.Contains(text, []byte(rootModule)) {
				t.Errorf("%s: no %s library with a root module", path, target.Format())
			}
		})
	}
}

func TestRustOptionsMakeAnotherLibrary(t *testing.T) {
	const target = "x86_64-unknown-linux-gnu"
	stripped := RustSource(t, target, rustSource, RustOptions{})
	for name, o := range map[string]RustOptions{
		"debug":        {Profile: "dev"},
		"not stripped": {Profile: "release"},
		"environment":  {Env: []string{"CARGO_PROFILE_RELEASE_OPT_LEVEL=1"}},
	} {
		if other := RustSource(t, target, rustSource, o); bytes.Equal(read(t, other), read(t, stripped)) {
			t.Errorf("%s: the library is the stripped release", name)
		}
	}
	if entries, _ := os.ReadDir(filepath.Dir(stripped)); len(entries) != 1 {
		t.Errorf("%s is not alone in its folder", stripped)
	}
	if again := RustSource(t, target, rustSource, RustOptions{}); again != stripped {
		t.Errorf("asked again: %s, want %s", again, stripped)
	}
}

func TestRustReportsTheCompilersWords(t *testing.T) {
	recorder := &recorder{TB: t}
	done := make(chan struct{})
	go func() { // Fatalf and Skip of the recorder end its goroutine
		defer close(done)
		RustSource(recorder, "x86_64-unknown-linux-gnu", "fn broken(", RustOptions{})
	}()
	<-done
	if !t.Skipped() && !strings.Contains(recorder.fatal, "src/lib.rs:1") {
		t.Errorf("message %q does not carry the compiler's", recorder.fatal)
	}
}

func TestRustKeySeesPathDependencies(t *testing.T) {
	root := t.TempDir()
	write := func(name, text string) {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("a/Cargo.toml", `b = { path = "../b" }`)
	write("a/src/lib.rs", "")
	write("b/Cargo.toml", "")
	write("b/src/lib.rs", "")
	key := func() string { return rust{}.key(t, filepath.Join(root, "a"), RustOptions{}) }
	first := key()
	write("a/target/x", "built")
	write("b/Cargo.lock", "of its own tests")
	write("a/README.md", "for people")
	write("a/plugin.toml", "for loadr")
	if key() != first {
		t.Error("what cargo builds in the crate, a dependency's lock, or what is no source, changes the key")
	}
	write("b/src/lib.rs", "changed")
	if key() == first {
		t.Error("a changed dependency does not change the key")
	}
}
