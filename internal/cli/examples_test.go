//go:build unix

package cli_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/loadr-plugins/loadr/internal/testplugin"
	"github.com/loadr-plugins/loadr/loader"
	"github.com/loadr-plugins/loadr/manifest"
)

// rustExamples are the examples that cargo builds.
var rustExamples = []string{"echo-proto", "snapshot-output", "token-service"}

// foreignRust is a platform that is not this machine's, whichever it is, and that most machines with Rust can build for.
var foreignRust = []manifest.Target{"x86_64-pc-windows-gnu", "aarch64-apple-darwin"}

// rustVariants are libraries that scripts publish beside the examples: of testdata/rust/family, an interface of its own.
var rustVariants = map[string]testplugin.RustOptions{
	"family":       {},
	"family-1.3.0": {Env: []string{"INTERFACE_VERSION=1.3.0"}},
	"family-2.0.0": {Env: []string{"INTERFACE_VERSION=2.0.0"}},
	"rstr":         {Features: []string{"rstr"}},
	"no-layout":    {Features: []string{"no-layout"}},
}

// cSymbols is what a library exports that has the C interface beside its root module.
const cSymbols = `
#[no_mangle] pub extern "C" fn loadr_plugin_abi_version() -> u32 { 1 }
#[no_mangle] pub extern "C" fn loadr_plugin_info(len: *mut usize) -> *mut u8 { unsafe { *len = 1 }; std::ptr::null_mut() }
#[no_mangle] pub extern "C" fn loadr_plugin_execute(_: *const u8, _: usize, len: *mut usize) -> *mut u8 { unsafe { *len = 1 }; std::ptr::null_mut() }
#[no_mangle] pub extern "C" fn loadr_plugin_free(_: *mut u8, _: usize) {}
`

// rustSources are others, each a whole lib.rs for the SDK.
var rustSources = map[string]string{
	"both": cSymbols + `
use loadr_plugin_sdk::*;
struct Both;
impl Protocol for Both {
    fn name(&self) -> &str { "both" }
    fn execute(&self, _: Request) -> Result<Response, Error> { Ok(Response::new(200).status_text("native")) }
}
export_loadr_plugin! { info: || Info::protocol("both", "1.0.0").scheme("test"), protocol: || Both }
`,
	"both-output": cSymbols + output,
	"several": `
use loadr_plugin_sdk::*;
struct All;
impl Protocol for All {
    fn name(&self) -> &str { "a protocol" }
    fn execute(&self, _: Request) -> Result<Response, Error> { Ok(Response::new(200).status_text("asked")) }
}
impl Output for All {
    fn name(&self) -> &str { "an output" }
    fn start(&mut self, config: Json<'_>) -> Result<(), Error> { eprintln!("start {}", config.text()); Ok(()) }
    fn on_samples(&mut self, samples: Json<'_>) -> Result<(), Error> { eprintln!("samples {}", samples.text()); Ok(()) }
    fn on_snapshot(&mut self, snapshot: Json<'_>) -> Result<(), Error> {
        eprintln!("snapshot {}", snapshot.text());
        if snapshot.text().contains("abort") { std::process::abort() }
        Ok(())
    }
    fn finish(&mut self, summary: Json<'_>) -> Result<(), Error> { eprintln!("finish {}", summary.text()); Ok(()) }
}
impl Service for All {
    fn name(&self) -> &str { "a service" }
    fn start(&mut self, config: Json<'_>) -> Result<Value, Error> {
        if config.text().contains("exit") {
            std::thread::spawn(|| { std::thread::sleep(std::time::Duration::from_millis(100)); std::process::exit(7) });
        }
        Ok(json!({ "port": 1 }))
    }
    fn stop(&mut self) -> Result<(), Error> { eprintln!("stopped"); Ok(()) }
}
export_loadr_plugin! { info: || Info::protocol("several", "1.0.0").scheme("test"), output: || All, protocol: || All, service: || All }
`,
	"only-output": output,
}

const output = `
use loadr_plugin_sdk::*;
struct Out;
impl Output for Out {
    fn name(&self) -> &str { "out" }
}
export_loadr_plugin! { info: || Info::protocol("out", "1.0.0"), output: || Out }
`

