package binfile

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"github.com/loadr-plugins/loadr/internal/testplugin"
	"github.com/loadr-plugins/loadr/manifest"
)

// chainFile is an image of one segment with chained fix-ups, written by hand. Its fields are what goes into the tables.
type chainFile struct {
	header      [7]uint32 // as chainHeader
	count       uint32    // of segments
	pageSize    uint16
	format      uint16
	offset      uint64 // of the segment, from the image's start
	pages       []uint16
	imports     []byte
	words       map[uint64]uint64 // contents of the segment
	bytesBeyond uint64            // of the tables
}

const (
	chainBase    = 0x100000000
	chainAddress = chainBase + 0x4000
	chainSize    = 5*0x4000 + 0x1000
)

// newChainFile has a chain in the first page: a pointer at 0x10, an import at 0x20.
func newChainFile() *chainFile {
	return &chainFile{
		header: [7]uint32{0, 28, 0x800, 0x900, 2, importPlain, 0}, count: 1, pageSize: 0x4000, format: chainPointer64Offset,
		offset: chainAddress - chainBase, pages: []uint16{0x10, chainNone, chainNone, chainNone, chainNone},
		imports: words(0, 3<<9), words: map[uint64]uint64{0x10: rebase(0x123, 0x10), 0x20: bind(1, 0)},
	}
}

// rebase is a pointer, bind an import; next is the distance to the next one.
func rebase(target, next uint64) uint64  { return target | next/4<<51 }
func bind(ordinal, next uint64) uint64   { return 1<<63 | ordinal | next/4<<51 }
func (f *chainFile) put(at, word uint64) { f.words[at] = word }

// image makes an Image, or the error of making it.
func (f *chainFile) image(t *testing.T) (*Image, error) {
	t.Helper()
	order := binary.LittleEndian
	table := words(f.header[:]...)
	table = append(table, words(f.count, 8)...) // the segment's part is 8 bytes behind
	table = append(table, words(uint32(22+2*len(f.pages)))...)
	table = order.AppendUint16(order.AppendUint16(table, f.pageSize), f.format)
	table = append(order.AppendUint64(table, f.offset), words(0)...)
	table = order.AppendUint16(table, uint16(len(f.pages)))
	for _, page := range f.pages {
		table = order.AppendUint16(table, page)
	}
	table = append(table, make([]byte, 0xa00-len(table))...)
	copy(table[0x800:], f.imports)
	copy(table[0x900:], "_f\x00_g\x00")
	content := make([]byte, chainSize)
	for at, word := range f.words {
		order.PutUint64(content[at:], word)
	}
	file := slices.Concat(content, table)
	m := &machoImage{base: chainBase, chains: span{chainSize, uint64(len(table)) + f.bytesBeyond}}
	m.memory = memory{source: source{r: bytes.NewReader(file), size: uint64(len(file)), order: order, format: manifest.MachO}}
	m.segments = []segment{{chainAddress, chainSize, 0, chainSize, false}}
	return (&File{Machine: "aarch64", symbols: m, memory: m.memory}).Image()
}

