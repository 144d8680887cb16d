package testplugin

import (
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/loadr-plugins/loadr/manifest"
)

// compiler is a command that takes a C compiler's flags. The identity is part of the cache key, so that another
// version of the compiler builds anew.
type compiler struct {
	command  []string
	identity string
}

// zigTargets has zig's name of each target. The msvc triples get zig's gnu libraries: those of msvc can't be had
// outside of Windows, and what these tests look at is the same in both.
var zigTargets = map[manifest.Target]string{
	"aarch64-apple-darwin":           "aarch64-macos",
	"aarch64-pc-windows-gnullvm":     "aarch64-windows-gnu",
	"aarch64-pc-windows-msvc":        "aarch64-windows-gnu",
	"aarch64-unknown-linux-gnu":      "aarch64-linux-gnu",
	"aarch64-unknown-linux-musl":     "aarch64-linux-musl",
	"armv7-unknown-linux-gnueabihf":  "arm-linux-gnueabihf",
	"armv7-unknown-linux-musleabihf": "arm-linux-musleabihf",
	"riscv64gc-unknown-linux-gnu":    "riscv64-linux-gnu",
	"riscv64gc-unknown-linux-musl":   "riscv64-linux-musl",
	"x86_64-apple-darwin":            "x86_64-macos",
	"x86_64-pc-windows-gnu":          "x86_64-windows-gnu",
	"x86_64-pc-windows-msvc":         "x86_64-windows-gnu",
	"x86_64-unknown-freebsd":         "x86_64-freebsd",
	"x86_64-unknown-linux-gnu":       "x86_64-linux-gnu",
	"x86_64-unknown-linux-musl":      "x86_64-linux-musl",
}

// compilerFor prefers the machine's own compiler: it needs no installation and is quicker.
func compilerFor(t testing.TB, target manifest.Target) compiler {
	t.Helper()
	if cc := hostCompiler(); cc.target == target && cc.command != nil {
		return cc.compiler
	}
	zigTarget, ok := zigTargets[target]
	if !ok {
		t.Fatalf("testplugin: no C compiler makes libraries for target %q", target)
	}
	return zigFor(t, zigTarget)
}

func zigFor(t testing.TB, zigTarget string) compiler {
	t.Helper()
	zig := findZig()
	if zig.command == nil {
		t.Skipf("testplugin: no C compiler for %s: install zig (pip install ziglang==0.16.0)", zigTarget)
	}
	// zig makes undefined behaviour trap unless told otherwise; that pulls in a run-time library. Debug information
	// of zig's own helpers comes in too unless stripped.
	flags := []string{"cc", "-target", zigTarget, "-fno-sanitize=all", "-s"}
	return compiler{append(append([]string(nil), zig.command...), flags...), zig.identity + " " + zigTarget}
}

var findZig = sync.OnceValue(func() compiler {
	for _, command := range [][]string{{"zig"}, {"python3", "-m", "ziglang"}, {"python", "-m", "ziglang"}} {
		out, err := exec.Command(command[0], append(command[1:], "version")...).Output()
		if err == nil {
			return compiler{command, "zig " + strings.TrimSpace(string(out))}
		}
	}
	return compiler{}
})

// appleLinker finds LLVM's linker for Apple's systems, the one that comes with Rust or one on the path. zig's own does
// not make chained fix-ups and other newer forms that Apple's linker makes.
var appleLinker = sync.OnceValue(func() compiler {
	candidates := [][]string{{"ld64.lld"}}
	if sysroot, err := exec.Command("rustc", "--print", "sysroot").Output(); err == nil {
		pattern := filepath.Join(strings.TrimSpace(string(sysroot)), "lib", "rustlib", "*", "bin", "rust-lld*")
		if found, _ := filepath.Glob(pattern); found != nil {
			candidates = append([][]string{{found[0], "-flavor", "darwin"}}, candidates...)
		}
	}
	for _, command := range candidates {
		out, err := exec.Command(command[0], append(command[1:], "--version")...).Output()
		if err == nil {
			return compiler{command, strings.TrimSpace(string(out))}
		}
	}
	return compiler{}
})

type nativeCompiler struct {
	compiler
	target manifest.Target
}

var hostCompiler = sync.OnceValue(func() nativeCompiler {
	version, err := exec.Command("cc", "--version").Output()
	if err != nil {
		return nativeCompiler{}
	}
	machine, err := exec.Command("cc", "-dumpmachine").Output()
	if err != nil {
		return nativeCompiler{}
	}
	libc := manifest.Glibc
	if strings.Contains(string(machine), "musl") {
		libc = manifest.Musl
	}
	target, _ := manifest.TargetFor(runtime.GOOS, runtime.GOARCH, libc)
	firstLine, _, _ := strings.Cut(string(version), "\n")
	return nativeCompiler{compiler{[]string{"cc"}, firstLine + " " + string(machine)}, target}
})
