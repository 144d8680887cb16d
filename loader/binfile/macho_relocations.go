package binfile

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"io"
	"slices"

	"github.com/loadr-plugins/loadr/manifest"
)

// Opcodes of LC_DYLD_INFO's tables of bindings, from Apple's mach-o/loader.h. The low four bits are a small operand.
const (
	bindOpcode       = 0xf0
	bindDone         = 0x00
	bindLibrary      = 0x10 // number of the library, in place
	bindLibraryULEB  = 0x20
	bindLibrarySelf  = 0x30 // special numbers of it
	bindSymbol       = 0x40 // a text follows
	bindType         = 0x50
	bindAddend       = 0x60
	bindSegment      = 0x70
	bindSkip         = 0x80
	bindOne          = 0x90
	bindOneSkip      = 0xa0
	bindOneSkipWords = 0xb0
	bindMany         = 0xc0

	bindPointer = 1 // the only type of 64-bit images
)

// machoBindings are the words that LC_DYLD_INFO binds to symbols, of other libraries or weak ones, which another library
// may replace. Words that hold addresses of this image are right as they are: the file has them for the preferred base,
// which is the one in use here. So its table of rebasings is not looked at.
type machoBindings struct {
	image *machoImage
	words []machoBinding // sorted
}

// machoBinding is a word, and the place of its symbol's name in the file.
type machoBinding struct{ address, name uint64 }

func (m *machoImage) relocations() (relocations, error) {
	switch {
	case m.chains.size > 0:
		return m.readChains()
	case m.dyldInfo:
		return m.readBindings()
	}
	return nil, &UnsupportedError{manifest.MachO, "chained fix-ups or LC_DYLD_INFO", "neither: made before macOS 10.6"}
}

func (m *machoImage) readBindings() (relocations, error) {
	const part = "bindings"
	b := &machoBindings{image: m}
	for i, table := range m.bindings {
		if table.size > maxBindings {
			return nil, m.damage(part, "%d bytes of them, more than %d", table.size, maxBindings)
		}
		reader := newBindReader(b, table, i == lazyBindings)
		if err := reader.run(); err != nil {
			return nil, err
		}
	}
	// A weak symbol's word may be bound by the first table as well.
	slices.SortFunc(b.words, func(a, b machoBinding) int { return cmp.Compare(a.address, b.address) })
	b.words = slices.CompactFunc(b.words, func(a, b machoBinding) bool { return a.address == b.address })
	return b, m.checkPlaces(part, func(yield func(uint64, uint64) bool) {
		for _, word := range b.words {
			if !yield(word.address, 8) {
				return
			}
		}
	})
}

func (b *machoBindings) apply(w *window) error {
	first, _ := slices.BinarySearchFunc(b.words, w.address, func(word machoBinding, at uint64) int {
		return cmp.Compare(word.address+8, at+1)
	})
	for _, word := range b.words[first:] {
		if word.address >= w.end {
			break
		}
		w.pending = append(w.pending, pending{word.address, 8, word.name})
	}
	return nil
}

func (b *machoBindings) resolve(p pending) (uint64, error) {
	return 0, b.image.bound(p.address, p.table)
}

// bound makes the error for a word that is bound to a symbol, whose name is at this offset in the file.
func (m *machoImage) bound(address, offset uint64) error {
	const part = "memory"
	text, err := m.source.read("symbol name", offset, min(maxText, m.size-min(offset, m.size)))
	if err != nil {
		return err
	}
	if end := slices.Index(text, 0); end >= 0 {
		text = text[:end]
	}
	name, err := m.printable("symbol name", text)
	if err != nil {
		return err
	}
	return m.damage(part, "the word at address %#x is the address of %s, which may be another library's", address, name)
}

// bindReader runs the opcodes of a table.
type bindReader struct {
	to      *machoBindings
	table   span
	opcodes *bufio.Reader
	read    uint64 // bytes
	lazy    bool   // every word is an end of its own
	segment segment
	chosen  bool
	offset  uint64 // in the segment; it wraps around, as skips can be negative
	name    uint64
	failed  error
}

func newBindReader(to *machoBindings, table span, lazy bool) *bindReader {
	section := &pieces{to.image.source, "bindings", table.offset, table.size}
	return &bindReader{to: to, table: table, opcodes: bufio.NewReaderSize(section, 4096), lazy: lazy}
}

// run goes through the table. Its end is that of the bytes, or an opcode that says so.
func (r *bindReader) run() error {
	for r.read < r.table.size && r.failed == nil {
		opcode := r.byte()
		if opcode == bindDone && !r.lazy {
			break
		}
		r.step(opcode&bindOpcode, uint64(opcode&^bindOpcode))
	}
	return r.failed
}

func (r *bindReader) step(opcode byte, operand uint64) {
	switch opcode {
	case bindDone, bindLibrary, bindLibrarySelf:
	case bindLibraryULEB:
		r.number()
	case bindAddend: // a signed number
		for r.byte() >= 0x80 {
		}
	case bindSymbol:
		r.symbol()
	case bindType:
		if operand != bindPointer {
			r.fail("type %d does not occur in 64-bit images", operand)
		}
	case bindSegment:
		r.choose(operand)
		r.offset = r.number()
	case bindSkip:
		r.offset += r.number()
	case bindOne:
		r.bind(1, 0)
	case bindOneSkip:
		r.bind(1, r.number())
	case bindOneSkipWords:
		r.bind(1, 8*operand)
	case bindMany:
		count := r.number()
		r.bind(count, r.number())
	default:
		r.fail("opcode %#x does not occur in images for x86_64 and arm64", opcode)
	}
}

func (r *bindReader) symbol() {
	r.name = r.table.offset + r.read
	for r.byte() != 0 && r.failed == nil {
	}
}

func (r *bindReader) choose(index uint64) {
	if r.chosen = index < uint64(len(r.to.image.segments)); !r.chosen {
		r.fail("segment %d of %d", index, len(r.to.image.segments))
		return
	}
	r.segment = r.to.image.segments[index]
}

// bind notes words of the chosen segment, each `skip` bytes behind the one before.
func (r *bindReader) bind(count, skip uint64) {
	for ; count > 0 && r.failed == nil; count-- {
		switch {
		case !r.chosen:
			r.fail("no segment is chosen")
		case len(r.to.words) == maxRelocations:
			r.fail("more than %d", maxRelocations)
		default:
			r.to.words = append(r.to.words, machoBinding{r.segment.address + r.offset, r.name})
			r.offset += 8 + skip
		}
	}
}

// byte gives the next byte, 0 after a failure.
func (r *bindReader) byte() byte {
	if r.failed != nil {
		return 0
	}
	b, err := r.opcodes.ReadByte()
	if err == io.EOF {
		r.fail("end inside of an instruction")
	} else if err != nil {
		r.failed = err
	}
	r.read++
	return b
}

// number reads a ULEB128.
func (r *bindReader) number() uint64 {
	v, err := binary.ReadUvarint(byteReader(r.byte))
	if err != nil {
		r.fail("a number has more than 64 bits")
	}
	return v
}

// fail notes the first failure.
func (r *bindReader) fail(format string, args ...any) {
	if r.failed == nil {
		r.failed = r.to.image.damage("bindings", format, args...)
	}
}
