package binfile

import (
	"debug/elf"
	"debug/macho"
	"debug/pe"
	"encoding/binary"
	"errors"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/loadr-plugins/loadr/internal/testplugin"
	"github.com/loadr-plugins/loadr/manifest"
)

// The tests of this file compare images of real plugins in Rust with what others make of the same files, which are LLVM's tools.

const rustEcho = `use loadr_plugin_sdk::{export_loadr_plugin, Error, Info, Protocol, Request, Response};

struct Echo;

impl Protocol for Echo {
    fn name(&self) -> &str { "echo" }
    fn execute(&self, request: Request) -> Result<Response, Error> { Ok(Response::new(200).body(request.body)) }
}

export_loadr_plugin! { info: || Info::protocol("echo", "0.1.0").scheme("echo"), protocol: || Echo }
`

// change is what a tool says of a word.
type change struct {
	known bool
	value uint64
}

// TestRustAgainstLLVM compares every word of the memory, relocated or not.
func TestRustAgainstLLVM(t *testing.T) {
	for target, changes := range map[manifest.Target]func(*testing.T, string, *File) map[uint64]change{
		linuxAMD64:                  elfChanges,
		"aarch64-unknown-linux-gnu": elfChanges,
		windows64:                   peChanges,
		"x86_64-apple-darwin":       machoChanges,
		darwinARM:                   machoChanges,
	} {
		t.Run(string(target), func(t *testing.T) {
			path := testplugin.RustSource(t, target, rustEcho, testplugin.RustOptions{})
			f := open(t, path)
			compareWords(t, f, contents(t, path), changes(t, path, f))
			checkHeader(t, f)
		})
	}
}

// TestRustWithChains has a plugin linked in the form of Apple's own tools, which zig's linker does not make. Neither do
// the tools at hand print it: whatever differs from the file must be an address of the image.
func TestRustWithChains(t *testing.T) {
	sdk, err := filepath.Abs(filepath.Join("testdata", "sdk"))
	if err != nil {
		t.Fatal(err)
	}
	flags := "RUSTFLAGS=-Clinker=rust-lld -Clinker-flavor=ld64.lld"
	for _, argument := range []string{"-fixup_chains", "-undefined", "dynamic_lookup", "-syslibroot", sdk} {
		flags += " -Clink-arg=" + argument
	}
	path := testplugin.RustSource(t, darwinARM, rustEcho, testplugin.RustOptions{Env: []string{"SDKROOT=" + sdk, flags}})
	f := open(t, path)
	m := imageOf(t, f)
	if _, is := m.tables.(*machoChains); !is {
		t.Fatalf("image has %T, want chained fix-ups", m.tables)
	}
	checkHeader(t, f)
	changed, unknown := 0, 0
	for _, p := range contents(t, path) {
		for at := (p.address + 7) &^ 7; at+8 <= p.address+uint64(len(p.data)); at += 8 {
			buf, err := m.Read(at, 8)
			if err != nil {
				expect(t, "import", err, "which may be another library's")
				unknown++
				continue
			}
			word := binary.LittleEndian.Uint64(buf)
			if word == binary.LittleEndian.Uint64(p.data[at-p.address:]) {
				continue
			}
			changed++
			if _, inside := m.memory.at(word); !inside {
				t.Fatalf("word at %#x is %#x, outside of the image", at, word)
			}
		}
	}
	t.Logf("%d words relocated, %d unknown", changed, unknown)
	if changed < 1000 || unknown < 10 {
		t.Error("too little was relocated")
	}
}

// checkHeader reads the names in a plugin's root module header.
func checkHeader(t *testing.T, f *File) {
	t.Helper()
	m := imageOf(t, f)
	at := mustFind(t, f, rootModule).Address
	magic, err := m.Read(at, 32)
	if err != nil || string(magic) != "abi stable library for Rust     " {
		t.Fatalf("magic %q, %v", magic, err)
	}
	for offset, want := range map[uint64]string{40: "loadr_plugin", 56: "loadr_plugin", 72: "1.0.0"} {
		text, err := m.Read(wordAt(t, m, at+offset), wordAt(t, m, at+offset+8))
		if err != nil || string(text) != want {
			t.Errorf("text at %d is %q, %v, want %q", offset, text, err, want)
		}
	}
}

// part is a piece of memory as another reader of the file sees it.
type part struct {
	address uint64
	data    []byte
}

// contents reads the sections by means of the standard library.
func contents(t *testing.T, path string) (parts []part) {
	t.Helper()
	if f, err := elf.Open(path); err == nil {
		for _, s := range f.Sections {
			if s.Flags&elf.SHF_ALLOC != 0 && s.Flags&elf.SHF_TLS == 0 && s.Type != elf.SHT_NOBITS {
				data, _ := s.Data()
				parts = append(parts, part{s.Addr, data})
			}
		}
	}
	if f, err := pe.Open(path); err == nil {
		for _, s := range f.Sections {
			data, _ := s.Data()
			if s.VirtualSize > 0 {
				parts = append(parts, part{uint64(s.VirtualAddress), data[:min(len(data), int(s.VirtualSize))]})
			}
		}
	}
	if f, err := macho.Open(path); err == nil {
		for _, s := range f.Sections {
			if data, err := s.Data(); err == nil && s.Offset != 0 {
				parts = append(parts, part{s.Addr, data})
			}
		}
	}
	if len(parts) == 0 {
		t.Fatal("nothing to compare with")
	}
	return parts
}

