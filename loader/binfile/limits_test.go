package binfile

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/loadr-plugins/loadr/internal/testplugin"
	"github.com/loadr-plugins/loadr/manifest"
)

// The tests of this file make images that pass each limit and each check by a little.

// tag is an entry of a dynamic section.
type tag struct {
	tag   elf.DynTag
	value uint64
}

// Where craft puts things; addresses are offsets.
const (
	dynamicAt = 0x1000
	bodyAt    = 0x20000
)

// craft makes a 64-bit ELF library with this dynamic section, and the body at bodyAt.
func craft(t *testing.T, tags []tag, body []byte) []byte {
	t.Helper()
	order := binary.LittleEndian
	image := make([]byte, bodyAt, bodyAt+len(body))
	image = append(image, body...)
	dynamic := make([]byte, 0, 16*len(tags)+16)
	for _, tag := range append(slices.Clone(tags), tag{elf.DT_NULL, 0}) {
		dynamic = order.AppendUint64(order.AppendUint64(dynamic, uint64(tag.tag)), tag.value)
	}
	copy(image[dynamicAt:], dynamic)
	header := elf.Header64{Type: uint16(elf.ET_DYN), Machine: uint16(elf.EM_X86_64), Version: 1, Phoff: 64, Phentsize: 56, Phnum: 2}
	copy(header.Ident[:], "\x7fELF\x02\x01\x01")
	size := uint64(len(image))
	programs := []elf.Prog64{
		{Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_X), Filesz: size, Memsz: size},
		{Type: uint32(elf.PT_DYNAMIC), Off: dynamicAt, Vaddr: dynamicAt, Filesz: uint64(len(dynamic)), Memsz: uint64(len(dynamic))},
	}
	var start bytes.Buffer
	for _, part := range []any{header, programs} {
		if err := binary.Write(&start, order, part); err != nil {
			t.Fatal(err)
		}
	}
	copy(image, start.Bytes())
	return image
}

// words makes bytes of numbers.
func words(numbers ...uint32) (b []byte) {
	for _, n := range numbers {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	return b
}

func TestLimitsOfELF(t *testing.T) {
	const name = 0x10 // of a text in the body
	text := append(make([]byte, name), "text\x00\x00\x00\x00"...)
	const tableAt = bodyAt + name + 8
	strings := tag{elf.DT_STRTAB, bodyAt}
	needs := []tag{strings}
	for range maxNeeds + 1 {
		needs = append(needs, tag{elf.DT_NEEDED, name})
	}
	verneeds := bytes.Repeat(words(1|1<<16, name, 16, 32, 0, 0, name, 0), maxVersions+1)
	vernaux := append(words(1|1<<16, name, 16, 0), bytes.Repeat(words(0, versionIsWeak, name, 16), maxVersions+1)...)
	verdefs := bytes.Repeat(words(1, 1|1<<16, 0, 20, 28, name, 0), maxVersions+1)
	for label, test := range map[string]struct {
		tags []tag
		body []byte
		want string
	}{
		"needs":             {needs, text, "needed libraries: 1025 of them, more than 1024"},
		"dynamic section":   {make([]tag, maxDynamic), text, "dynamic section: 4097 entries, more than 4096"},
		"libraries":         {[]tag{strings, {elf.DT_VERNEED, tableAt}}, append(text, verneeds...), "needed versions: more than 4096"},
		"weak versions":     {[]tag{strings, {elf.DT_VERNEED, tableAt}}, append(text, vernaux...), "needed versions: more than 4096"},
		"definitions":       {[]tag{strings, {elf.DT_VERDEF, tableAt}}, append(text, verdefs...), "defined versions: more than 4096"},
		"no string table":   {[]tag{{elf.DT_NEEDED, name}}, text, "needed library: no string table"},
		"empty name":        {[]tag{strings, {elf.DT_NEEDED, 0}}, text, "needed library: empty text"},
		"endless name":      {[]tag{strings, {elf.DT_NEEDED, name}}, append(text[:name:name], bytes.Repeat([]byte("x"), maxText+1)...), "longer than 4096 bytes"},
		"name outside":      {[]tag{strings, {elf.DT_NEEDED, 1 << 20}}, text, "needed library: address 0x120000 lies outside"},
		"init array":        {[]tag{{elf.DT_INIT_ARRAY, bodyAt}, {elf.DT_INIT_ARRAYSZ, 1024}}, text, "initializers: 1024 bytes at address 0x20000 lie outside"},
		"huge init array":   {[]tag{{elf.DT_INIT_ARRAY, bodyAt}, {elf.DT_INIT_ARRAYSZ, 1 << 40}}, text, "initializers: 1099511627776 bytes of them"},
		"fits":              {[]tag{strings, {elf.DT_NEEDED, name}}, text, ""},
		"as many as can be": {needs[:maxNeeds+1], text, ""},
	} {
		expect(t, label, readBytes(craft(t, test.tags, append(text[:0:0], test.body...))), test.want)
	}
}

// expect checks an error's text; an empty one wants none.
func expect(t *testing.T, label string, err error, want string) {
	t.Helper()
	if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
		t.Errorf("%s: error %v, want %q", label, err, want)
	}
}

