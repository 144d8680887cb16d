package catalogue

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// A table is a compacted catalogue as a machine keeps it for searching. It is made once for each state of a catalogue, with
// every line checked, so that a search need only compare bytes: a line has what is compared, folded to small letters, and
// then the entry:
//
//	name TAB kind TAB keywords and schemes TAB description TAB entry's JSON LF
//
// It never leaves the machine; a table with another head is made again.
const tableHead = "loadr catalogue table 1\n"

// ErrTable says that a file is no table of this form, or damaged: it should be made again.
var ErrTable = errors.New("not a catalogue table")

// maxRow is more than a row can have: folded texts and the entry have some 16 KiB each, and small letters may be longer.
const maxRow = 4 * MaxLine

// WriteTable makes a table of a compacted catalogue. It gives how many plugins there are. Errors are those of ReadLines
// and of w.
func WriteTable(w io.Writer, lines io.Reader) (count int, err error) {
	out := bufio.NewWriterSize(w, 64<<10)
	_, err = out.WriteString(tableHead)
	if err != nil {
		return 0, err
	}
	err = ReadLines(lines, func(e Entry, text []byte) error {
		count++
		out.Write(appendColumns(nil, e))
		out.Write(text)
		return out.WriteByte('\n') // reports the errors of the others too
	})
	return count, errors.Join(err, out.Flush())
}

// appendColumns appends the columns that are compared, each with the TAB behind it. Checked text has no TAB.
func appendColumns(out []byte, e Entry) []byte {
	words := strings.Join(slices.Concat(e.Keywords, e.Schemes), ",")
	return fmt.Appendf(out, "%s\t%s\t%s\t%s\t", e.Name, e.Kind, strings.ToLower(words), strings.ToLower(e.Description))
}

// row is one line of a table, cut into columns.
type row struct {
	name, kind, words, description, entry []byte
}

// cutRow cuts a line; ok is false for one that lacks columns.
func cutRow(line []byte) (r row, ok bool) {
	for _, column := range []*[]byte{&r.name, &r.kind, &r.words, &r.description} {
		if *column, line, ok = bytes.Cut(line, []byte{'\t'}); !ok {
			return r, false
		}
	}
	r.entry = line
	return r, true
}

// readTable hands the rows of a table to each; they are valid during the call only.
func readTable(r io.Reader, each func(row) error) error {
	in := bufio.NewReaderSize(r, max(256<<10, maxRow))
	if head, err := in.ReadSlice('\n'); err != nil || string(head) != tableHead {
		return ErrTable
	}
	for {
		line, err := in.ReadSlice('\n')
		switch {
		case err == io.EOF && len(line) == 0:
			return nil
		case err == io.EOF || errors.Is(err, bufio.ErrBufferFull):
			return ErrTable
		case err != nil:
			return err
		}
		cut, ok := cutRow(line[:len(line)-1])
		if !ok {
			return ErrTable
		}
		if err := each(cut); err != nil {
			return err
		}
	}
}
