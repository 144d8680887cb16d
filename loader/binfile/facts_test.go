package binfile

import (
	"debug/elf"
	"encoding/binary"
	"runtime"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/loadr-plugins/loadr/internal/testplugin"
	"github.com/loadr-plugins/loadr/manifest"
)

// hello has two constructors, exports a function and a variable, hides a function, and imports puts.
const hello = `int puts(const char *);
#ifdef _WIN32
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif
__attribute__((constructor)) static void first(void) { puts("1"); }
__attribute__((constructor)) static void second(void) { puts("2"); }
EXPORT int a_function(int x) { return x + 1; }
EXPORT int a_function_with_a_longer_name(int x) { return x + 2; }
EXPORT volatile int a_variable = 7;
__attribute__((visibility("hidden"), used)) int a_hidden_function(int x) { return x + 3; }
`

const (
	linuxAMD64 = "x86_64-unknown-linux-gnu"
	darwinARM  = "aarch64-apple-darwin"
	windows64  = "x86_64-pc-windows-gnu"
)

func TestFactsOfEveryPlatform(t *testing.T) {
	system := []string{"/usr/lib/libSystem.B.dylib"}
	glibc := func(name string) []Version { return []Version{{Library: "libc.so.6", Name: name}} }
	for _, test := range []struct {
		target  manifest.Target
		zig     string
		machine string
		file    File
	}{
		{linuxAMD64, "x86_64-linux-gnu.2.28", "x86_64", File{Needs: []string{"libc.so.6"}, Versions: glibc("GLIBC_2.2.5")}},
		{"aarch64-unknown-linux-gnu", "aarch64-linux-gnu.2.28", "aarch64", File{Needs: []string{"libc.so.6"}, Versions: glibc("GLIBC_2.17")}},
		{"armv7-unknown-linux-gnueabihf", "arm-linux-gnueabihf.2.28", "armv7", File{Needs: []string{"libc.so.6"}, Versions: glibc("GLIBC_2.4")}},
		{"riscv64gc-unknown-linux-gnu", "riscv64-linux-gnu.2.28", "riscv64gc", File{Needs: []string{"libc.so.6"}, Versions: glibc("GLIBC_2.27")}},
		{"x86_64-unknown-linux-musl", "x86_64-linux-musl", "x86_64", File{Needs: []string{"libc.so"}}},
		{"aarch64-unknown-linux-musl", "aarch64-linux-musl", "aarch64", File{Needs: []string{"libc.so"}}},
		{"armv7-unknown-linux-musleabihf", "arm-linux-musleabihf", "armv7", File{Needs: []string{"libc.so"}}},
		{"riscv64gc-unknown-linux-musl", "riscv64-linux-musl", "riscv64gc", File{Needs: []string{"libc.so"}}},
		{"x86_64-unknown-freebsd", "x86_64-freebsd", "x86_64", File{Needs: []string{"libc.so.7"},
			Versions: []Version{{Library: "libc.so.7", Name: "FBSD_1.0"}}}},
		{darwinARM, "aarch64-macos", "aarch64", File{Needs: system}},
		{"x86_64-apple-darwin", "x86_64-macos", "x86_64", File{Needs: system}},
	} {
		t.Run(test.zig, func(t *testing.T) {
			f := open(t, testplugin.Zig(t, test.target, test.zig, hello, "-s"))
			want := test.file
			want.Format, want.Machine, want.Library, want.Constructors = test.target.Format(), test.machine, true, 2
			if diff := cmp.Diff(&want, f, cmpopts.IgnoreUnexported(File{})); diff != "" {
				t.Errorf("facts (-want +got):\n%s", diff)
			}
			checkSymbols(t, f)
		})
	}
}

// TestWindowsFacts builds without a C run-time, whose own needs and callbacks would be zig's choice.
func TestWindowsFacts(t *testing.T) {
	const source = hello + `
__declspec(dllimport) unsigned GetTickCount(void);
__declspec(dllimport) void *GetDesktopWindow(void);
int _DllMainCRTStartup(void *image, unsigned reason, void *r) { return GetTickCount() != 1; }
int DllMainCRTStartup(void *image, unsigned reason, void *r) { return 1; } // what zig 0.17 calls it
EXPORT void *a_window(void) { return GetDesktopWindow(); }
int puts(const char *text) { return *text; }
typedef void callback_function(void *image, unsigned reason, void *r);
static void callback(void *image, unsigned reason, void *r) { a_variable++; }
int _tls_index;
static callback_function *const callbacks[] = {CALLBACKS 0};
__attribute__((used)) const struct { void *start, *end; int *index; callback_function *const *callbacks; int zero, flags; }
	_tls_used = {0, 0, &_tls_index, callbacks, 0, 0};
`
	for _, test := range []struct {
		target               manifest.Target
		zig, machine, define string
		constructors         int
	}{
		{windows64, "x86_64-windows-gnu", "x86_64", "-DCALLBACKS=", 1},
		{windows64, "x86_64-windows-gnu", "x86_64", "-DCALLBACKS=callback,callback,callback,", 4},
		{"aarch64-pc-windows-gnullvm", "aarch64-windows-gnu", "aarch64", "-DCALLBACKS=callback,", 2},
	} {
		t.Run(test.zig+test.define, func(t *testing.T) {
			f := open(t, testplugin.Zig(t, test.target, test.zig, source, test.define, "-nostdlib", "-lkernel32", "-luser32"))
			want := File{Format: manifest.PE, Machine: test.machine, Library: true, Constructors: test.constructors,
				Needs: []string{"KERNEL32.dll", "USER32.dll"}}
			slices.Sort(f.Needs) // the linker's order differs by machine
			if diff := cmp.Diff(&want, f, cmpopts.IgnoreUnexported(File{})); diff != "" {
				t.Errorf("facts (-want +got):\n%s", diff)
			}
			checkSymbols(t, f)
		})
	}
}

