package oracle

import (
	"bytes"
	"debug/macho"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/loadr-plugins/loadr/internal/testplugin"
	"github.com/loadr-plugins/loadr/loader/abistable"
	"github.com/loadr-plugins/loadr/manifest"
)

// TestEveryPlatformHasTheSameText walks real plugins for other platforms from their files. They can't be loaded here, but
// their layout is that of the SDK on this machine: nothing in it depends on the system, or on the machine as long as its
// pointers have 64 bits.
func TestEveryPlatformHasTheSameText(t *testing.T) {
	want := Dump(t, SDK)
	for _, target := range []manifest.Target{
		"x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu", "x86_64-pc-windows-gnu", "x86_64-apple-darwin", "aarch64-apple-darwin",
	} {
		for _, profile := range []string{"release", "dev"} {
			t.Run(string(target)+"/"+profile, func(t *testing.T) {
				if profile == "dev" && testing.Short() {
					t.Skip("-short: release builds only")
				}
				options := map[string]testplugin.RustOptions{"dev": {Profile: "dev"}}[profile] // the zero value: stripped
				holdText(t, want, testplugin.Rust(t, target, "examples/echo-proto", options))
			})
		}
	}
}

// TestAppleLinkersForms walks real plugins that were linked as Apple's newer tools do it: pointers are in chains of
// fix-ups. zig's linker, which made the others, writes them in an older form.
func TestAppleLinkersForms(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: one linker for each platform only")
	}
	stubs, err := writeFolder(cacheDir(t), "apple-stubs-1", map[string]string{
		"libSystem.tbd": emptyLibrary, "libc.tbd": emptyLibrary, "libm.tbd": emptyLibrary, "libiconv.tbd": emptyLibrary})
	if err != nil {
		t.Fatal(err)
	}
	flags := "-Clinker-flavor=ld64.lld -Clinker=rust-lld -Clink-arg=-fixup_chains -Clink-arg=-L" + stubs +
		" -Clink-arg=-undefined -Clink-arg=dynamic_lookup"
	options := testplugin.RustOptions{Env: []string{"RUSTFLAGS=" + flags, "MACOSX_DEPLOYMENT_TARGET=13.0"}}
	for _, target := range []manifest.Target{"x86_64-apple-darwin", "aarch64-apple-darwin"} {
		t.Run(string(target), func(t *testing.T) {
			path := testplugin.Rust(t, target, "examples/echo-proto", options)
			if !hasLoadCommand(t, path, chainedFixups) {
				t.Fatal("the library has no chained fix-ups")
			}
			holdText(t, Dump(t, SDK), path)
		})
	}
}

// TestRelaxedAddresses walks a real plugin for arm64 whose linker replaced pairs of instructions by one and a nop, as LLVM's does.
func TestRelaxedAddresses(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: one linker for each platform only")
	}
	const compiler = "aarch64-linux-gnu-gcc"
	flags := "RUSTFLAGS=-Clinker-flavor=ld.lld -Clinker=rust-lld"
	for _, name := range []string{"libc.so", "libgcc_s.so.1", "libgcc.a"} {
		out, err := exec.Command(compiler, "-print-file-name="+name).Output()
		if err != nil {
			t.Skipf("no C library for arm64: install %s", compiler)
		}
		flags += " -Clink-arg=-L" + filepath.Dir(strings.TrimSpace(string(out)))
	}
	options := testplugin.RustOptions{Env: []string{flags}}
	holdText(t, Dump(t, SDK), testplugin.Rust(t, "aarch64-unknown-linux-gnu", "examples/echo-proto", options))
}

// emptyLibrary stands for a library of macOS whose symbols are left to be found when the plugin is opened.
const emptyLibrary = `--- !tapi-tbd
tbd-version: 4
targets: [ x86_64-macos, arm64-macos ]
install-name: '/usr/lib/libSystem.B.dylib'
...
`

// chainedFixups is LC_DYLD_CHAINED_FIXUPS.
const chainedFixups = 0x80000034

func hasLoadCommand(t *testing.T, path string, command uint32) bool {
	t.Helper()
	file, err := macho.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	return slices.ContainsFunc(file.Loads, func(load macho.Load) bool {
		return file.ByteOrder.Uint32(load.Raw()) == command
	})
}

// holdText inspects a library for the host that users have: it fits, and its text is the wanted one.
func holdText(t *testing.T, want []byte, path string) {
	t.Helper()
	report, err := abistable.Default().Inspect(open(t, path))
	if err != nil {
		t.Fatal(err)
	}
	if report.Graph == nil || report.ABI.Verdict != manifest.Fits {
		t.Fatalf("expected a library that fits, found %+v", report.ABI)
	}
	if got := report.Graph.Text(); !bytes.Equal(want, got) {
		t.Errorf("the layout is not that of the SDK on this machine:\n%s", differences(want, got))
	}
}
