package catalogue

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Table is a compacted catalogue as a machine keeps it for searching. It is made once for each state of a catalogue, with every
// line checked, so that a search need only compare bytes, and few of them: the rows have what is compared, folded to small
// letters, and where among the lines the entry is:
//
//	name TAB kind TAB keywords and schemes TAB description TAB offset LF
//
// It never leaves the machine; a table with another head is made again.
type Table struct {
	Rows  io.Reader
	Lines io.ReaderAt // of the compacted catalogue, as they came
}

const tableHead = "loadr catalogue table 1\n"

// EmptyTable is the table of a catalogue that was never compacted.
func EmptyTable() Table { return Table{strings.NewReader(tableHead), strings.NewReader("")} }

// ErrTable says that something is no table of this form, or damaged: it should be made again.
var ErrTable = errors.New("not a catalogue table")

// maxRow is more than a row can have: small letters may be longer than what they come from.
const maxRow = 4 * MaxLine

// WriteTable makes the two parts of a table of a compacted catalogue. It gives how many plugins there are. Errors are those of
// ReadLines and of the writers.
func WriteTable(rows, lines io.Writer, from io.Reader) (count int, err error) {
	outRows, outLines := bufio.NewWriterSize(rows, 64<<10), bufio.NewWriterSize(lines, 64<<10)
	if _, err := outRows.WriteString(tableHead); err != nil {
		return 0, err
	}
	var offset int64
	var row []byte
	err = ReadLines(from, func(e Entry, text []byte) error {
		count++
		row = append(strconv.AppendInt(appendColumns(row[:0], e), offset, 10), '\n')
		offset += int64(len(text)) + 1
		outLines.Write(text)
		_, rowsErr := outRows.Write(row)
		return errors.Join(rowsErr, outLines.WriteByte('\n')) // which reports the error of the Write before it, too
	})
	return count, errors.Join(err, outRows.Flush(), outLines.Flush())
}

// appendColumns appends the columns that are compared, each with the TAB behind it. Checked text has no TAB.
func appendColumns(out []byte, e Entry) []byte {
	words := strings.Join(slices.Concat(e.Keywords, e.Schemes), ",")
	return fmt.Appendf(out, "%s\t%s\t%s\t%s\t", e.Name, e.Kind, strings.ToLower(words), strings.ToLower(e.Description))
}

// row is one row of a table, cut into columns.
type row struct {
	name, kind, words, description, offset []byte
}

// cutRow cuts a row; ok is false for one that lacks columns.
func cutRow(text []byte) (r row, ok bool) {
	for _, column := range []*[]byte{&r.name, &r.kind, &r.words, &r.description} {
		if *column, text, ok = bytes.Cut(text, []byte{'\t'}); !ok {
			return r, false
		}
	}
	r.offset = text
	return r, true
}

// rows hands the rows of a table to each; they are valid during the call only.
func (t Table) rows(each func(row) error) error {
	in := bufio.NewReaderSize(t.Rows, maxRow)
	if head, err := in.ReadSlice('\n'); err != nil || string(head) != tableHead {
		return ErrTable
	}
	for {
		text, err := in.ReadSlice('\n')
		switch {
		case err == io.EOF && len(text) == 0:
			return nil
		case err == io.EOF || errors.Is(err, bufio.ErrBufferFull):
			return ErrTable
		case err != nil:
			return err
		}
		r, ok := cutRow(text[:len(text)-1])
		if !ok {
			return ErrTable
		}
		if err := each(r); err != nil {
			return err
		}
	}
}

// entry reads the entry of the plugin of the given name at an offset among the lines.
func (t Table) entry(name, offset string) (Entry, error) {
	at, err := strconv.ParseInt(offset, 10, 64)
	if err != nil {
		return Entry{}, ErrTable
	}
	text, err := bufio.NewReaderSize(io.NewSectionReader(t.Lines, at, MaxLine), 1<<10).ReadBytes('\n')
	if err != nil && err != io.EOF {
		return Entry{}, err
	}
	e, err := ParseEntry(bytes.TrimSuffix(text, []byte("\n")))
	if err != nil || e.Name != name {
		return Entry{}, ErrTable
	}
	return e, nil
}