func compareWords(t *testing.T, f *File, parts []part, changes map[uint64]change) {
	t.Helper()
	m := imageOf(t, f)
	plain, changed, unknown := 0, 0, 0
	for _, p := range parts {
		at := (p.address + 7) &^ 7
		for ; at+8 <= p.address+uint64(len(p.data)); at += 8 {
			want := binary.LittleEndian.Uint64(p.data[at-p.address:])
			change, is := changes[at]
			switch {
			case !is:
				plain++
			case change.known:
				changed++
				want = change.value
			default:
				unknown++
				if _, err := m.Read(at, 8); err == nil {
					t.Fatalf("word at %#x is read, though it is known at run time only", at)
				}
				continue
			}
			if got := wordAt(t, m, at); got != want {
				t.Fatalf("word at %#x is %#x, want %#x (relocated: %v)", at, got, want, is)
			}
		}
	}
	t.Logf("%d words as in the file, %d relocated, %d unknown; %d said to change", plain, changed, unknown, len(changes))
	if plain < 10000 || changed < 1000 || unknown < 10 || changed+unknown != len(changes) {
		t.Error("too little was compared")
	}
}

// tool gives what a tool prints about a file.
func tool(t *testing.T, command ...string) string {
	t.Helper()
	out, err := exec.Command(command[0], command[1:]...).Output()
	if errors.Is(err, exec.ErrNotFound) {
		t.Skipf("no %s: install LLVM", command[0])
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

var elfLine = regexp.MustCompile(`(?m)^\s+0x([0-9A-F]+) R_(\S+) (\S+) 0x([0-9A-F]+)$`)

// elfChanges knows symbols by the standard library.
func elfChanges(t *testing.T, path string, _ *File) map[uint64]change {
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	defined := map[string]uint64{}
	symbols, _ := f.DynamicSymbols()
	for _, s := range symbols {
		if s.Section != elf.SHN_UNDEF {
			defined[s.Name] = s.Value
		}
	}
	changes := map[uint64]change{}
	for _, line := range elfLine.FindAllStringSubmatch(tool(t, "llvm-readobj", "--dyn-relocations", path), -1) {
		at, addend := hex(t, line[1]), hex(t, line[4])
		name, _, _ := strings.Cut(line[3], "@")
		value, known := defined[name]
		switch {
		case strings.HasSuffix(line[2], "_RELATIVE"):
			changes[at] = change{true, addend}
		case strings.HasSuffix(line[2], "_TLSDESC"):
			changes[at], changes[at+8] = change{}, change{}
		case strings.Contains(line[2], "DTPMOD"):
			changes[at] = change{}
		default:
			changes[at] = change{known, value + addend}
		}
	}
	return changes
}

var peLine = regexp.MustCompile(`Type: DIR64\s+Address: 0x([0-9A-F]+)`)

// peChanges has the import address table from the data directory that is for it.
func peChanges(t *testing.T, path string, f *File) map[uint64]change {
	p, err := pe.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	header := p.OptionalHeader.(*pe.OptionalHeader64)
	changes := map[uint64]change{}
	for _, line := range peLine.FindAllStringSubmatch(tool(t, "llvm-readobj", "--coff-basereloc", path), -1) {
		at := hex(t, line[1])
		buf, err := f.memory.read("test", at, 8)
		if err != nil {
			t.Fatal(err)
		}
		changes[at] = change{true, binary.LittleEndian.Uint64(buf) - header.ImageBase}
	}
	table := header.DataDirectory[pe.IMAGE_DIRECTORY_ENTRY_IAT]
	for at := uint64(table.VirtualAddress); at < uint64(table.VirtualAddress+table.Size); at += 8 {
		if buf, err := f.memory.read("test", at, 8); err == nil && binary.LittleEndian.Uint64(buf) != 0 {
			changes[at] = change{}
		}
	}
	return changes
}

var (
	rebaseLine = regexp.MustCompile(`(?m)^__\S+\s+__\S+\s+0x([0-9A-F]+)\s+pointer$`)
	bindLine   = regexp.MustCompile(`(?m)^__\S+\s+__\S+\s+0x([0-9A-F]+)\s+(?:pointer\s+-?\d+\s+)?\S+\s+\S+$`)
)

// machoChanges takes the addresses that zig's linker left in the file.
func machoChanges(t *testing.T, path string, f *File) map[uint64]change {
	changes := map[uint64]change{}
	for _, line := range rebaseLine.FindAllStringSubmatch(tool(t, "llvm-objdump", "--macho", "--rebase", path), -1) {
		at := hex(t, line[1])
		buf, err := f.memory.read("test", at, 8)
		if err != nil {
			t.Fatal(err)
		}
		changes[at] = change{true, binary.LittleEndian.Uint64(buf)}
	}
	for _, line := range bindLine.FindAllStringSubmatch(tool(t, "llvm-objdump", "--macho", "--bind", "--lazy-bind", path), -1) {
		changes[hex(t, line[1])] = change{}
	}
	return changes
}

func hex(t *testing.T, text string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(text, 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