// TestExamples runs the scripts that need compiled examples: the whole main job with each.
func TestExamples(t *testing.T) {
	host, ok := loader.HostTarget()
	if !ok {
		t.Skip("the platform of this machine is not known")
	}
	libs := libraries{dir: t.TempDir(), host: host, has: map[string]bool{}, examples: filepath.Join(testplugin.Root(t), "examples")}
	t.Run("build-rust", func(t *testing.T) { // tests of their own, so that only this part is skipped without the tools
		for _, name := range rustExamples {
			libs.addFile(t, host, name, testplugin.Rust(t, host, "examples/"+name, testplugin.RustOptions{}))
		}
		for name, o := range rustVariants {
			libs.addFile(t, host, name, testplugin.Rust(t, host, "internal/cli/testdata/rust/family", o))
		}
		for name, source := range rustSources {
			libs.addFile(t, host, name, testplugin.RustSource(t, host, source, testplugin.RustOptions{}))
		}
		libs.has["rust"] = true
	})
	t.Run("build-rust-for-others", func(t *testing.T) {
		for _, target := range foreignRust {
			libs.addFile(t, target, "echo-proto", testplugin.Rust(t, target, "examples/echo-proto", testplugin.RustOptions{}))
			libs.addFile(t, target, "rstr", testplugin.Rust(t, target, "internal/cli/testdata/rust/family", rustVariants["rstr"]))
		}
		libs.has["rust-for-others"] = true
	})
	t.Run("build-go", func(t *testing.T) {
		libs.addFile(t, host, "go-echo", buildGoEcho(t))
		libs.has["go-plugin"] = true
	})
	runScripts(t, "examples", libs, place{})
}

// buildGoEcho runs the example's own build script.
func buildGoEcho(t *testing.T) string {
	if _, err := exec.LookPath("cc"); err != nil {
		t.Skip("a Go plugin needs cgo: install a C compiler (gcc)")
	}
	cmd := exec.Command(filepath.Join(testplugin.Root(t), "examples", "go-echo", "build.sh"))
	cmd.Env = append(os.Environ(), "OUT="+t.TempDir())
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v", cmd, err)
	}
	return strings.TrimSpace(string(out))
}

// addFile copies a library under its own name.
func (l libraries) addFile(t *testing.T, target manifest.Target, variant, path string) {
	t.Helper()
	dir := filepath.Join(l.dir, string(target), variant)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, filepath.Base(path)), []byte(readText(t, path)), 0o644); err != nil {
		t.Fatal(err)
	}
}

// mkexample DIR EXAMPLE TARGET... copies an example's folder, with its built libraries where plugin.toml says, and without
// the targets that are not asked for.
func cmdMkexample(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: mkexample DIR EXAMPLE TARGET...")
	}
	dir, from := ts.MkAbs(args[0]), filepath.Join(ts.Getenv("EXAMPLES"), args[1])
	for _, name := range []string{"README.md", "LICENSE"} {
		copyFile(ts, filepath.Join(from, name), filepath.Join(dir, name))
	}
	text, err := os.ReadFile(filepath.Join(from, "plugin.toml"))
	ts.Check(err)
	var kept []string
	for _, line := range strings.SplitAfter(string(text), "\n") {
		target, rel, isTarget := targetLine(line)
		asked := false
		for _, want := range args[2:] {
			if isTarget && target == want {
				asked = true
				found, err := filepath.Glob(filepath.Join(ts.Getenv("LIBS"), target, args[1], "*"))
				if err != nil || len(found) != 1 {
					ts.Fatalf("no library %s/%s", target, args[1])
				}
				copyFile(ts, found[0], filepath.Join(dir, rel))
			}
		}
		if !isTarget || asked {
			kept = append(kept, line)
		}
	}
	ts.Check(os.WriteFile(filepath.Join(dir, "plugin.toml"), []byte(strings.Join(kept, "")), 0o644))
}

// targetLine takes apart a line of [build.targets].
func targetLine(line string) (target, path string, ok bool) {
	key, value, ok := strings.Cut(strings.TrimSpace(line), " = ")
	if _, err := manifest.ParseTarget(strings.Trim(key, `"`)); !ok || err != nil || !strings.HasPrefix(key, `"`) {
		return "", "", false
	}
	return strings.Trim(key, `"`), strings.Trim(value, `"`), true
}
