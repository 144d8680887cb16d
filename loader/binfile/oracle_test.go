package binfile

import (
	"debug/elf"
	"debug/macho"
	"debug/pe"
	"errors"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/loadr-plugins/loadr/internal/testplugin"
)

// The tests of this file compare with other readers of the same files: the standard library's, which go by section
// headers and symbol tables, and the tools of LLVM and GNU where they are installed.

// TestSystemLibraries takes real libraries of this machine, of many sizes and makers.
func TestSystemLibraries(t *testing.T) {
	paths, _ := filepath.Glob("/usr/lib/*-linux-gnu*/*.so.*")
	more, _ := filepath.Glob("/usr/lib64/*.so.*")
	paths = append(paths, more...)
	if len(paths) == 0 {
		t.Skip("no shared libraries in the usual places")
	}
	step := max(len(paths)/150, 1)
	compared := 0
	for i := 0; i < len(paths); i += step {
		if compareWithDebugELF(t, paths[i]) {
			compared++
		}
	}
	t.Logf("%d libraries compared", compared)
	if compared == 0 {
		t.Error("nothing compared")
	}
}

func compareWithDebugELF(t *testing.T, path string) bool {
	want, err := elf.Open(path)
	if err != nil {
		return false // a linker script or a broken link
	}
	defer want.Close()
	got := open(t, path)
	libraries, _ := want.ImportedLibraries()
	if diff := cmp.Diff(libraries, got.Needs, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s: needs (-want +got):\n%s", path, diff)
	}
	if diff := cmp.Diff(neededVersions(want), got.Versions, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s: versions (-want +got):\n%s", path, diff)
	}
	if n := constructorsBySection(want); n != got.Constructors {
		t.Errorf("%s: %d constructors, want %d", path, got.Constructors, n)
	}
	compareSymbols(t, path, want, got)
	return true
}

func neededVersions(f *elf.File) (versions []Version) {
	needs, _ := f.DynamicVersionNeeds()
	for _, need := range needs {
		for _, dep := range need.Needs {
			versions = append(versions, Version{need.Name, dep.Dep, dep.Flags&elf.VER_FLG_WEAK != 0})
		}
	}
	return versions
}

func constructorsBySection(f *elf.File) (count int) {
	if init, _ := f.DynValue(elf.DT_INIT); len(init) > 0 {
		count++
	}
	for _, s := range f.Sections {
		if s.Type == elf.SHT_INIT_ARRAY {
			count += int(s.Size / 8)
		}
	}
	return count
}

// compareSymbols looks up every dynamic symbol: those defined have to be found, the others not. A name may be defined
// several times, in several versions.
func compareSymbols(t *testing.T, path string, want *elf.File, got *File) {
	symbols, _ := want.DynamicSymbols()
	defined := map[string][]uint64{}
	for _, s := range symbols {
		if offered(elf.Sym64{Info: s.Info, Shndx: uint16(s.Section), Value: s.Value}) {
			defined[s.Name] = append(defined[s.Name], s.Value)
		}
	}
	for i, s := range symbols {
		if i > 300 {
			return
		}
		symbol, found, err := got.Lookup(s.Name)
		if err != nil || found != (defined[s.Name] != nil) || found && !slices.Contains(defined[s.Name], symbol.Address) {
			t.Errorf("%s: %s: %#x, %v, %v; want one of %#x", path, s.Name, symbol.Address, found, err, defined[s.Name])
		}
	}
}

func TestMachOAgainstDebugMacho(t *testing.T) {
	for _, path := range []string{
		testplugin.Zig(t, darwinARM, "aarch64-macos", hello),
		testplugin.Zig(t, "x86_64-apple-darwin", "x86_64-macos", hello),
		testplugin.Echo(t, darwinARM),
	} {
		want, err := macho.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer want.Close()
		got := open(t, path)
		libraries, _ := want.ImportedLibraries()
		if diff := cmp.Diff(libraries, got.Needs); diff != "" {
			t.Errorf("needs (-want +got):\n%s", diff)
		}
		exported := 0
		for _, s := range want.Symtab.Syms {
			if s.Type&0x0f != 0x0f || s.Type&0xf0 != 0 { // N_SECT|N_EXT
				continue
			}
			exported++
			symbol, found, err := got.Lookup(strings.TrimPrefix(s.Name, "_"))
			if !found || err != nil || symbol.Address != s.Value {
				t.Errorf("%s: %#x, %v, %v; want %#x", s.Name, symbol.Address, found, err, s.Value)
			}
		}
		if exported == 0 {
			t.Error("no exported symbols to compare")
		}
	}
}

func TestPEAgainstDebugPE(t *testing.T) {
	for _, path := range []string{
		testplugin.Echo(t, windows64),
		testplugin.Echo(t, "aarch64-pc-windows-msvc"),
	} {
		want, err := pe.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer want.Close()
		symbols, err := want.ImportedSymbols()
		if err != nil {
			t.Fatal(err)
		}
		libraries := map[string]bool{}
		for _, s := range symbols {
			_, library, _ := strings.Cut(s, ":")
			libraries[library] = true
		}
		got := open(t, path)
		if len(got.Needs) != len(libraries) {
			t.Errorf("needs %v, want %v", got.Needs, libraries)
		}
		for _, need := range got.Needs {
			if !libraries[need] {
				t.Errorf("needs %s, which is not among %v", need, libraries)
			}
		}
	}
}

var exportLine = regexp.MustCompile(`(?m)^\s+Name: (\S+)\n\s+RVA: 0x([0-9A-F]+)$`)

// TestPEExportsAgainstLLVM has 200 exports, so that the binary search has something to search.
func TestPEExportsAgainstLLVM(t *testing.T) {
	var source strings.Builder
	for i := range 200 {
		source.WriteString("__declspec(dllexport) int export_" + strconv.Itoa(i*7) + "(void) { return " + strconv.Itoa(i) + "; }\n")
	}
	path := testplugin.Zig(t, windows64, "x86_64-windows-gnu", source.String())
	out, err := exec.Command("llvm-readobj", "--coff-exports", path).Output()
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip("no llvm-readobj")
	}
	if err != nil {
		t.Fatal(err)
	}
	f := open(t, path)
	lines := exportLine.FindAllStringSubmatch(string(out), -1)
	if len(lines) < 200 {
		t.Fatalf("llvm-readobj lists %d exports", len(lines))
	}
	for _, line := range lines {
		address, _ := strconv.ParseUint(line[2], 16, 64)
		if symbol, found, err := f.Lookup(line[1]); !found || err != nil || symbol.Address != address || !symbol.Code {
			t.Errorf("%s: %+v, %v, %v; want %#x", line[1], symbol, found, err, address)
		}
	}
	if _, found, err := f.Lookup("export_1"); found || err != nil {
		t.Errorf("export_1, which there is not: %v, %v", found, err)
	}
}