// TestAppleForms looks at what newer Apple tools make: an export trie in a command of its own, and initializers as
// offsets.
func TestAppleForms(t *testing.T) {
	for _, flags := range [][]string{{}, {"-fixup_chains"}, {"-fixup_chains", "-init_offsets"}} {
		f := open(t, testplugin.Apple(t, darwinARM, hello, flags...))
		if f.Constructors != 2 {
			t.Errorf("%v: %d constructors, want 2", flags, f.Constructors)
		}
		checkSymbols(t, f)
	}
}

func TestInitFunctionCounts(t *testing.T) {
	const source = hello + "EXPORT void start_up(void) { puts(\"0\"); }"
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		t.Skip("needs a GNU linker: zig's has no -init")
	}
	f := open(t, testplugin.C(t, linuxAMD64, source, "-Wl,-init,start_up", "-nostartfiles"))
	if f.Constructors != 3 {
		t.Errorf("%d constructors, want 3: DT_INIT and two of DT_INIT_ARRAY", f.Constructors)
	}
}

func TestBothHashTables(t *testing.T) {
	for _, style := range []string{"sysv", "gnu", "both"} {
		t.Run(style, func(t *testing.T) {
			checkSymbols(t, open(t, testplugin.Zig(t, linuxAMD64, "x86_64-linux-gnu.2.28", hello, "-Wl,--hash-style="+style)))
			checkSymbols(t, open(t, testplugin.Zig(t, "armv7-unknown-linux-gnueabihf", "arm-linux-musleabihf", hello, "-Wl,--hash-style="+style)))
		})
	}
}

func TestBigEndianAndOtherMachines(t *testing.T) {
	for zig, machine := range map[string]string{
		"powerpc64-linux-musl":  "powerpc64",
		"s390x-linux-musl":      "s390x",
		"x86-linux-musl":        "i686",
		"mips-linux-musleabihf": "mips-bigendian-32bit",
		"arm-linux-musleabi":    "arm-softfloat",
	} {
		t.Run(zig, func(t *testing.T) {
			f := open(t, testplugin.Zig(t, linuxAMD64, zig, hello, "-s", "-nostdlib", "-fno-builtin"))
			if f.Machine != machine {
				t.Errorf("machine %q, want %q", f.Machine, machine)
			}
			if symbol, found, err := f.Lookup("a_function"); !found || err != nil || symbol.Address == 0 {
				t.Errorf("a_function: %+v, %v, %v", symbol, found, err)
			}
		})
	}
}

func TestThirtyTwoBitFormsAreOtherMachines(t *testing.T) {
	for machine, want := range map[elf.Machine]string{elf.EM_X86_64: "x86_64-32bit", elf.EM_AARCH64: "aarch64-32bit"} {
		e := elfImage{memory: memory{source: source{order: binary.LittleEndian}}, machine: machine}
		if got := e.machineName(); got != want {
			t.Errorf("32-bit %v: %q, want %q", machine, got, want)
		}
	}
}

func TestProgramsAreNotLibraries(t *testing.T) {
	f := open(t, "/proc/self/exe")
	if f.Library {
		t.Error("the test program counts as a library")
	}
	f = open(t, "/bin/sh")
	if f.Library || f.Interpreter == "" {
		t.Errorf("/bin/sh: library %v, interpreter %q", f.Library, f.Interpreter)
	}
}

// checkSymbols looks for what a library of hello offers and for what it does not.
func checkSymbols(t *testing.T, f *File) {
	t.Helper()
	function := mustFind(t, f, "a_function")
	longer := mustFind(t, f, "a_function_with_a_longer_name")
	variable := mustFind(t, f, "a_variable")
	if !function.Code || !longer.Code || variable.Code {
		t.Errorf("code: function %v, %v, variable %v; want true, true, false", function.Code, longer.Code, variable.Code)
	}
	if function.Address == longer.Address || function.Address == 0 {
		t.Errorf("addresses %#x and %#x of different functions", function.Address, longer.Address)
	}
	if buf, err := f.memory.read("test", variable.Address, 4); err != nil || f.memory.order.Uint32(buf) != 7 {
		t.Errorf("at the variable's address: %x, %v, want 7", buf, err)
	}
	for _, name := range []string{"a_hidden_function", "first", "puts", "a_functio", "a_function_", "A_function", "", "zz", "a"} {
		if symbol, found, err := f.Lookup(name); found || err != nil {
			t.Errorf("%q: %+v, %v, %v; want not found", name, symbol, found, err)
		}
	}
}

func mustFind(t *testing.T, f *File, name string) Symbol {
	t.Helper()
	symbol, found, err := f.Lookup(name)
	if !found || err != nil {
		t.Errorf("%s: found %v, %v", name, found, err)
	}
	return symbol
}

func open(t testing.TB, path string) *File {
	t.Helper()
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}