// TestHashTables has one symbol f, number 1, in tables written by hand.
func TestHashTables(t *testing.T) {
	const symbolsAt, stringsAt, hashAt = bodyAt, bodyAt + 0x100, bodyAt + 0x200
	body := func(bind elf.SymBind, section elf.SectionIndex, hash []byte) []byte {
		b := make([]byte, hashAt-bodyAt)
		info := uint32(elf.ST_INFO(bind, elf.STT_FUNC))
		copy(b[24:], words(1, info|uint32(section)<<16, 0x1234, 0, 8, 0))
		copy(b[stringsAt-bodyAt:], "\x00f\x00")
		return append(b, hash...)
	}
	own := gnuHash("f") | 1
	good := words(1, 1, 1, 0, 0, 0, 1, own)
	sysv := words(1, 2, 1, 0, 0)
	for label, test := range map[string]struct {
		table   elf.DynTag
		hash    []byte
		bind    elf.SymBind
		section elf.SectionIndex
		found   bool
		problem string
	}{
		"gnu":              {elf.DT_GNU_HASH, good, elf.STB_GLOBAL, 1, true, ""},
		"weak":             {elf.DT_GNU_HASH, good, elf.STB_WEAK, 1, true, ""},
		"unique":           {elf.DT_GNU_HASH, good, elf.STB_LOOS, 1, true, ""},
		"local":            {elf.DT_GNU_HASH, good, elf.STB_LOCAL, 1, false, ""},
		"undefined":        {elf.DT_GNU_HASH, good, elf.STB_GLOBAL, elf.SHN_UNDEF, false, ""},
		"no buckets":       {elf.DT_GNU_HASH, words(0, 1, 1, 0), elf.STB_GLOBAL, 1, false, ""},
		"empty bucket":     {elf.DT_GNU_HASH, words(1, 1, 1, 0, 0, 0, 0), elf.STB_GLOBAL, 1, false, ""},
		"before the first": {elf.DT_GNU_HASH, words(1, 9, 1, 0, 0, 0, 1, own), elf.STB_GLOBAL, 1, false, "symbol 1 before the first one (9)"},
		"outside":          {elf.DT_GNU_HASH, words(1, 1, 1, 0, 0, 0, 1<<30, own), elf.STB_GLOBAL, 1, false, "lie outside of the image"},
		"endless bucket":   {elf.DT_GNU_HASH, append(words(1, 1, 1, 0, 0, 0, 1), make([]byte, 4*maxChain)...), elf.STB_GLOBAL, 1, false, "more than 4096 symbols"},
		"sysv":             {elf.DT_HASH, sysv, elf.STB_GLOBAL, 1, true, ""},
		"sysv local":       {elf.DT_HASH, sysv, elf.STB_LOCAL, 1, false, ""},
		"sysv no buckets":  {elf.DT_HASH, words(0, 2), elf.STB_GLOBAL, 1, false, ""},
		"sysv loop":        {elf.DT_HASH, words(1, 3, 2, 0, 0, 2), elf.STB_GLOBAL, 1, false, "more than 4096 symbols"},
		"no table":         {elf.DT_DEBUG, nil, elf.STB_GLOBAL, 1, false, ""},
	} {
		tags := []tag{{elf.DT_SYMTAB, symbolsAt}, {elf.DT_STRTAB, stringsAt}, {test.table, hashAt}}
		f := fromBytes(t, craft(t, tags, body(test.bind, test.section, test.hash)))
		symbol, found, err := f.Lookup("f")
		if found != test.found || found && (symbol.Address != 0x1234 || symbol.Size != 8 || !symbol.Code) {
			t.Errorf("%s: %+v, %v", label, symbol, found)
		}
		expect(t, label, err, test.problem)
	}
}

