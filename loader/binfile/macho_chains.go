package binfile

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/loadr-plugins/loadr/manifest"
)

// Values of LC_DYLD_CHAINED_FIXUPS, from Apple's mach-o/fixup-chains.h.
const (
	chainPointer64       = 2 // DYLD_CHAINED_PTR_64: targets are addresses
	chainPointer64Offset = 6 // DYLD_CHAINED_PTR_64_OFFSET: targets count from the image's start

	chainNone   = 0xffff // of a page without fix-ups
	chainStride = 4      // bytes that a link counts

	chainHeaderSize  = 28
	chainSegmentSize = 22 // before its table of pages

	importPlain    = 1 // DYLD_CHAINED_IMPORT
	importAddend   = 2 // DYLD_CHAINED_IMPORT_ADDEND
	importAddend64 = 3 // DYLD_CHAINED_IMPORT_ADDEND64
)

// machoChains are the words that chained fix-ups change. In the file each word says what becomes of it, and where in its
// page the next one is; a table says where in each page the first one is. Pages are gone through when they are read.
type machoChains struct {
	image    *machoImage
	header   chainHeader
	segments []chainSegment // sorted by address
}

type chainHeader struct {
	Version, Starts, Imports, Symbols, ImportCount, ImportFormat, SymbolFormat uint32
}

// chainSegment is a segment with chains.
type chainSegment struct {
	segment
	pageSize uint64 // a part of blockSize
	format   uint16
	starts   uint64 // offset in the file of the table of pages' first words
	pages    uint64
}

// readChains reads what there is for each segment; the tables of pages it leaves in the file.
func (m *machoImage) readChains() (relocations, error) {
	const part = "chained fix-ups"
	buf, err := m.chained(part, 0, chainHeaderSize)
	if err != nil {
		return nil, err
	}
	c := &machoChains{image: m, header: decode[chainHeader](m.source, buf)}
	if c.header.Version != 0 {
		return nil, &UnsupportedError{manifest.MachO, "chained fix-ups of version 0", fmt.Sprintf("version %d", c.header.Version)}
	}
	if err := c.readSegments(); err != nil {
		return nil, err
	}
	slices.SortFunc(c.segments, func(a, b chainSegment) int { return cmp.Compare(a.address, b.address) })
	return c, nil
}

// chained gives n bytes of the load command's data.
func (m *machoImage) chained(part string, offset, n uint64) ([]byte, error) {
	if offset > m.chains.size || n > m.chains.size-offset {
		return nil, m.damage(part, "%d bytes at %d lie outside of their %d bytes", n, offset, m.chains.size)
	}
	return m.source.read(part, m.chains.offset+offset, n)
}

// readSegments reads the offsets of what there is for each segment; 0 where there is nothing.
func (c *machoChains) readSegments() error {
	const part = "chained fix-ups"
	at := uint64(c.header.Starts)
	buf, err := c.image.chained(part, at, 4)
	if err != nil {
		return err
	}
	count := uint64(c.image.order.Uint32(buf))
	if count > uint64(len(c.image.segments)) {
		return c.image.damage(part, "%d segments, of %d that there are", count, len(c.image.segments))
	}
	if buf, err = c.image.chained(part, at+4, 4*count); err != nil {
		return err
	}
	for i := range count {
		offset := uint64(c.image.order.Uint32(buf[4*i:]))
		if offset == 0 {
			continue
		}
		if err := c.readSegment(c.image.segments[i], at+offset); err != nil {
			return err
		}
	}
	return nil
}

