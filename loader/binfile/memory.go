package binfile

import (
	"bytes"
	"unicode"
	"unicode/utf8"
)

// memory is an image as a loader lays it out, before relocation: addresses instead of offsets into the file.
type memory struct {
	source
	segments []segment
}

// segment is a range of addresses. Its first fileSize bytes are those at offset in the file, the rest is zero.
type segment struct {
	address, size    uint64
	offset, fileSize uint64
	code             bool
}

// add takes a segment into the image, unless the file is too short for it, its addresses wrap around, or they are
// taken already: one address would mean two places of the file, and loaders differ on which one counts.
func (m *memory) add(part string, s segment) error {
	if !m.holds(s.offset, s.fileSize) {
		return m.truncated(part, s.offset, s.fileSize)
	}
	if s.address+s.size < s.address || s.fileSize > s.size {
		return m.damage(part, "impossible range: %d bytes of memory at %#x from %d bytes of file", s.size, s.address, s.fileSize)
	}
	if len(m.segments) == maxSegments {
		return m.damage(part, "more than %d segments", maxSegments)
	}
	for _, other := range m.segments {
		if s.address < other.address+other.size && other.address < s.address+s.size {
			return m.damage(part, "at address %#x overlaps the one at %#x", s.address, other.address)
		}
	}
	m.segments = append(m.segments, s)
	return nil
}

// at finds the segment of an address.
func (m *memory) at(address uint64) (segment, bool) {
	for _, s := range m.segments {
		if address >= s.address && address-s.address < s.size {
			return s, true
		}
	}
	return segment{}, false
}

func (m *memory) executable(address uint64) bool {
	s, ok := m.at(address)
	return ok && s.code
}

// read gives n bytes from address, all of one segment. The part names them in the error.
func (m *memory) read(part string, address, n uint64) ([]byte, error) {
	s, ok := m.at(address)
	if !ok || n > s.size-(address-s.address) {
		return nil, m.damage(part, "%d bytes at address %#x lie outside of the image", n, address)
	}
	if n > maxPiece {
		return nil, m.damage(part, "of %d bytes is larger than any real one (%d)", n, maxPiece)
	}
	buf := make([]byte, n)
	return buf, m.fill(part, s, address-s.address, buf)
}

// fill reads the bytes of a segment from `skip` on, which there must be as many of. What the file does not have is zero.
func (m *memory) fill(part string, s segment, skip uint64, buf []byte) error {
	stored := buf[:min(uint64(len(buf)), s.fileSize-min(skip, s.fileSize))]
	clear(buf[len(stored):])
	if len(stored) == 0 {
		return nil
	}
	return m.source.fill(part, s.offset+skip, stored)
}

// stored gives the offset in the file of n bytes of a table. It must be there whole: zeros that a loader adds are no table.
func (m *memory) stored(part string, address, n uint64) (offset uint64, err error) {
	s, ok := m.at(address)
	skip := address - s.address
	if !ok || skip > s.fileSize || n > s.fileSize-skip {
		return 0, m.damage(part, "%d bytes at address %#x lie outside of the image", n, address)
	}
	return s.offset + skip, nil
}

// uint32 reads one number.
func (m *memory) uint32(part string, address uint64) (uint32, error) {
	buf, err := m.read(part, address, 4)
	if err != nil {
		return 0, err
	}
	return m.order.Uint32(buf), nil
}

// contains says that a table of n bytes at address is inside of the image, without reading it.
func (m *memory) contains(address, n uint64) bool {
	s, ok := m.at(address)
	return ok && n <= s.size-(address-s.address)
}

// upTo gives at most n bytes from address, fewer where the segment ends.
func (m *memory) upTo(part string, address, n uint64) ([]byte, error) {
	s, ok := m.at(address)
	if !ok {
		return nil, m.damage(part, "address %#x lies outside of the image", address)
	}
	return m.read(part, address, min(n, s.size-(address-s.address)))
}

// compare orders the zero-terminated text at address against name, by bytes.
func (m *memory) compare(part string, address uint64, name string) (int, error) {
	text, err := m.upTo(part, address, uint64(len(name))+1)
	if err != nil {
		return 0, err
	}
	if end := bytes.IndexByte(text, 0); end >= 0 {
		text = text[:end]
	}
	return bytes.Compare(text, []byte(name)), nil
}

// text gives the zero-terminated text at address. It must be printable, because it ends up in messages and records.
func (m *memory) text(part string, address uint64) (string, error) {
	const piece = 64 // nearly all names are shorter
	var text []byte
	for len(text) < maxText {
		next, err := m.upTo(part, address+uint64(len(text)), piece)
		if err != nil {
			return "", err
		}
		if end := bytes.IndexByte(next, 0); end >= 0 {
			return m.printable(part, append(text, next[:end]...))
		}
		text = append(text, next...)
	}
	return "", m.damage(part, "text longer than %d bytes", maxText)
}

func (s source) printable(part string, text []byte) (string, error) {
	if len(text) == 0 {
		return "", s.damage(part, "empty text")
	}
	if !utf8.Valid(text) || bytes.ContainsFunc(text, unicode.IsControl) {
		return "", s.damage(part, "text %q is not printable", text)
	}
	return string(text), nil
}
