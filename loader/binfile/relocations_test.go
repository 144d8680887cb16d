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
)

// The tests of this file make tables of relocations that no linker makes.

// quads makes bytes of 64-bit numbers.
func quads(numbers ...uint64) (b []byte) {
	for _, n := range numbers {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	return b
}

// rela is an entry of an ELF table for x86-64.
func rela(kind elf.R_X86_64, symbol uint32, address, addend uint64) []byte {
	return quads(address, elf.R_INFO(symbol, uint32(kind)), addend)
}

// Places in the body of craftRelocations.
const (
	wordsAt    = bodyAt + 0x10000 // 0x1000 bytes of 0xff
	symbolsAt  = bodyAt + 0x11000
	stringsAt  = bodyAt + 0x12000
	relocateAt = bodyAt + 0x13000
)

// craftRelocations makes a library with these tables. Symbols are: 1, an undefined one; 2, defined at 0x1234;
// 3, an indirect function; 4, a thread-local variable; 5, one without a name.
func craftRelocations(t *testing.T, table, calls []byte, more ...tag) *File {
	t.Helper()
	symbol := func(name uint32, kind elf.SymType, section uint32, value uint64) []byte {
		return append(words(name, uint32(elf.ST_INFO(elf.STB_GLOBAL, kind))|section<<16), quads(value, 8)...)
	}
	symbols := slices.Concat(make([]byte, 24), symbol(1, elf.STT_FUNC, 0, 0), symbol(7, elf.STT_OBJECT, 1, 0x1234),
		symbol(7, elf.STT_GNU_IFUNC, 1, 0x1234), symbol(7, elf.STT_TLS, 1, 0x1234), symbol(1<<30, elf.STT_FUNC, 0, 0))
	body := make([]byte, relocateAt-bodyAt)
	copy(body[wordsAt-bodyAt:], bytes.Repeat([]byte{0xff}, 0x1000))
	copy(body[symbolsAt-bodyAt:], symbols)
	copy(body[stringsAt-bodyAt:], "\x00other\x00own\x00")
	tags := []tag{{elf.DT_SYMTAB, symbolsAt}, {elf.DT_STRTAB, stringsAt},
		{elf.DT_RELA, relocateAt}, {elf.DT_RELASZ, uint64(len(table))}, {elf.DT_RELAENT, relaSize},
		{elf.DT_JMPREL, relocateAt + uint64(len(table))}, {elf.DT_PLTRELSZ, uint64(len(calls))}, {elf.DT_PLTREL, uint64(elf.DT_RELA)}}
	return fromBytes(t, craft(t, append(tags, more...), slices.Concat(body, table, calls)))
}

func TestKindsOfELFRelocations(t *testing.T) {
	const edge = bodyAt + 0x10000 - blockSize*2 // of a block: the one segment begins at 0
	table := slices.Concat(
		rela(elf.R_X86_64_RELATIVE, 0, wordsAt+8, 0x4000),
		rela(elf.R_X86_64_64, 2, wordsAt+16, 0x10),
		rela(elf.R_X86_64_GLOB_DAT, 1, wordsAt+24, 0),
		rela(elf.R_X86_64_64, 3, wordsAt+32, 0),
		rela(elf.R_X86_64_64, 4, wordsAt+40, 0),
		rela(elf.R_X86_64_64, 5, wordsAt+48, 0),
		rela(elf.R_X86_64_DTPMOD64, 0, wordsAt+56, 0),
		rela(elf.R_X86_64_TLSDESC, 0, wordsAt+64, 0),
		rela(elf.R_X86_64_IRELATIVE, 0, wordsAt+80, 0x1234),
		rela(elf.R_X86_64_NONE, 0, 1<<63, 0),
		rela(elf.R_X86_64_64, 1<<30, wordsAt+88, 0),
		rela(elf.R_X86_64_RELATIVE, 0, edge-3, 0x1122334455667788),
		rela(elf.R_X86_64_64, 2, edge+blockSize-1, 0x1122334455660000),
	)
	calls := rela(elf.R_X86_64_JMP_SLOT, 2, wordsAt+96, 0)
	f := craftRelocations(t, table, calls)
	ones := uint64(1<<64 - 1)
	for _, descending := range []bool{false, true} {
		m := imageOf(t, f)
		checks := []struct {
			address, want uint64
			problem       string
		}{
			{wordsAt, ones, ""},
			{wordsAt + 8, 0x4000, ""},
			{wordsAt + 16, 0x1244, ""},
			{wordsAt + 24, 0, "the word at address 0x30018 is the address of other, which the image does not define"},
			{wordsAt + 32, 0, "is known at run time only (symbol own, "},
			{wordsAt + 40, 0, "is known at run time only (symbol own, STT_TLS)"},
			{wordsAt + 48, 0, "is the address of a symbol without a name (1073741824)"},
			{wordsAt + 56, 0, "is known at run time only (relocation type 16)"},
			{wordsAt + 64, 0, "the word at address 0x30040 is known at run time only (relocation type 36)"},
			{wordsAt + 72, 0, "the word at address 0x30040 is known at run time only (relocation type 36)"},
			{wordsAt + 80, 0, "is known at run time only (relocation type 37)"},
			{wordsAt + 88, 0, "symbol table: 24 bytes at address 0x600031000 lie outside"},
			{wordsAt + 96, 0x1234, ""},
			{wordsAt + 104, ones, ""},
			{edge - 3, 0x1122334455667788, ""},
			{edge, 0x1122334455, ""},
			{edge + blockSize - 1, 0x1122334455661234, ""},
			{edge + blockSize, 0x11223344556612, ""},
		}
		if descending {
			slices.Reverse(checks)
		}
		for _, check := range checks {
			got, err := m.Read(check.address, 8)
			expect(t, fmt.Sprintf("%#x", check.address), err, check.problem)
			if err == nil && binary.LittleEndian.Uint64(got) != check.want {
				t.Errorf("word at %#x is %x, want %#x", check.address, got, check.want)
			}
		}
	}
}

// TestMemoryBeyondTheFile has a segment that goes on for 16 MiB. Blocks take turns in one place of the cache.
func TestMemoryBeyondTheFile(t *testing.T) {
	image := craft(t, nil, bytes.Repeat([]byte{0xff}, 2*blockSize))
	binary.LittleEndian.PutUint64(image[64+40:], 16<<20)
	m := imageOf(t, fromBytes(t, image))
	for range 2 {
		if word := wordAt(t, m, bodyAt+8); word != 1<<64-1 {
			t.Errorf("word in the file is %#x", word)
		}
		if word := wordAt(t, m, bodyAt+8+blockSize*blockCount); word != 0 {
			t.Errorf("word beyond the file is %#x, want 0", word)
		}
	}
	for n, want := range map[uint64]string{maxPiece: "", maxPiece + 1: "1048577 bytes at address 0x8 are more than can be read at once"} {
		b, err := m.Read(8, n)
		expect(t, fmt.Sprint(n, " bytes"), err, want)
		if err == nil && (uint64(len(b)) != n || b[bodyAt-8] != 0xff || b[bodyAt-8+2*blockSize-1] != 0xff || b[bodyAt-8+2*blockSize] != 0) {
			t.Errorf("%d bytes, not those of the file", len(b))
		}
	}
}

// TestDescriptorAcrossBlocks begins so far before a block that not even its margin has the beginning.
func TestDescriptorAcrossBlocks(t *testing.T) {
	const edge = wordsAt / blockSize * blockSize
	f := craftRelocations(t, rela(elf.R_X86_64_TLSDESC, 0, edge-12, 0), nil)
	for _, at := range []uint64{edge, edge + 3, edge - 12, edge - 1} {
		_, err := imageOf(t, f).Read(at, 1)
		expect(t, fmt.Sprintf("%#x", at), err, "is known at run time only (relocation type 36)")
	}
	for _, at := range []uint64{edge + 4, edge - 13} {
		_, err := imageOf(t, f).Read(at, 1)
		expect(t, fmt.Sprintf("%#x", at), err, "")
	}
}

func TestCallsMayBePartOfTheTable(t *testing.T) {
	table := slices.Concat(rela(elf.R_X86_64_RELATIVE, 0, wordsAt, 1), rela(elf.R_X86_64_JMP_SLOT, 2, wordsAt+8, 0))
	f := craftRelocations(t, table, nil, tag{elf.DT_JMPREL, relocateAt + relaSize}, tag{elf.DT_PLTRELSZ, relaSize})
	if word := wordAt(t, imageOf(t, f), wordsAt+8); word != 0x1234 {
		t.Errorf("word is %#x, want 0x1234", word)
	}
}

func TestHostileELFRelocations(t *testing.T) {
	relative := func(address uint64) []byte { return rela(elf.R_X86_64_RELATIVE, 0, address, 0) }
	descriptor := rela(elf.R_X86_64_TLSDESC, 0, wordsAt, 0)
	many := bytes.Repeat(rela(elf.R_X86_64_GLOB_DAT, 1, wordsAt, 0), maxReferences+1)
	for label, test := range map[string]struct {
		table, calls []byte
		more         []tag
		want         string
	}{
		"none":               {nil, nil, nil, ""},
		"unsorted":           {append(relative(wordsAt+8), relative(wordsAt)...), nil, nil, ""},
		"twice":              {append(relative(wordsAt), relative(wordsAt)...), nil, nil, "two of them change address 0x30000"},
		"overlap":            {append(relative(wordsAt), relative(wordsAt+7)...), nil, nil, "two of them change address 0x30007"},
		"overlap of kinds":   {append(relative(wordsAt+4), rela(elf.R_X86_64_64, 2, wordsAt, 0)...), nil, nil, "two of them change address 0x30004"},
		"overlap of tables":  {relative(wordsAt), relative(wordsAt + 1), nil, "two of them change address 0x30001"},
		"overlap of 16":      {append(relative(wordsAt+8), descriptor...), nil, nil, "two of them change address 0x30008"},
		"outside":            {relative(1 << 40), nil, nil, "8 bytes at address 0x10000000000 lie outside of the image"},
		"at the top":         {relative(1<<64 - 4), nil, nil, "8 bytes at address 0xfffffffffffffffc lie outside"},
		"end outside":        {relative(relocateAt + relaSize - 7), nil, nil, "8 bytes at address 0x33011 lie outside"},
		"descriptor outside": {rela(elf.R_X86_64_TLSDESC, 0, relocateAt+relaSize-15, 0), nil, nil, "16 bytes at address 0x33009 lie outside"},
		"unknown type":       {rela(elf.R_X86_64_PC32, 0, wordsAt, 0), nil, nil, "type 2 at address 0x30000 does not occur in libraries"},
		"copy":               {rela(elf.R_X86_64_COPY, 2, wordsAt, 0), nil, nil, "type 5 at address 0x30000"},
		"part of an entry":   {relative(wordsAt)[:23], nil, nil, "23 bytes are no whole number of entries"},
		"size of entries":    {relative(wordsAt), nil, []tag{{elf.DT_RELAENT, 16}}, "expected entries of 24 bytes, found 16"},
		"kind of calls":      {nil, relative(wordsAt), []tag{{elf.DT_PLTREL, uint64(elf.DT_REL)}}, "expected a table of calls of kind DT_RELA, found DT_REL"},
		"without addends":    {nil, nil, []tag{{elf.DT_RELSZ, 16}}, "found DT_REL, which x86_64 does not use"},
		"table outside":      {nil, nil, []tag{{elf.DT_RELASZ, 24 << 20}}, "25165824 bytes at address 0x33000 lie outside"},
		"table wraps":        {nil, nil, []tag{{elf.DT_RELASZ, 1<<64 - 16}}, "lie outside of the image"},
		"many references":    {many, nil, nil, "more than 262144 that name a symbol"},
	} {
		_, err := craftRelocations(t, test.table, test.calls, test.more...).Image()
		expect(t, label, err, test.want)
	}
}

// TestEndlessELFTables has a table of more than a million entries in a file large enough for it.
func TestEndlessELFTables(t *testing.T) {
	image := craft(t, []tag{{elf.DT_RELA, bodyAt}, {elf.DT_RELASZ, (maxRelocations + 1) * relaSize}, {elf.DT_RELAENT, relaSize}}, nil)
	const size = 1 << 40
	for _, at := range []int{64 + 32, 64 + 40} { // sizes of the segment, in file and memory
		binary.LittleEndian.PutUint64(image[at:], size)
	}
	err := readFrugally(t, sparse{image, 0}, size)
	expect(t, "endless table", err, "relocations: 1048577 of them, more than 1048576")
}

// TestReadsAreRepeatable reads at random, so that blocks come and go, and compares with a second reading in order.
func TestReadsAreRepeatable(t *testing.T) {
	f := open(t, testplugin.C(t, linuxAMD64, tables()))
	first, second := imageOf(t, f), imageOf(t, f)
	for _, s := range f.memory.segments {
		for at := uint64(0); at+8 <= s.size; at += 8 {
			other := s.address + at*2654435761%(s.size-7)
			_, _ = first.Read(other, 8)
			a, errA := first.Read(s.address+at, 8)
			b, errB := second.Read(s.address+at, 8)
			if !bytes.Equal(a, b) || (errA == nil) != (errB == nil) {
				t.Fatalf("word at %#x: %x, %v and %x, %v", s.address+at, a, errA, b, errB)
			}
		}
	}
}

// peTables gives a DLL, the place of its table of base relocations, and the directory entry for it.
func peTables(t *testing.T) (image, table, directory []byte) {
	t.Helper()
	image = content(t, testplugin.Zig(t, windows64, "x86_64-windows-gnu", tables()))
	p := fromBytes(t, image).symbols.(*peImage)
	offset, err := p.stored("test", uint64(p.directory(5).VirtualAddress), uint64(p.directory(5).Size))
	if err != nil {
		t.Fatal(err)
	}
	headers := binary.LittleEndian.Uint32(image[60:])
	directory = image[headers+24+112+5*8:][:8]
	return image, image[offset:][:p.directory(5).Size], directory
}

func TestHostilePERelocations(t *testing.T) {
	entry := func(kind, place uint16) []byte { return binary.LittleEndian.AppendUint16(nil, kind<<12|place) }
	for label, test := range map[string]struct {
		start []byte // of the table
		size  uint32 // of it, 0: as it is
		want  string
	}{
		"empty block":      {words(0x1000, 8), 8, ""},
		"padding":          {append(words(0x1000, 10), entry(0, 4095)...), 10, ""},
		"block without it": {words(0x1000, 0), 0, "block of impossible size 0"},
		"small block":      {words(0x1000, 7), 0, "block of impossible size 7"},
		"odd block":        {words(0x1000, 9), 0, "block of impossible size 9"},
		"endless block":    {words(0x1000, 0xfffffffe), 0, ""}, // some complaint; see below
		"cut block":        {words(0x1000, 10), 8, "end inside of a block"},
		"cut header":       {words(0x1000, 8), 12, "end inside of a block"},
		"type":             {append(words(0x1000, 10), entry(3, 0)...), 10, "type 3 does not occur in 64-bit images"},
		"wraps around":     {append(words(0xfffffff8, 10), entry(10, 9)...), 10, "page 0xfffffff8 wraps around"},
		"outside":          {append(words(0x7ffff000, 10), entry(10, 9)...), 10, "8 bytes at address 0x7ffff009 lie outside"},
		"unsorted":         {append(words(0x1000, 12), append(entry(10, 16), entry(10, 8)...)...), 12, ""},
		"overlap":          {append(words(0x1000, 12), append(entry(10, 9), entry(10, 16)...)...), 12, "two of them change address 0x1010"},
		"table outside":    {nil, 4 * maxRelocations, "bytes at address"},
		"huge table":       {nil, 1<<32 - 1, "4294967295 bytes of them, more than 4194304"},
	} {
		image, table, directory := peTables(t)
		if test.size != 0 {
			binary.LittleEndian.PutUint32(directory[4:], test.size)
		}
		copy(table, test.start)
		_, err := fromBytes(t, image).Image()
		if label == "endless block" {
			if err == nil {
				t.Errorf("%s: no error", label)
			}
			continue
		}
		expect(t, label, err, test.want)
	}
}

func TestStrippedPERelocations(t *testing.T) {
	image, _, _ := peTables(t)
	headers := binary.LittleEndian.Uint32(image[60:])
	image[headers+22] |= 1 // IMAGE_FILE_RELOCS_STRIPPED
	_, err := fromBytes(t, image).Image()
	expect(t, "stripped", err, "expected an image with base relocations, found one that they were stripped from")
}

// TestImportsOfOldLinkers have no second table of names, so that the end is found in the table of addresses.
func TestImportsOfOldLinkers(t *testing.T) {
	image, _, _ := peTables(t)
	f := fromBytes(t, image)
	want := imageOf(t, f).tables.(*peRelocations).imports
	at, err := f.symbols.(*peImage).stored("test", uint64(f.symbols.(*peImage).directory(1).VirtualAddress), importSize)
	if err != nil {
		t.Fatal(err)
	}
	clear(image[at:][:4])
	m := imageOf(t, fromBytes(t, image))
	if got := m.tables.(*peRelocations).imports; len(got) == 0 || !slices.Equal(got, want) {
		t.Errorf("imports %v, want %v", got, want)
	}
	m.tables.(*peRelocations).imports = []peImport{{wordsOfSection(t, m) - 8, 3 * blockSize, want[0].library}}
	_, err = m.Read(wordsOfSection(t, m)+blockSize, 8)
	expect(t, "import that spans blocks", err, "are addresses of symbols of ")
}

// wordsOfSection is the address of the largest segment.
func wordsOfSection(t *testing.T, m *Image) uint64 {
	t.Helper()
	s := slices.MaxFunc(m.memory.segments, func(a, b segment) int { return int(a.size) - int(b.size) })
	if s.size < 2*blockSize {
		t.Fatal("no large segment")
	}
	return s.address
}

func TestEndlessBindings(t *testing.T) {
	m := &machoImage{dyldInfo: true, memory: memory{source: source{r: sparse{}, size: 1 << 40}}}
	m.bindings[lazyBindings] = span{0, 1<<32 - 1}
	_, err := m.relocations()
	expect(t, "endless bindings", err, "bindings: 4294967295 bytes of them, more than 8388608")
}

// machoBindingsOf runs opcodes over an image of two segments, of 0x1000 bytes at 0x1000 and 0x4000 bytes at 0x10000.
func machoBindingsOf(opcodes string, table int) (*machoBindings, error) {
	m := &machoImage{dyldInfo: true, memory: memory{source: source{r: strings.NewReader(opcodes), size: uint64(len(opcodes)), order: binary.LittleEndian}}}
	m.segments = []segment{{address: 0x1000, size: 0x1000}, {address: 0x10000, size: 0x4000}}
	m.bindings[table] = span{0, uint64(len(opcodes))}
	r, err := m.relocations()
	b, _ := r.(*machoBindings)
	return b, err
}

func TestBindings(t *testing.T) {
	const (
		name  = "\x40_f\x00"
		start = "\x71\x10" // segment 1, offset 16
		ten   = "\xff\xff\xff\xff\xff\xff\xff\xff\xff"
	)
	for label, test := range map[string]struct {
		opcodes string
		table   int
		at      []uint64
		problem string
	}{
		"nothing":              {"", 0, nil, ""},
		"end":                  {"\x00\xff", 0, nil, ""},
		"one":                  {"\x11\x51" + name + start + "\x90\x00", 0, []uint64{0x10010}, ""},
		"two":                  {name + start + "\x90\x90", 0, []uint64{0x10010, 0x10018}, ""},
		"number of library":    {"\x20\x80\x01\x3e" + name + start + "\x90", 0, []uint64{0x10010}, ""},
		"skip":                 {name + start + "\xa0\x08\x90", 0, []uint64{0x10010, 0x10020}, ""},
		"skip words":           {name + start + "\xb2\x90", 0, []uint64{0x10010, 0x10028}, ""},
		"many":                 {name + start + "\xc0\x03\x08", 0, []uint64{0x10010, 0x10020, 0x10030}, ""},
		"back":                 {name + start + "\x80\xf8" + ten[:8] + "\x01\x90", 0, []uint64{0x10008}, ""},
		"negative addend":      {"\x60\x78" + name + start + "\x90", 0, []uint64{0x10010}, ""},
		"long negative addend": {"\x60\x80\x80\x80\x80\x80\x80\x80\x80\x80\x7f" + name + start + "\x90", 0, []uint64{0x10010}, ""},
		"weak":                 {name + start + "\x90", 1, []uint64{0x10010}, ""},
		"lazy":                 {start + name + "\x90\x00" + start + "\x90\x00\x00", 2, []uint64{0x10010}, ""},
		"lazy, next":           {start + name + "\x90\x00\x90\x00", 2, []uint64{0x10010, 0x10018}, ""},
		"twice":                {name + start + "\x90" + start + "\x90", 0, []uint64{0x10010}, ""},
		"overlap":              {name + start + "\x90\x71\x14\x90", 0, nil, "two of them change address 0x10014"},
		"outside":              {name + "\x71\xf9\x7f\x90", 0, nil, "8 bytes at address 0x13ff9 lie outside"},
		"before":               {name + "\x71\x00\x80\xf8" + ten[:8] + "\x01\x90", 0, nil, "8 bytes at address 0xfff8 lie outside"},
		"no segment":           {name + "\x90", 0, nil, "no segment is chosen"},
		"which segment":        {name + "\x72\x00\x90", 0, nil, "segment 2 of 2"},
		"type":                 {"\x52" + name + start + "\x90", 0, nil, "type 2 does not occur"},
		"threaded":             {"\xd0\x01", 0, nil, "opcode 0xd0 does not occur"},
		"endless many":         {name + start + "\xc0" + ten + "\x01\x00", 0, nil, "more than 1048576"},
		"endless number":       {"\x80" + ten + ten, 0, nil, "a number has more than 64 bits"},
		"cut number":           {"\x80\x80", 0, nil, "end inside of an instruction"},
		"cut name":             {"\x40_f", 0, nil, "end inside of an instruction"},
		"cut addend":           {"\x60\x80", 0, nil, "end inside of an instruction"},
	} {
		b, err := machoBindingsOf(test.opcodes, test.table)
		expect(t, label, err, test.problem)
		if err != nil {
			continue
		}
		var at []uint64
		for _, word := range b.words {
			at = append(at, word.address)
			_, err := b.resolve(pending{word.address, 8, word.name})
			expect(t, label, err, "is the address of _f, which may be another library's")
		}
		if !slices.Equal(at, test.at) {
			t.Errorf("%s: words %#x, want %#x", label, at, test.at)
		}
	}
}