// readSegment takes in a segment's size of pages, form of words and table of pages.
func (c *machoChains) readSegment(s segment, at uint64) error {
	const part = "chained fix-ups"
	buf, err := c.image.chained(part, at, chainSegmentSize)
	if err != nil {
		return err
	}
	order := c.image.order
	chain := chainSegment{segment: s, pageSize: uint64(order.Uint16(buf[4:])), format: order.Uint16(buf[6:]),
		starts: at + chainSegmentSize, pages: uint64(order.Uint16(buf[20:]))}
	if chain.format != chainPointer64 && chain.format != chainPointer64Offset {
		return &UnsupportedError{manifest.MachO, "chained fix-ups of format 2 or 6 (64-bit pointers)",
			"format " + chainFormat(chain.format)}
	}
	if chain.pageSize != 0x1000 && chain.pageSize != 0x4000 {
		return c.image.damage(part, "pages of %d bytes", chain.pageSize)
	}
	if offset := order.Uint64(buf[8:]); offset != s.address-c.image.base {
		return c.image.damage(part, "segment at %#x is said to be at %#x", s.address-c.image.base, offset)
	}
	if chain.pages*chain.pageSize >= s.size+chain.pageSize {
		return c.image.damage(part, "%d pages in a segment of %d bytes", chain.pages, s.size)
	}
	if chain.starts+2*chain.pages > c.image.chains.size {
		return c.image.damage(part, "%d pages, whose table lies outside", chain.pages)
	}
	c.segments = append(c.segments, chain)
	return nil
}

// chainFormat names the formats of arm64e, which sign their pointers.
func chainFormat(format uint16) string {
	switch format {
	case 1, 7, 8, 9, 10, 12, 13:
		return fmt.Sprintf("%d (arm64e)", format)
	}
	return fmt.Sprint(format)
}

// apply goes through the chains of the block's pages, which are whole: both are counted from the segment's start.
func (c *machoChains) apply(w *window) error {
	for _, s := range c.segments {
		if w.start < s.address || w.start-s.address >= s.size {
			continue
		}
		for page := (w.start - s.address) / s.pageSize; page < s.pages && s.address+page*s.pageSize < w.end; page++ {
			if err := c.applyPage(w, s, page); err != nil {
				return err
			}
		}
	}
	return nil
}

// applyPage follows a page's chain. It leads upwards only, and words that cross the end of a page are refused.
func (c *machoChains) applyPage(w *window, s chainSegment, page uint64) error {
	const part = "chained fix-ups"
	buf, err := c.image.chained(part, s.starts+2*page, 2)
	if err != nil {
		return err
	}
	at := uint64(c.image.order.Uint16(buf))
	if at == chainNone {
		return nil
	}
	for start := s.address + page*s.pageSize; ; {
		if at > s.pageSize-8 || !w.holds(start+at) {
			return c.image.damage(part, "the word at address %#x is not wholly in its page", start+at)
		}
		next := c.applyWord(w, s, start+at)
		if next == 0 {
			return nil
		}
		if next < 8 {
			return c.image.damage(part, "two of them change address %#x", start+at+next)
		}
		at += next
	}
}

// applyWord relocates a word, and gives the distance to the next one.
func (c *machoChains) applyWord(w *window, s chainSegment, address uint64) (next uint64) {
	word := w.word(address)
	next = word >> 51 & 0xfff * chainStride
	if word>>63 != 0 {
		w.pending = append(w.pending, pending{address, 8, word & 0xffffff})
		return next
	}
	target := word&(1<<36-1) | word>>36<<56
	if s.format == chainPointer64Offset {
		target += c.image.base
	}
	w.put(address, target)
	return next
}

// resolve looks up the name of an imported symbol.
func (c *machoChains) resolve(p pending) (uint64, error) {
	const part = "imports of chained fix-ups"
	order := c.image.order
	size := map[uint32]uint64{importPlain: 4, importAddend: 8, importAddend64: 16}[c.header.ImportFormat]
	if p.table >= uint64(c.header.ImportCount) || size == 0 || c.header.SymbolFormat != 0 {
		return 0, c.image.damage(part, "the word at address %#x is the address of number %d of %d (formats %d and %d)",
			p.address, p.table, c.header.ImportCount, c.header.ImportFormat, c.header.SymbolFormat)
	}
	buf, err := c.image.chained(part, uint64(c.header.Imports)+p.table*size, size)
	if err != nil {
		return 0, err
	}
	name := uint64(order.Uint32(buf) >> 9)
	if c.header.ImportFormat == importAddend64 {
		name = uint64(order.Uint32(buf[4:]))
	}
	return 0, c.image.bound(p.address, c.image.chains.offset+uint64(c.header.Symbols)+name)
}
