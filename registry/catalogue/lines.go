package catalogue

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
)

// Limits of a compacted catalogue.
const (
	MaxEntries = 1 << 20   // plugins
	MaxContent = 512 << 20 // bytes of lines, decompressed
)

// LineError is a compacted catalogue that breaks the format.
type LineError struct {
	Line  int   `json:"line"` // from 1
	Cause error `json:"-"`
}

func (e *LineError) Error() string { return fmt.Sprintf("catalogue: line %d: %v", e.Line, e.Cause) }

func (e *LineError) Unwrap() error { return e.Cause }

var (
	errOrder   = errors.New("names must be in order, each once")
	errTooMany = fmt.Errorf("at most %d plugins are allowed", MaxEntries)
	errTooLong = fmt.Errorf("at most %d bytes are allowed in a line and %d in all", MaxLine, MaxContent)
	errOpenEnd = errors.New("the last line has no end")
)

// ReadLines hands the entries of a compacted catalogue to each, one after another, with their text, which is valid during
// the call only. What breaks the format is a *LineError; other errors are those of r and of each.
func ReadLines(r io.Reader, each func(e Entry, text []byte) error) error {
	in := bufio.NewReaderSize(r, MaxLine+1)
	last, total := "", 0
	for n := 1; ; n++ {
		text, err := in.ReadSlice('\n')
		total += len(text)
		switch {
		case err == io.EOF && len(text) == 0:
			return nil
		case err == io.EOF:
			return &LineError{n, errOpenEnd}
		case errors.Is(err, bufio.ErrBufferFull) || total > MaxContent:
			return &LineError{n, errTooLong}
		case err != nil:
			return err
		}
		text = text[:len(text)-1]
		e, err := ParseEntry(text)
		switch {
		case err != nil:
			return &LineError{n, err}
		case e.Name <= last:
			return &LineError{n, errOrder}
		case n > MaxEntries:
			return &LineError{n, errTooMany}
		}
		last = e.Name
		if err := each(e, text); err != nil {
			return err
		}
	}
}

// Compact writes the lines of old, into which it merges fresh, by name. It gives how many plugins there are then. Memory
// is that of fresh, whatever the length of old.
func Compact(w io.Writer, old io.Reader, fresh map[string]Entry) (count int, err error) {
	out := bufio.NewWriterSize(w, 64<<10)
	names := slices.Sorted(maps.Keys(fresh))
	put := func(e Entry) error {
		if count++; count > MaxEntries {
			return errTooMany
		}
		_, err := out.Write(append(e.Append(nil), '\n'))
		return err
	}
	err = ReadLines(old, func(e Entry, _ []byte) error {
		for len(names) > 0 && names[0] < e.Name {
			if err := put(fresh[names[0]]); err != nil {
				return err
			}
			names = names[1:]
		}
		if len(names) > 0 && names[0] == e.Name {
			e, names = Merge(e, fresh[e.Name]), names[1:]
		}
		return put(e)
	})
	for _, name := range names {
		if err == nil {
			err = put(fresh[name])
		}
	}
	return count, errors.Join(err, out.Flush())
}
