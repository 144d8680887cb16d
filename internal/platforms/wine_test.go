package platforms_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// processPrng is what Go programs and Rust libraries import and Wine 8 lacks: Windows's source of random bytes.
const processPrng = `#include <windows.h>
#include <ntsecapi.h>
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE buffer, SIZE_T length) { return RtlGenRandom(buffer, (ULONG)length); }
`

// windows is Windows on amd64 as Wine runs it, with a configuration of its own that goes away with the test.
func windows(t *testing.T) machine {
	t.Helper()
	wine, err := exec.LookPath("wine")
	if err != nil {
		t.Skip("no Wine for Windows programs: apt-get install wine wine64 (./scripts/tools.sh)")
	}
	compiler, err := exec.LookPath("x86_64-w64-mingw32-gcc")
	if err != nil {
		t.Skip("no C compiler for Windows: apt-get install gcc-mingw-w64-x86-64-posix (./scripts/tools.sh)")
	}
	m := machine{target: "x86_64-pc-windows-gnu", system: "windows", arch: "amd64", runner: []string{wine}}
	m.build(t)
	m.env = wineEnvironment(t)
	boot(t, m)
	shim(t, compiler, m.prefix())
	return m
}

// wineEnvironment keeps Wine from the user's home, from a display, and from asking for what it lacks.
func wineEnvironment(t *testing.T) []string {
	home := t.TempDir()
	return []string{
		"WINEPREFIX=" + filepath.Join(home, "prefix"), "HOME=" + home, "DISPLAY=", "WAYLAND_DISPLAY=", "WINEDEBUG=-all",
		"WINEDLLOVERRIDES=winemenubuilder.exe,mscoree,mshtml=",
	}
}

func (m machine) prefix() string { return m.env[0][len("WINEPREFIX="):] }

// boot fills the prefix. Wine's server goes on in the background until it is ended here.
func boot(t *testing.T, m machine) {
	t.Helper()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		for _, flag := range []string{"-k", "-w"} { // end it, and wait for its end
			server := exec.CommandContext(ctx, "wineserver", flag)
			server.Env = append(os.Environ(), m.env...)
			_ = server.Run() // it may have ended by itself
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	// Its messages would go to the programs that stay behind, and Wait would wait for them.
	if err := m.command(ctx, "wineboot", "--init").Run(); err != nil {
		t.Fatalf("wineboot: %v", err)
	}
}

// shim compiles bcryptprimitives.dll and puts it where Wine looks for the system's.
func shim(t *testing.T, compiler, prefix string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), compiler, "-x", "c", "-", "-O2", "-s", "-shared", "-ladvapi32",
		"-o", filepath.Join(prefix, "drive_c", "windows", "system32", "bcryptprimitives.dll"))
	cmd.Stdin = bytes.NewReader([]byte(processPrng))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
}
