package testplugin

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gofrs/flock"

	"github.com/loadr-plugins/loadr/manifest"
)

// RustOptions choose how a crate is compiled. The zero value is what authors ship: release, stripped.
type RustOptions struct {
	Profile  string   // of cargo: "dev", "release" (as the crate says); empty: release and stripped
	Features []string // of the crate
	Env      []string // NAME=value for cargo, such as CARGO_PROFILE_RELEASE_LTO=fat or RUSTFLAGS
}

// Rust compiles a crate as a dynamic library for target and returns the library's path. The crate is a folder relative to
// the module's root, or an absolute one; its crate-type has "cdylib". A Cargo.lock in it is obeyed, never changed. The test is
// skipped where cargo, the target's standard library or its linker is missing, or the crates that it depends on can't
// be had, and fails with the compiler's messages when the crate does not compile. The file is shared by everyone who
// asks for the same: copy it before changing it.
func Rust(t testing.TB, target manifest.Target, crate string, o RustOptions) string {
	t.Helper()
	if !filepath.IsAbs(crate) {
		crate = filepath.Join(Root(t), crate)
	}
	r := rustFor(t, target)
	dir := filepath.Join(cacheDir(t), "rust-"+r.key(t, crate, o))
	if path := onlyFile(dir); path != "" {
		return path
	}
	unlock := lock(t, filepath.Join(cacheDir(t), "cargo-"+string(target)+".lock"))
	defer unlock()
	if path := onlyFile(dir); path != "" { // another process built it meanwhile
		return path
	}
	library, err := r.build(t, crate, o)
	if err != nil {
		t.Fatalf("testplugin: %v", err)
	}
	path, err := keep(library, dir)
	if err != nil {
		t.Fatalf("testplugin: %v", err)
	}
	return path
}

// RustSource compiles Rust text, a whole lib.rs, that uses the crate loadr_plugin_sdk and nothing else, under the conditions
// of Rust.
func RustSource(t testing.TB, target manifest.Target, source string, o RustOptions) string {
	t.Helper()
	crate, err := oneFileCrate(Root(t), cacheDir(t), source)
	if err != nil {
		t.Fatalf("testplugin: %v", err)
	}
	return Rust(t, target, crate, o)
}

// rust is cargo with what it needs for one target.
type rust struct {
	target   manifest.Target
	verb     string   // build or zigbuild
	env      []string // the linker
	identity string
}

// Linkers that do better than zig's, or without it.
var rustLinkers = map[manifest.Target]string{
	"aarch64-unknown-linux-gnu": "aarch64-linux-gnu-gcc",
	"x86_64-pc-windows-gnu":     "x86_64-w64-mingw32-gcc",
}

func rustFor(t testing.TB, target manifest.Target) rust {
	t.Helper()
	version := rustVersion()
	if version == "" {
		t.Skip("testplugin: no cargo: install Rust (https://rustup.rs)")
	}
	if !hasStandardLibrary(target) {
		t.Skipf("testplugin: no Rust standard library for %s: rustup target add %s", target, target)
	}
	r := rust{target: target, verb: "build", identity: version}
	if strings.Contains(version, "host: "+string(target)+"\n") {
		return r
	}
	linker := rustLinkers[target]
	if path, err := exec.LookPath(linker); linker != "" && err == nil {
		name := strings.ToUpper(strings.ReplaceAll(string(target), "-", "_"))
		r.env = []string{"CARGO_TARGET_" + name + "_LINKER=" + path}
		r.identity += linker
		return r
	}
	zig := findZig()
	if zig.command == nil || exec.Command("cargo-zigbuild", "--version").Run() != nil {
		t.Skipf("testplugin: no linker for %s: install %s", target, advice(linker))
	}
	if path, err := exec.LookPath(zig.command[0]); len(zig.command) == 1 && err == nil {
		r.env = []string{"CARGO_ZIGBUILD_ZIG_PATH=" + path} // else it finds Python's itself
	}
	r.verb = "zigbuild"
	r.identity += zig.identity
	return r
}