func TestImpossibleSegments(t *testing.T) {
	const top = 1<<64 - 0x1000
	for label, change := range map[string]func(*elf.Prog64){
		"wraps around":                func(p *elf.Prog64) { p.Vaddr, p.Memsz, p.Filesz = top, 0x2000, 0 },
		"smaller in memory":           func(p *elf.Prog64) { p.Memsz = 1 },
		"offset beyond the file":      func(p *elf.Prog64) { p.Off = 1 << 62 },
		"offset and size wrap around": func(p *elf.Prog64) { p.Off, p.Filesz, p.Memsz = 1<<63, 1<<63+1, 1<<63+1 },
	} {
		image := craft(t, nil, nil)
		var p elf.Prog64
		if err := binary.Read(bytes.NewReader(image[64:]), binary.LittleEndian, &p); err != nil {
			t.Fatal(err)
		}
		change(&p)
		var changed bytes.Buffer
		if err := binary.Write(&changed, binary.LittleEndian, p); err != nil {
			t.Fatal(err)
		}
		copy(image[64:], changed.Bytes())
		_, err := New(bytes.NewReader(image), int64(len(image)))
		if err == nil || !strings.Contains(err.Error(), "segment") {
			t.Errorf("%s: %v", label, err)
		}
	}
}

func TestLimitsOfMachO(t *testing.T) {
	image := samples(t)[manifest.MachO]
	sections := bytes.Clone(image)
	at := bytes.Index(sections, []byte("__mod_init_func"))
	binary.LittleEndian.PutUint64(sections[at+40:], 1<<16)
	expect(t, "section outside of its segment", readBytes(sections), "initializers: 65536 bytes")

	symbols := bytes.Clone(image)
	clear(command(t, symbols, loadDyldInfo|loadMustUnderstand)[40:48])
	binary.LittleEndian.PutUint32(command(t, symbols, 2)[12:], maxSymbols+1)
	expect(t, "symbols", readBytes(symbols), "65537 symbols and no export trie")

	trie := bytes.Clone(image)
	binary.LittleEndian.PutUint32(command(t, trie, loadDyldInfo|loadMustUnderstand)[44:], 1<<30)
	expect(t, "trie", readBytes(trie), "export trie: file is truncated")
}

func TestLimitsOfPE(t *testing.T) {
	build := func(callbacks string) []byte {
		source := fmt.Sprintf(`
__declspec(dllexport) volatile struct { int lookup, time, chain, name, addresses; } filler[%d] = {{1}};
__declspec(dllexport) const char library[] = "library.dll";
__declspec(dllexport) int a_function(void) { return 1; }
int _DllMainCRTStartup(void *image, unsigned reason, void *r) { return 1; }
int DllMainCRTStartup(void *image, unsigned reason, void *r) { return 1; } // what zig 0.17 calls it
typedef void callback_function(void *image, unsigned reason, void *r);
static void callback(void *image, unsigned reason, void *r) { filler[0].time = 1; }
int _tls_index;
static callback_function *const callbacks[] = {%s 0};
__attribute__((used)) const struct { void *start, *end; int *index; callback_function *const *callbacks; int zero, flags; }
	_tls_used = {0, 0, &_tls_index, callbacks, 0, 0};
`, maxNeeds+2, callbacks)
		return content(t, testplugin.Zig(t, windows64, "x86_64-windows-gnu", source, "-nostdlib"))
	}
	image := build("callback,")
	f := fromBytes(t, image)
	if f.Constructors != 2 {
		t.Fatalf("%d constructors, want 2", f.Constructors)
	}
	headers := int(binary.LittleEndian.Uint32(image[60:]))
	expect(t, "callbacks", readBytes(build("[0 ... 1100] = callback,")), "TLS callbacks: more than 1024")

	noEntry := bytes.Clone(image)
	clear(noEntry[headers+24+16:][:4])
	if f := fromBytes(t, noEntry); f.Constructors != 1 {
		t.Errorf("%d constructors without an entry point, want 1", f.Constructors)
	}

	// An import table is made of the filler: one entry more than allowed, or as many.
	p := f.symbols.(*peImage)
	fillerAt, nameAt := mustFind(t, f, "filler").Address, mustFind(t, f, "library").Address
	for count, want := range map[int]string{maxNeeds: "", maxNeeds + 1: "import table: more than 1024 libraries"} {
		imports := bytes.Clone(image)
		s, _ := p.at(fillerAt)
		table := imports[s.offset+fillerAt-s.address:]
		copy(table, bytes.Repeat(words(0, 0, 0, uint32(nameAt), 1), count))
		copy(table[20*count:], words(0, 0, 0, uint32(nameAt), 0)) // ends by its missing addresses
		copy(imports[headers+24+112+8:], words(uint32(fillerAt), 20))
		_, err := New(bytes.NewReader(imports), int64(len(imports)))
		expect(t, fmt.Sprint(count, " imports"), err, want)
	}

	exports, err := p.exports(p.directory(0))
	if err != nil {
		t.Fatal(err)
	}
	s, _ := p.at(exports.ordinals)
	copy(image[s.offset+exports.ordinals-s.address:], bytes.Repeat([]byte{0xff}, int(2*exports.nameCount)))
	expect(t, "ordinal", readBytes(image), "export table: ordinal 65535 of")
}
