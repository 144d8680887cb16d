package binfile

import (
	"cmp"
	"encoding/binary"
	"iter"
	"slices"
)

const (
	blockSize   = 16 << 10 // a multiple of the pages that Mach-O's chains go by
	blockCount  = 64       // so at most 1 MiB is kept
	blockMargin = 7        // a word may begin in one block and end in the next
)

// Image is the memory of a library as a dynamic loader leaves it, before any of the library's code has run. Addresses are
// those of Symbol.Address, and the pointers in the memory are such addresses too: ELF and PE images are as if loaded at
// address 0, Mach-O images at the address that they prefer.
//
// Words that get the address of another library's symbol have no value here, and reading one is an error, as it is for
// words of thread-local storage and of indirect functions. A symbol that the image itself defines is taken to be the
// one in use, even though another library loaded before could take its place.
//
// An Image runs nothing. It reads the file in blocks of 16 KiB, relocates each as it comes in, and keeps at most 64 of
// them. It may be used by one goroutine at a time, and until the File is closed.
type Image struct {
	memory  memory
	tables  relocations
	blocks  [blockCount]block
	scratch []byte // what Read gives when it spans blocks
}

// block is a window of the cache.
type block struct {
	window
	filled bool
}

// window is a piece of a segment that relocations are applied to, with the margin around it that their words need.
type window struct {
	start, end uint64 // addresses
	address    uint64 // of the first byte of the data, in the margin
	data       []byte
	pending    []pending // sorted by address
}

// pending is a place in memory whose contents depend on a symbol. They are looked for when they are read, so that the
// work for a hostile image stays in proportion to what is read of it.
type pending struct {
	address, size uint64
	table         uint64 // where the format's tables say more about it
}

// relocations are the tables of one format, read and checked.
type relocations interface {
	// apply relocates a window. It gets the window's bytes as they are in the file.
	apply(*window) error
	// resolve gives the word for a pending place; the error names what is not in the image.
	resolve(pending) (uint64, error)
}

// Image gives the library's memory. It reads the relocation tables, at most a million entries, and refuses those that
// would change one byte twice. Only images for x86_64 and aarch64 are relocated. The error is a *FormatError, an
// *UnsupportedError or one of the reader's.
func (f *File) Image() (*Image, error) {
	if f.Machine != "x86_64" && f.Machine != "aarch64" {
		return nil, &UnsupportedError{f.Format, "an image for x86_64 or aarch64", "one for " + f.Machine}
	}
	tables, err := f.symbols.relocations()
	if err != nil {
		return nil, err
	}
	return &Image{memory: f.memory, tables: tables}, nil
}

// Executable says whether the address lies in memory that holds code.
func (m *Image) Executable(address uint64) bool { return m.memory.executable(address) }

// Read gives n bytes from address, all of one segment and at most 1 MiB. They are valid until the next call and must
// not be written to. The error is a *FormatError, or one of the reader's. No bytes can be read from everywhere.
func (m *Image) Read(address, n uint64) ([]byte, error) {
	const part = "memory"
	if n == 0 {
		return nil, nil
	}
	s, ok := m.memory.at(address)
	if !ok || n > s.size-(address-s.address) {
		return nil, m.memory.damage(part, "%d bytes at address %#x lie outside of the image", n, address)
	}
	if n > maxPiece {
		return nil, m.memory.damage(part, "%d bytes at address %#x are more than can be read at once (%d)", n, address, maxPiece)
	}
	b, err := m.block(s, address)
	if err != nil {
		return nil, err
	}
	if n <= b.end-address {
		return m.settled(b, address, n)
	}
	return m.readAcross(s, address, n)
}

// readAcross puts together what spans blocks.
func (m *Image) readAcross(s segment, address, n uint64) ([]byte, error) {
	m.scratch = m.scratch[:0]
	for n > 0 {
		b, err := m.block(s, address)
		if err != nil {
			return nil, err
		}
		piece, err := m.settled(b, address, min(n, b.end-address))
		if err != nil {
			return nil, err
		}
		m.scratch = append(m.scratch, piece...)
		address += uint64(len(piece))
		n -= uint64(len(piece))
	}
	return m.scratch, nil
}

// settled gives bytes of a block after the pending places among them got their values.
func (m *Image) settled(b *block, address, n uint64) ([]byte, error) {
	if len(b.pending) > 0 {
		if err := m.settle(b, address, address+n); err != nil {
			return nil, err
		}
	}
	from := address - b.address
	return b.data[from : from+n : from+n], nil
}

func (m *Image) settle(b *block, from, to uint64) error {
	first, _ := slices.BinarySearchFunc(b.pending, from, func(p pending, from uint64) int {
		return cmp.Compare(p.address+p.size, from+1)
	})
	next := first
	for ; next < len(b.pending) && b.pending[next].address < to; next++ {
		p := b.pending[next]
		value, err := m.tables.resolve(p)
		if err != nil {
			return err
		}
		b.put(p.address, value)
	}
	b.pending = slices.Delete(b.pending, first, next)
	return nil
}

// block gives the block that an address of this segment is in. Each has one place in the cache where it can be.
func (m *Image) block(s segment, address uint64) (*block, error) {
	skip := (address - s.address) / blockSize * blockSize
	start := s.address + skip
	b := &m.blocks[start/blockSize%blockCount]
	if b.filled && b.start == start {
		return b, nil
	}
	b.filled, b.start, b.end = false, start, s.address+min(skip+blockSize, s.size)
	if err := m.fill(b, s, skip); err != nil {
		return nil, err
	}
	b.filled = true
	return b, nil
}

// fill reads and relocates the block that begins `skip` bytes into the segment.
func (m *Image) fill(b *block, s segment, skip uint64) error {
	from, to := skip-min(skip, blockMargin), min(skip+blockSize+blockMargin, s.size)
	b.address, b.data, b.pending = s.address+from, slices.Grow(b.data[:0], int(to-from))[:to-from], b.pending[:0]
	if err := m.memory.fill("memory", s, from, b.data); err != nil {
		return err
	}
	return m.tables.apply(&b.window)
}

// put stores a word, unless it is not wholly inside: then it ends in the margin, or begins before it.
func (w *window) put(address, value uint64) {
	if at := address - w.address; w.holds(address) {
		binary.LittleEndian.PutUint64(w.data[at:], value)
	}
}

// word gives the word at address, as it is by now.
func (w *window) word(address uint64) uint64 {
	return binary.LittleEndian.Uint64(w.data[address-w.address:])
}

// holds says whether the whole word at address is in the window.
func (w *window) holds(address uint64) bool {
	return address >= w.address && len(w.data) >= 8 && address-w.address <= uint64(len(w.data)-8)
}

// checkPlaces refuses places that are not wholly in one segment, or that overlap. They come sorted, as address and size.
func (m *memory) checkPlaces(part string, places iter.Seq2[uint64, uint64]) error {
	var s segment
	end := uint64(0) // of the place before
	for address, size := range places {
		if address < end {
			return m.damage(part, "two of them change address %#x", address)
		}
		inside := address >= s.address && address-s.address < s.size
		if !inside {
			s, inside = m.at(address)
		}
		if !inside || size > s.size-(address-s.address) {
			return m.damage(part, "%d bytes at address %#x lie outside of the image", size, address)
		}
		end = address + size
	}
	return nil
}