func advice(linker string) string {
	const zig = "zig and cargo-zigbuild (pip install ziglang==0.16.0 cargo-zigbuild)"
	if linker == "" {
		return zig
	}
	return linker + ", or " + zig
}

var rustVersion = sync.OnceValue(func() string {
	if exec.Command("cargo", "--version").Run() != nil {
		return ""
	}
	out, _ := exec.Command("rustc", "-vV").Output()
	return string(out)
})

func hasStandardLibrary(target manifest.Target) bool {
	dir, err := exec.Command("rustc", "--print", "target-libdir", "--target", string(target)).Output()
	if err != nil {
		return false
	}
	found, _ := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "libcore-*"))
	return found != nil
}

// build runs cargo in a target folder that all crates share, so that dependencies are compiled once for a target and a
// profile. The caller holds the target's lock.
func (r rust) build(t testing.TB, crate string, o RustOptions) (library string, err error) {
	shared := filepath.Join(cacheDir(t), "cargo")
	profile := map[string]string{"": "release", "dev": "debug"}[o.Profile]
	if profile == "" {
		profile = o.Profile
	}
	dir := filepath.Join(shared, string(r.target), profile)
	// cargo names a dynamic library without its usual hash, and would take another crate's, or the same one's with other
	// features, for the one that it has built. What isn't there it links anew.
	if err := removeLibraries(r.target, dir, filepath.Join(dir, "deps")); err != nil {
		return "", err
	}
	if err := r.cargo(t, shared, crate, o); err != nil {
		return "", err
	}
	built, _ := filepath.Glob(filepath.Join(dir, FileName(r.target, "*")))
	if len(built) != 1 {
		return "", fmt.Errorf("crate %s: expected one dynamic library, found %d in %s: is its crate-type cdylib?", crate, len(built), dir)
	}
	return built[0], nil
}

func removeLibraries(target manifest.Target, dirs ...string) error {
	for _, dir := range dirs {
		old, _ := filepath.Glob(filepath.Join(dir, FileName(target, "*")))
		for _, path := range old {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r rust) cargo(t testing.TB, shared, crate string, o RustOptions) error {
	args := []string{r.verb, "--quiet", "--lib", "--target", string(r.target), "--target-dir", shared}
	env := slices.Concat(cleanEnvironment(), r.env)
	switch o.Profile {
	case "":
		args = append(args, "--release")
		env = append(env, "CARGO_PROFILE_RELEASE_STRIP=symbols")
	default:
		args = append(args, "--profile", o.Profile)
	}
	if _, err := os.Stat(filepath.Join(crate, "Cargo.lock")); err == nil {
		args = append(args, "--locked")
	}
	if len(o.Features) > 0 {
		args = append(args, "--features", strings.Join(o.Features, ","))
	}
	cmd := exec.CommandContext(t.Context(), "cargo", args...)
	cmd.Dir = crate
	cmd.Env = append(env, o.Env...)
	out, err := cmd.CombinedOutput()
	if err != nil && isOffline(string(out)) {
		t.Skipf("testplugin: crate %s: the crates it depends on can't be had: cargo fetch in that folder, online\n%s", crate, out)
	}
	if err != nil {
		return fmt.Errorf("%v in %s: %w\n%s", cmd.Args, crate, err, out)
	}
	return nil
}

func isOffline(messages string) bool {
	return strings.Contains(messages, "failed to download") || strings.Contains(messages, "Unable to update registry")
}

// cleanEnvironment leaves out what would change the result without being in the key.
func cleanEnvironment() []string {
	return slices.DeleteFunc(os.Environ(), func(word string) bool {
		name, _, _ := strings.Cut(word, "=")
		return name == "RUSTFLAGS" || strings.HasPrefix(name, "CARGO_") && name != "CARGO_HOME" && !strings.HasPrefix(name, "CARGO_HTTP_")
	})
}

// lock waits for the other processes that build for a target.
func lock(t testing.TB, path string) (unlock func()) {
	t.Helper()
	mutex := flock.New(path)
	if err := mutex.Lock(); err != nil {
		t.Fatalf("testplugin: %v", err)
	}
	return func() { _ = mutex.Unlock() }
}
