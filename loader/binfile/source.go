package binfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/loadr-plugins/loadr/manifest"
)

// source is the file that an image is in. Offsets into it come from the file itself, so every read is checked.
type source struct {
	r      io.ReaderAt
	size   uint64
	order  binary.ByteOrder
	format manifest.Format
}

// head reads the first bytes, fewer from a shorter file.
func (s source) head(n uint64) ([]byte, error) { return s.read("header", 0, min(n, s.size)) }

// read gives n bytes from offset. The part names them in the error.
func (s source) read(part string, offset, n uint64) ([]byte, error) {
	if n > maxPiece {
		return nil, s.damage(part, "of %d bytes is larger than any real one (%d)", n, maxPiece)
	}
	if !s.holds(offset, n) {
		return nil, s.truncated(part, offset, n)
	}
	buf := make([]byte, n)
	if err := s.fill(part, offset, buf); err != nil {
		return nil, err
	}
	return buf, nil
}

// fill reads as many bytes from offset as buf has room for.
func (s source) fill(part string, offset uint64, buf []byte) error {
	n := uint64(len(buf))
	if !s.holds(offset, n) {
		return s.truncated(part, offset, n)
	}
	if got, err := s.r.ReadAt(buf, int64(offset)); got < len(buf) {
		if err == nil || errors.Is(err, io.EOF) { // shorter than it was said to be
			return s.truncated(part, offset, n)
		}
		return fmt.Errorf("read %s: %w", part, err)
	}
	return nil
}

// holds says whether n bytes from offset are inside of the file.
func (s source) holds(offset, n uint64) bool { return offset <= s.size && n <= s.size-offset }

// pieces reads a table of the file from beginning to end, which may be larger than what is read at once.
type pieces struct {
	source       source
	part         string
	offset, left uint64
}

// Read gives the errors of source, and io.EOF at the end of the table.
func (p *pieces) Read(buf []byte) (int, error) {
	if p.left == 0 {
		return 0, io.EOF
	}
	buf = buf[:min(uint64(len(buf)), p.left)]
	if err := p.source.fill(p.part, p.offset, buf); err != nil {
		return 0, err
	}
	p.offset += uint64(len(buf))
	p.left -= uint64(len(buf))
	return len(buf), nil
}

// damage makes a *FormatError.
func (s source) damage(part, format string, args ...any) error {
	return &FormatError{s.format, part, fmt.Sprintf(format, args...)}
}

func (s source) truncated(part string, offset, n uint64) error {
	return s.damage(part, "file is truncated: expected %d bytes at offset %d, file has %d in all", n, offset, s.size)
}

// decode reads a structure of fixed size from the start of b, which must be long enough.
func decode[T any](s source, b []byte) (v T) {
	if _, err := binary.Decode(b, s.order, &v); err != nil {
		panic("binfile: buffer shorter than the structure in it: " + err.Error()) // a mistake in this package
	}
	return v
}