func TestChains(t *testing.T) {
	for label, test := range map[string]struct {
		change  func(*chainFile)
		at      uint64 // which word is read
		want    uint64
		problem string
	}{
		"pointer": {func(*chainFile) {}, 0x10, chainBase + 0x123, ""},
		"import": {func(*chainFile) {},
			0x20, 0, "the word at address 0x100004020 is the address of _g, which may be another library's"},
		"other words": {func(f *chainFile) { f.put(0x18, 1<<63) }, 0x18, 1 << 63, ""},
		"other page":  {func(f *chainFile) { f.put(0x4000, 1<<63) }, 0x4000, 1 << 63, ""},
		"address":     {func(f *chainFile) { f.format = chainPointer64 }, 0x10, 0x123, ""},
		"high byte": {func(f *chainFile) { f.put(0x10, rebase(0x123|0xa5<<36, 0)) },
			0x10, 0xa5<<56 + chainBase + 0x123, ""},
		"small pages":  {func(f *chainFile) { f.pageSize = 0x1000 }, 0x10, chainBase + 0x123, ""},
		"second page":  {func(f *chainFile) { f.pages[1] = 8; f.put(0x4008, rebase(1, 0)) }, 0x4008, chainBase + 1, ""},
		"last of page": {func(f *chainFile) { f.pages[1] = 0x3ff8; f.put(0x7ff8, rebase(1, 0)) }, 0x7ff8, chainBase + 1, ""},
		"far": {func(f *chainFile) { f.pages[1] = 0; f.put(0x4000, rebase(1, 0x3ff8)); f.put(0x7ff8, rebase(2, 0)) },
			0x7ff8, chainBase + 2, ""},
		"addends": {func(f *chainFile) { f.header[5], f.imports = importAddend, words(0, 0, 4<<9, 1) },
			0x20, 0, "address of g, which"},
		"long addends": {func(f *chainFile) { f.header[5], f.imports = importAddend64, words(0, 0, 0, 0, 0, 3, 1, 0) },
			0x20, 0, "address of _g, which"},
		"packed names": {func(f *chainFile) { f.header[6] = 1 },
			0x20, 0, "is the address of number 1 of 2 (formats 1 and 1)"},
		"other imports": {func(f *chainFile) { f.header[5] = 4 },
			0x20, 0, "is the address of number 1 of 2 (formats 4 and 0)"},
		"no import": {func(f *chainFile) { f.put(0x20, bind(2, 0)) }, 0x20, 0, "is the address of number 2 of 2"},
		"import outside": {func(f *chainFile) { f.header[2] = 1 << 31 }, 0x20, 0,
			"imports of chained fix-ups: 4 bytes at 2147483652 lie outside"},
		"name outside": {func(f *chainFile) { f.header[3] = 1 << 31 }, 0x20, 0, "symbol name: "},
		"overlap": {func(f *chainFile) { f.put(0x10, rebase(1, 4)) },
			0x10, 0, "two of them change address 0x100004014"},
		"beyond page": {func(f *chainFile) { f.put(0x10, rebase(1, 0x3ff0)) },
			0x10, 0, "the word at address 0x100008000 is not wholly in its page"},
		"across page": {func(f *chainFile) { f.put(0x10, rebase(1, 0x3fec)) },
			0x10, 0, "the word at address 0x100007ffc is not wholly in its page"},
		"starts beyond page": {func(f *chainFile) { f.pages[0] = 0x4000 },
			0x10, 0, "the word at address 0x100008000 is not wholly"},
		"several starts": {func(f *chainFile) { f.pages[0] = 0x8001 }, 0x10, 0, "is not wholly in its page"},
		"beyond segment": {func(f *chainFile) { f.pages = append(f.pages, 0x1000) }, 5 * 0x4000, 0,
			fmt.Sprintf("the word at address %#x is not wholly", chainAddress+chainSize)},
	} {
		f := newChainFile()
		test.change(f)
		m, err := f.image(t)
		if err != nil {
			t.Errorf("%s: %v", label, err)
			continue
		}
		got, err := m.Read(chainAddress+test.at, 8)
		expect(t, label, err, test.problem)
		_, again := m.Read(chainAddress+test.at, 8)
		expect(t, label+", again", again, test.problem)
		if err == nil && binary.LittleEndian.Uint64(got) != test.want {
			t.Errorf("%s: word is %x, want %#x", label, got, test.want)
		}
	}
}

func TestHostileChains(t *testing.T) {
	for label, test := range map[string]struct {
		change func(*chainFile)
		want   string
	}{
		"as it is": {func(*chainFile) {}, ""},
		"version": {func(f *chainFile) { f.header[0] = 1 },
			"expected chained fix-ups of version 0, found version 1"},
		"starts outside": {func(f *chainFile) { f.header[1] = 1 << 30 },
			"4 bytes at 1073741824 lie outside of their 2560 bytes"},
		"segments":    {func(f *chainFile) { f.count = 2 }, "2 segments, of 1 that there are"},
		"page size":   {func(f *chainFile) { f.pageSize = 0x2000 }, "pages of 8192 bytes"},
		"page size 0": {func(f *chainFile) { f.pageSize = 0 }, "pages of 0 bytes"},
		"arm64e": {func(f *chainFile) { f.format = 1 },
			"expected chained fix-ups of format 2 or 6 (64-bit pointers), found format 1 (arm64e)"},
		"arm64e, userland": {func(f *chainFile) { f.format = 12 }, "found format 12 (arm64e)"},
		"32-bit":           {func(f *chainFile) { f.format = 3 }, "found format 3"},
		"place":            {func(f *chainFile) { f.offset++ }, "segment at 0x4000 is said to be at 0x4001"},
		"pages":            {func(f *chainFile) { f.pages = make([]uint16, 7) }, "7 pages in a segment of 86016 bytes"},
		"table of pages":   {func(f *chainFile) { f.bytesBeyond = 1<<64 - (0xa00 - 60) }, "5 pages, whose table lies outside"},
		"file":             {func(f *chainFile) { f.header[1], f.bytesBeyond = 0xa00, 4096 }, "truncated"},
	} {
		f := newChainFile()
		test.change(f)
		_, err := f.image(t)
		expect(t, label, err, test.want)
	}
}

// TestChainsInOtherForms changes the form that LLVM's linker chose; with the image's start at 0 both mean the same.
func TestChainsInOtherForms(t *testing.T) {
	image := content(t, testplugin.Apple(t, darwinARM, tables(), "-fixup_chains"))
	m := fromBytes(t, image).symbols.(*machoImage)
	r, err := m.readChains()
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []uint16{chainPointer64, chainPointer64Offset} {
		other := bytes.Clone(image)
		for _, s := range r.(*machoChains).segments {
			binary.LittleEndian.PutUint16(other[m.chains.offset+s.starts-chainSegmentSize+6:], format)
		}
		checkTables(t, fromBytes(t, other))
	}
}

func TestMachOWithoutTablesIsRefused(t *testing.T) {
	image := samples(t)[manifest.MachO]
	binary.LittleEndian.PutUint32(command(t, image, loadDyldInfo|loadMustUnderstand), loadDyldInfo+0x100)
	_, err := fromBytes(t, image).Image()
	expect(t, "no tables", err, "expected chained fix-ups or LC_DYLD_INFO, found neither")
}
