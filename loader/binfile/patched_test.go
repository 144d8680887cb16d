package binfile

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/loadr-plugins/loadr/internal/testplugin"
	"github.com/loadr-plugins/loadr/manifest"
)

// The tests of this file change single fields of real libraries, for what no tool at hand makes.

// command gives the first load command of a kind in a Mach-O image, to be changed in place.
func command(t *testing.T, image []byte, kind uint32) []byte {
	t.Helper()
	for rest := image[machoHeaderSize:]; len(rest) > 8; {
		size := binary.LittleEndian.Uint32(rest[4:])
		if binary.LittleEndian.Uint32(rest) == kind {
			return rest[:size]
		}
		rest = rest[size:]
	}
	t.Fatalf("no command %#x", kind)
	return nil
}

func fromBytes(t *testing.T, image []byte) *File {
	t.Helper()
	f, err := New(bytes.NewReader(image), int64(len(image)))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestMachOWithoutTrieIsSearchedBySymbolTable(t *testing.T) {
	image := content(t, testplugin.Zig(t, darwinARM, "aarch64-macos", hello))
	clear(command(t, image, loadDyldInfo|loadMustUnderstand)[40:48])
	checkSymbols(t, fromBytes(t, image))
}

func TestMachORoutinesCount(t *testing.T) {
	image := samples(t)[manifest.MachO]
	linkedit := bytes.Index(image, []byte("__LINKEDIT")) - 8
	binary.LittleEndian.PutUint32(image[linkedit:], loadRoutines64) // of the same size
	if f := fromBytes(t, image); f.Constructors != 3 {
		t.Errorf("%d constructors, want 3", f.Constructors)
	}
}

func TestMachOForAnotherSystem(t *testing.T) {
	const iOS = 2
	image := samples(t)[manifest.MachO]
	binary.LittleEndian.PutUint32(command(t, image, loadBuildVersion)[8:], iOS)
	_, err := New(bytes.NewReader(image), int64(len(image)))
	var unsupported *UnsupportedError
	if !errors.As(err, &unsupported) || !strings.Contains(err.Error(), "expected platform macOS (1), found platform 2") {
		t.Errorf("error %v", err)
	}
}

func TestMachOWeakAndReexportedLibrariesAreNeeds(t *testing.T) {
	for _, kind := range []uint32{loadWeakDylib, loadReexportDylib, loadUpwardDylib} {
		image := samples(t)[manifest.MachO]
		binary.LittleEndian.PutUint32(command(t, image, 0xc), kind)
		if f := fromBytes(t, image); len(f.Needs) != 1 || f.Needs[0] != "/usr/lib/libSystem.B.dylib" {
			t.Errorf("%#x: needs %v", kind, f.Needs)
		}
	}
}

// TestTrieForms reads tries written by hand: a root, whose child "_f" is the node at 7.
func TestTrieForms(t *testing.T) {
	root := "\x00\x01_f\x00\x07\x00"
	const base = 0x1000
	for name, test := range map[string]struct {
		trie    string
		address uint64
		found   bool
		problem string
	}{
		"regular":         {root + "\x02\x00\x20\x00", base + 0x20, true, ""},
		"absolute":        {root + "\x02\x02\x20\x00", 0x20, true, ""},
		"re-exported":     {root + "\x04\x08\x01_g\x00\x00", 0, true, ""},
		"only a prefix":   {root + "\x00\x01unc\x00\x00", 0, false, ""},
		"empty root":      {"\x00\x00", 0, false, ""},
		"child at itself": {"\x00\x01_\x00\x00", 0, false, ""},
		"cut":             {root, 0, false, "node at 7 lies outside"},
		"endless number":  {root + "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 0, false, "ends inside of a node"},
		"endless text":    {"\x00\x01" + strings.Repeat("a", 100), 0, false, "ends inside of a node"},
	} {
		m := &machoImage{memory: memory{source: source{r: strings.NewReader(test.trie), size: uint64(len(test.trie))}}, base: base}
		m.trie.size = uint64(len(test.trie))
		symbol, found, err := m.lookup("f")
		if symbol.Address != test.address || found != test.found || (err == nil) != (test.problem == "") {
			t.Errorf("%s: %+v, %v, %v", name, symbol, found, err)
		}
		if err != nil && !strings.Contains(err.Error(), test.problem) {
			t.Errorf("%s: error %v, want %s", name, err, test.problem)
		}
	}
}

// TestTrieBudget has a trie with a text longer than any search may read.
func TestTrieBudget(t *testing.T) {
	trie := sparse{[]byte("\x00\x02"), 'a'}
	m := &machoImage{memory: memory{source: source{r: trie, size: 1 << 40}}}
	m.trie.size = 1 << 32
	if _, _, err := m.lookup("f"); err == nil || !strings.Contains(err.Error(), "takes more than") {
		t.Errorf("error %v", err)
	}
}

func TestWeakVersionsAreMarked(t *testing.T) {
	image := samples(t)[manifest.ELF]
	f, err := elf.NewFile(bytes.NewReader(image))
	if err != nil {
		t.Fatal(err)
	}
	aux := image[f.Section(".gnu.version_r").Offset+verneedSize:]
	binary.LittleEndian.PutUint16(aux[4:], versionIsWeak)
	got := fromBytes(t, image).Versions
	if len(got) != 1 || !got[0].Weak {
		t.Errorf("versions %+v, want one that is weak", got)
	}
}

// TestPositionIndependentProgramIsNoLibrary marks a library as a program.
func TestPositionIndependentProgramIsNoLibrary(t *testing.T) {
	image := samples(t)[manifest.ELF]
	f, err := elf.NewFile(bytes.NewReader(image))
	if err != nil {
		t.Fatal(err)
	}
	dynamic := image[f.Section(".dynamic").Offset:]
	for ; elf.DynTag(binary.LittleEndian.Uint64(dynamic)) != elf.DT_STRSZ; dynamic = dynamic[16:] {
	}
	binary.LittleEndian.PutUint64(dynamic, uint64(elf.DT_FLAGS_1))
	binary.LittleEndian.PutUint64(dynamic[8:], uint64(elf.DF_1_PIE))
	if fromBytes(t, image).Library {
		t.Error("counts as a library")
	}
}

// TestForwardedExport makes an export point into the export directory, as a forwarder does.
func TestForwardedExport(t *testing.T) {
	image := samples(t)[manifest.PE]
	f := fromBytes(t, image)
	p := f.symbols.(*peImage)
	directory := p.directory(0)
	exports, err := p.exports(directory)
	if err != nil {
		t.Fatal(err)
	}
	s, _ := p.at(exports.functions)
	table := image[s.offset+exports.functions-s.address:]
	for i := range exports.functionCount {
		binary.LittleEndian.PutUint32(table[4*i:], directory.VirtualAddress+8)
	}
	if symbol, found, err := f.Lookup("a_function"); !found || err != nil || symbol != (Symbol{}) {
		t.Errorf("%+v, %v, %v; want a found symbol without address", symbol, found, err)
	}
}

// TestControlCharactersAreRefused keeps them out of messages and records.
func TestControlCharactersAreRefused(t *testing.T) {
	for format, name := range map[manifest.Format]string{
		manifest.ELF: "libc.so.6", manifest.MachO: "/usr/lib/libSystem", manifest.PE: "KERNEL32.dll",
	} {
		image := samples(t)[format]
		image = bytes.ReplaceAll(image, []byte(name), append([]byte("\x1b[2J"), name[4:]...))
		if err := readBytes(image); err == nil || !strings.Contains(err.Error(), `"\x1b[2J`) {
			t.Errorf("%s: %v", format, err)
		}
	}
}

func TestOverlappingSegmentsAreRefused(t *testing.T) {
	image := samples(t)[manifest.ELF]
	second := image[64+2*56:] // header, PT_PHDR or the first PT_LOAD, ...
	binary.LittleEndian.PutUint64(second[16:], 0x10)
	if err := readBytes(image); err == nil || !strings.Contains(err.Error(), "overlaps") {
		t.Errorf("error %v", err)
	}
}
