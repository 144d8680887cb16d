package loader

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/internal/testplugin"
	"github.com/loadr-plugins/loadr/loader/abistable"
	"github.com/loadr-plugins/loadr/loader/binfile"
	"github.com/loadr-plugins/loadr/manifest"
)

const linuxAMD64 = "x86_64-unknown-linux-gnu"

var everyC = []string{"loadr_plugin_abi_version", "loadr_plugin_execute", "loadr_plugin_free", "loadr_plugin_info"}

// fourFunctions is a plugin of the C interface; each can be taken away by a macro.
const fourFunctions = `#include "loadr_plugin.h"
#ifndef NO_VERSION
uint32_t loadr_plugin_abi_version(void) { return 1; }
#endif
#ifndef NO_INFO
uint8_t *loadr_plugin_info(size_t *n) { *n = 0; return 0; }
#endif
#ifndef NO_EXECUTE
uint8_t *loadr_plugin_execute(const uint8_t *r, size_t l, size_t *n) { *n = 0; return 0; }
#endif
#ifndef NO_FREE
void loadr_plugin_free(uint8_t *p, size_t n) {}
#endif
#ifdef ROOT_MODULE
LOADR_PLUGIN_EXPORT volatile char _1as_0lib_1header_0root_bmodule_bloader[152] = "no header of abi_stable at all.. ";
#endif
`

func TestInspectEcho(t *testing.T) {
	path := testplugin.Echo(t, linuxAMD64)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(text)
	lib := inspect(t, path)
	want := &manifest.Library{
		Format: manifest.ELF, Machine: "x86_64", Needs: []string{"libc.so.6"},
		Digest: digest.Digest("sha256:" + hex.EncodeToString(sum[:])), Size: int64(len(text)),
		Libc: lib.Libc, Constructors: lib.Constructors, // the compiler's choice; see TestGlibcFloor and binfile's tests
		Exports: everyC,
		ABI:     manifest.ABIReport{Family: manifest.FamilyC, Version: "1.0.0", Verdict: manifest.Fits},
	}
	if diff := cmp.Diff(want, lib); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
	if lib.Libc.Name != manifest.Glibc || lib.Libc.Version == "" {
		t.Errorf("libc %v, want glibc with a floor", lib.Libc)
	}
}

func TestInspectVerifiedSaysTheSame(t *testing.T) {
	path := testplugin.Echo(t, linuxAMD64)
	want := inspect(t, path)
	got, err := InspectVerified(path, want.Digest)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v, report (-Inspect +InspectVerified):\n%s", err, diff)
	}
	if _, err := InspectVerified(t.TempDir(), want.Digest); err == nil {
		t.Error("a directory has a report")
	}
}

func TestEchoOfEveryTargetFits(t *testing.T) {
	for _, target := range manifest.Targets() {
		if target == manifest.Neutral {
			continue
		}
		t.Run(string(target), func(t *testing.T) {
			lib := inspect(t, testplugin.Echo(t, target))
			if lib.ABI.ABI().String() != "c/1.0.0" || lib.ABI.Verdict != manifest.Fits || !cmp.Equal(lib.Exports, everyC) {
				t.Errorf("abi %+v, exports %v", lib.ABI, lib.Exports)
			}
			if lib.Libc.Name != target.Libc() {
				t.Errorf("libc %v, want %q", lib.Libc, target.Libc())
			}
		})
	}
}

