package testplugin

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/loadr-plugins/loadr/manifest"
)

// C compiles C text as a dynamic library for target and returns the library's path. The text may include
// "loadr_plugin.h". The flags come after the standard ones, so they win. The test is skipped where no compiler for
// target is installed, and fails with the compiler's messages when the text does not compile. The file is shared by
// everyone who asks for the same: copy it before changing it.
func C(t testing.TB, target manifest.Target, source string, flags ...string) string {
	t.Helper()
	return build(t, compilerFor(t, target), library{
		name:   FileName(target, "plugin"),
		source: source,
		flags:  append(standardFlags(target), flags...),
	})
}

// Zig compiles as C does, always with zig, for one of zig's own targets, which can say what a triple can't:
// "x86_64-linux-gnu.2.28" links against the versions of symbols that glibc 2.28 had. It must be of the same platform as
// target.
func Zig(t testing.TB, target manifest.Target, zigTarget, source string, flags ...string) string {
	t.Helper()
	return build(t, zigFor(t, zigTarget), library{
		name:   FileName(target, "plugin"),
		source: source,
		flags:  append(standardFlags(target), flags...),
	})
}

// Apple compiles for a Mac and links with LLVM's linker instead of zig's, which can make the forms of newer Apple tools:
// the link flags "-fixup_chains" and "-init_offsets" do. Undefined symbols are left to be found when it is opened. The
// test is skipped where zig or the linker is missing.
func Apple(t testing.TB, target manifest.Target, source string, linkFlags ...string) string {
	t.Helper()
	linker := appleLinker()
	if linker.command == nil {
		t.Skip("testplugin: no linker for Apple's systems: install Rust, or LLVM's ld64.lld")
	}
	arch := map[string]string{"aarch64": "arm64", "x86_64": "x86_64"}[target.Machine()]
	standard := []string{"-arch", arch, "-dylib", "-undefined", "dynamic_lookup", "-platform_version", "macos", "13.0", "13.0"}
	return build(t, zigFor(t, zigTargets[target]), library{
		name:      FileName(target, "plugin"),
		source:    source,
		flags:     []string{"-std=gnu11", "-O2", "-g0"},
		linker:    linker,
		linkFlags: append(standard, linkFlags...),
	})
}

// Echo compiles examples/c-echo for target, under the conditions of C.
func Echo(t testing.TB, target manifest.Target) string {
	t.Helper()
	source, err := os.ReadFile(filepath.Join(Root(t), "examples", "c-echo", "c_echo.c"))
	if err != nil {
		t.Fatalf("testplugin: source of the echo plugin: %v", err)
	}
	return build(t, compilerFor(t, target), library{
		name:   FileName(target, "c_echo"),
		source: string(source),
		flags:  append(standardFlags(target), "-fvisibility=hidden"),
	})
}

// FileName gives the customary name of a dynamic library on target: libstem.so, libstem.dylib or stem.dll.
func FileName(target manifest.Target, stem string) string {
	switch target.Format() {
	case manifest.PE:
		return stem + ".dll"
	case manifest.MachO:
		return "lib" + stem + ".dylib"
	}
	return "lib" + stem + ".so"
}

// Root gives the root of this module's checkout: the nearest folder above the test's that has a go.mod.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatalf("testplugin: %v", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("testplugin: no go.mod above the working directory")
		}
		dir = parent
	}
}

func standardFlags(target manifest.Target) []string {
	flags := []string{"-std=gnu11", "-O2", "-g0", "-shared"}
	if target.Format() != manifest.PE {
		flags = append(flags, "-fPIC")
	}
	return flags
}