func TestInterfaces(t *testing.T) {
	problem := func(name string) manifest.Problem {
		return manifest.Problem{Path: name, Rule: "exported", Want: "an exported function", Got: "no such symbol"}
	}
	c := manifest.ABIReport{Family: manifest.FamilyC, Version: "1.0.0", Verdict: manifest.Fits}
	native := manifest.ABIReport{Family: manifest.FamilyNative, Verdict: manifest.Differs, Problems: []manifest.Problem{{
		Path: "header", Rule: "magic", Want: `"abi stable library for Rust     "`, Got: `"no header of abi_stable at all.."`}}}
	all := []string{"-DNO_VERSION", "-DNO_INFO", "-DNO_EXECUTE", "-DNO_FREE"}
	for name, test := range map[string]struct {
		flags   []string
		exports []string
		report  manifest.ABIReport
	}{
		"all":                  {nil, everyC, c},
		"no execute":           {[]string{"-DNO_EXECUTE"}, []string{everyC[0], everyC[2], everyC[3]}, differs(problem(everyC[1]))},
		"no version":           {[]string{"-DNO_VERSION"}, everyC[1:], differs(problem(everyC[0]))},
		"version only":         {all[1:], everyC[:1], differs(problem(everyC[1]), problem(everyC[2]), problem(everyC[3]))},
		"both":                 {[]string{"-DROOT_MODULE"}, append([]string{abistable.RootModule}, everyC...), c},
		"root module":          {append(all, "-DROOT_MODULE"), []string{abistable.RootModule}, native},
		"root module and free": {append([]string{"-DROOT_MODULE"}, all[:3]...), []string{abistable.RootModule, everyC[2]}, native},
		"none": {all, []string{}, manifest.ABIReport{Verdict: manifest.Differs, Problems: []manifest.Problem{{Path: "exports",
			Rule: "plugin-interface", Want: "loadr_plugin_abi_version or " + abistable.RootModule, Got: "neither"}}}},
	} {
		for _, target := range []manifest.Target{linuxAMD64, "aarch64-apple-darwin", "x86_64-pc-windows-msvc"} {
			t.Run(name+"/"+string(target), func(t *testing.T) {
				lib := inspect(t, testplugin.C(t, target, fourFunctions, test.flags...))
				if diff := cmp.Diff(test.exports, lib.Exports); diff != "" {
					t.Errorf("exports (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(test.report, lib.ABI); diff != "" {
					t.Errorf("report (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func differs(problems ...manifest.Problem) manifest.ABIReport {
	return manifest.ABIReport{Family: manifest.FamilyC, Verdict: manifest.Differs, Problems: problems}
}

// TestDataIsNoFunction has a variable where a function is expected; calling it would crash.
func TestDataIsNoFunction(t *testing.T) {
	const source = fourFunctions + "LOADR_PLUGIN_EXPORT volatile int loadr_plugin_info = 1;"
	lib := inspect(t, testplugin.C(t, linuxAMD64, strings.Replace(source, `#include "loadr_plugin.h"`,
		"#include <stddef.h>\n#include <stdint.h>\n#define LOADR_PLUGIN_EXPORT", 1), "-DNO_INFO"))
	want := differs(manifest.Problem{Path: "loadr_plugin_info", Rule: "exported", Want: "an exported function", Got: "data"})
	if diff := cmp.Diff(want, lib.ABI); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
}

// TestGlibcFloor links the same text against several versions of glibc. Its functions got new symbol versions with 2.28
// (fcntl), 2.33 (stat) and 2.34 (dlsym moved into libc).
func TestGlibcFloor(t *testing.T) {
	const source = `#include <fcntl.h>
#include <sys/stat.h>
#include <dlfcn.h>
int f(void) { struct stat s; return fcntl(0, F_GETFD) + stat("/", &s) + (dlsym(0, "f") != 0); }
`
	for zig, want := range map[string]manifest.Libc{
		"x86_64-linux-gnu.2.27":  {Name: manifest.Glibc, Version: "2.2.5"},
		"x86_64-linux-gnu.2.28":  {Name: manifest.Glibc, Version: "2.28"},
		"x86_64-linux-gnu.2.33":  {Name: manifest.Glibc, Version: "2.33"},
		"x86_64-linux-gnu.2.39":  {Name: manifest.Glibc, Version: "2.34"},
		"aarch64-linux-gnu.2.27": {Name: manifest.Glibc, Version: "2.17"},
		"aarch64-linux-gnu.2.39": {Name: manifest.Glibc, Version: "2.34"},
		"x86_64-linux-musl":      {Name: manifest.Musl},
	} {
		t.Run(zig, func(t *testing.T) {
			lib := inspect(t, testplugin.Zig(t, linuxAMD64, zig, source, "-D_FILE_OFFSET_BITS=64"))
			if lib.Libc != want {
				t.Errorf("libc %v, want %v", lib.Libc, want)
			}
		})
	}
}

// TestNoLibcNeeded has a library that could be of either kind of Linux.
func TestNoLibcNeeded(t *testing.T) {
	lib := inspect(t, testplugin.Zig(t, linuxAMD64, "x86_64-linux-gnu.2.28", "int f(void) { return 1; }", "-nostdlib"))
	if lib.Libc != (manifest.Libc{}) || len(lib.Needs) != 0 {
		t.Errorf("libc %v, needs %v; want none", lib.Libc, lib.Needs)
	}
	for _, target := range []manifest.Target{linuxAMD64, "x86_64-unknown-linux-musl"} {
		if err := Matches(lib, target); err != nil {
			t.Error(err)
		}
	}
}

// TestInspectRunsNothing inspects a library whose constructor writes a file. That the file appears when a program opens
// the library shows that the test could fail.
func TestInspectRunsNothing(t *testing.T) {
	target, ok := HostTarget()
	if runtime.GOOS != "linux" || !ok {
		t.Skip("needs LD_PRELOAD")
	}
	const source = `#include <stdio.h>
#include <stdlib.h>
__attribute__((constructor)) static void run(void) {
	const char *path = getenv("LOADR_TEST_TRACE");
	FILE *f = path ? fopen(path, "w") : 0;
	if (f) fclose(f);
}
` + fourFunctions
	trace := filepath.Join(t.TempDir(), "trace")
	t.Setenv("LOADR_TEST_TRACE", trace)
	path := testplugin.C(t, target, source)
	if lib := inspect(t, path); lib.Constructors == 0 || lib.ABI.Verdict != manifest.Fits {
		t.Errorf("%d constructors, verdict %s", lib.Constructors, lib.ABI.Verdict)
	}
	if _, err := os.Stat(trace); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("inspection ran the constructor: %v", err)
	}
	opening := exec.Command("/bin/true")
	opening.Env = append(os.Environ(), "LD_PRELOAD="+path)
	if out, err := opening.CombinedOutput(); err != nil {
		t.Fatalf("control: %v\n%s", err, out)
	}
	if _, err := os.Stat(trace); err != nil {
		t.Errorf("control: opening the library did not run the constructor: %v", err)
	}
}

func TestWasm(t *testing.T) {
	for text, family := range map[string]manifest.Family{
		"\x00asm\x0d\x00\x01\x00rest": manifest.FamilyComponent,
		"\x00asm\x01\x00\x00\x00rest": "",
	} {
		lib, err := InspectReader(strings.NewReader(text), int64(len(text)))
		want := &manifest.Library{Format: manifest.WasmFile, Machine: "wasm32", Digest: digest.FromString(text), Size: 12,
			Needs: []string{}, Exports: []string{}, ABI: manifest.ABIReport{Family: family, Verdict: manifest.Unverifiable}}
		if diff := cmp.Diff(want, lib); err != nil || diff != "" {
			t.Errorf("%v, report (-want +got):\n%s", err, diff)
		}
		if err := Matches(lib, manifest.Neutral); err != nil {
			t.Error(err)
		}
	}
}

func TestInspectErrors(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for path, want := range map[string]string{
		dir:                                      "expected a library, found a directory",
		filepath.Join(dir, "absent"):             "no such file or directory",
		write("empty.so", ""):                    "found an empty file",
		write("text.so", "hello, library"):       "found a text",
		write("short.so", "\x7fELF\x02\x01\x01"): "file is truncated",
		"/bin/sh":                                "elf image: expected a dynamic library, found a program",
	} {
		lib, err := Inspect(path)
		var inspect *InspectError
		if lib != nil || !errors.As(err, &inspect) || inspect.Path != path || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v; want %q", path, lib, err, want)
		}
		if strings.Count(err.Error(), path) != 1 {
			t.Errorf("error %q names the file more or less than once", err)
		}
	}
	if _, err := Inspect(filepath.Join(dir, "absent")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	var format *binfile.FormatError
	if _, err := Inspect(filepath.Join(dir, "short.so")); !errors.As(err, &format) || format.Format != manifest.ELF {
		t.Errorf("a damaged file: %v", err)
	}
	var program *NotLibraryError
	if _, err := Inspect("/bin/sh"); !errors.As(err, &program) || program.Hint() == "" {
		t.Errorf("a program: %v", err)
	}
}

// TestInspectReaderChecksTheSize has fewer bytes than were announced, after everything that describes the library.
func TestInspectReaderChecksTheSize(t *testing.T) {
	text, err := os.ReadFile(testplugin.Echo(t, linuxAMD64))
	if err != nil {
		t.Fatal(err)
	}
	if lib, err := InspectReader(bytes.NewReader(text), int64(len(text))+1); err == nil {
		t.Errorf("report %+v about more bytes than there are", lib)
	}
}

func inspect(t *testing.T, path string) *manifest.Library {
	t.Helper()
	lib, err := Inspect(path)
	if err != nil {
		t.Fatal(err)
	}
	return lib
}
