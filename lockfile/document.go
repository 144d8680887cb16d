package lockfile

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2/unstable"
)

// span is a half-open range of bytes of a document.
type span struct{ start, end int }

// document is a TOML text as a flat list of what it assigns, with the place of every part. go-toml's decoder checks
// more, but forgets where values came from and can't write back.
type document struct {
	file    string // for messages
	text    []byte
	headers []header
	leaves  []leaf
}

// header is a [table] or [[array of tables]] line.
type header struct {
	path  []string
	array bool
	at    span // from [ to ]
	first int  // index of the first leaf below it, if it has any
}

// leaf is one key = value, on a line of its own or a member of an inline table. An inline table is itself a leaf,
// followed by its members.
type leaf struct {
	path   []string // from the root, header included
	header int      // index of the header it stands under; root for none
	owner  int      // index of the leaf whose inline table it is a member of; root for a line
	keys   []span   // the parts of its own key
	value  span
	kind   unstable.Kind
	text   string // of a string or number
	*array        // nil for other kinds
}

// array is what an array holds.
type array struct {
	items []string // the strings in it
	spots []span   // of items
	mixed bool     // it also holds something else
}

const root = -1

// maxPath bounds the parts of a key, those of the tables around it included. The formats need four; hostile text must
// not make paths of quadratic size.
const maxPath = 16

// maxAhead bounds what is allocated on the strength of a count alone.
const maxAhead = 1 << 13

// scan reads text. The error is a *SyntaxError.
func scan(file string, text []byte) (*document, error) {
	d := &document{file: file, text: text, leaves: make([]leaf, 0, min(bytes.Count(text, []byte(" = ")), maxAhead))}
	p := unstable.Parser{}
	p.Reset(bytes.TrimPrefix(text, bom))
	offset := len(text) - len(p.Data())
	current := root
	for p.NextExpression() {
		b := builder{document: d, offset: offset}
		var err error
		switch node := p.Expression(); node.Kind {
		case unstable.KeyValue:
			err = b.assign(node, current, root, d.pathOf(current))
		case unstable.Table, unstable.ArrayTable:
			err = b.table(node)
			current = len(d.headers) - 1
		}
		if err != nil {
			return nil, err
		}
	}
	if err := p.Error(); err != nil {
		return nil, d.syntaxError(&p, offset, err)
	}
	return d, nil
}

// bom is the byte order mark that some editors put in front of UTF-8.
var bom = []byte("\xef\xbb\xbf")

func (d *document) pathOf(header int) []string {
	if header == root {
		return nil
	}
	return d.headers[header].path
}

func (d *document) syntaxError(p *unstable.Parser, offset int, err error) error {
	at := len(d.text)
	if perr := (*unstable.ParserError)(nil); errors.As(err, &perr) && cap(perr.Highlight) > 0 {
		at = offset + int(p.Range(perr.Highlight).Offset)
	}
	return d.errorAt(at, "%s", err)
}

// errorAt makes a *SyntaxError for a byte offset.
func (d *document) errorAt(at int, format string, args ...any) *SyntaxError {
	line, column := position(d.text, at)
	return &SyntaxError{File: d.file, Line: line, Column: column, Detail: fmt.Sprintf(format, args...)}
}

// position gives line and column of a byte offset, both from 1, columns in characters.
func position(text []byte, at int) (line, column int) {
	before := text[:min(at, len(text))]
	start := bytes.LastIndexByte(before, '\n') + 1
	return bytes.Count(before, []byte("\n")) + 1, utf8.RuneCount(bytes.TrimPrefix(before[start:], bom)) + 1
}

// builder adds the nodes of one expression to a document. The nodes die with the expression, so text is copied.
type builder struct {
	*document
	offset int // of the parser's text in the document's
}

func (b builder) span(r unstable.Range) span {
	start := b.offset + int(r.Offset)
	return span{start, start + int(r.Length)}
}

func (b builder) key(it unstable.Iterator) (words []string, spots []span) {
	for it.Next() {
		words = append(words, string(it.Node().Data))
		spots = append(spots, b.span(it.Node().Raw))
	}
	return words, spots
}

func (b builder) table(node *unstable.Node) error {
	words, spots := b.key(node.Key())
	h := header{path: words, array: node.Kind == unstable.ArrayTable, first: len(b.leaves)}
	h.at.start = bytes.LastIndexByte(b.text[:spots[0].start], '[')
	h.at.end = spots[len(spots)-1].end + bytes.IndexByte(b.text[spots[len(spots)-1].end:], ']') + 1
	if h.array {
		h.at.start--
		h.at.end++
	}
	b.headers = append(b.headers, h)
	if len(words) > maxPath {
		return b.errorAt(h.at.start, "expected at most %d parts in a key, found %d", maxPath, len(words))
	}
	return nil
}

// assign adds a key = value node, and the members of its value where that is an inline table.
func (b builder) assign(node *unstable.Node, header, owner int, prefix []string) error {
	words, spots := b.key(node.Key())
	whole, value := b.span(node.Raw), node.Value()
	l := leaf{path: slices.Concat(prefix, words), header: header, owner: owner, keys: spots, kind: value.Kind}
	l.value = span{b.valueStart(spots[len(spots)-1].end), whole.end}
	if len(l.path) > maxPath {
		return b.errorAt(whole.start, "expected at most %d parts in a key, found %d", maxPath, len(l.path))
	}
	switch value.Kind {
	case unstable.InlineTable, unstable.Array:
	default:
		l.text = string(value.Data)
	}
	if value.Kind == unstable.Array {
		l.array = b.array(value)
	}
	b.leaves = append(b.leaves, l)
	if value.Kind != unstable.InlineTable {
		return nil
	}
	self, members := len(b.leaves)-1, value.Children()
	for members.Next() {
		if err := b.assign(members.Node(), header, self, l.path); err != nil {
			return err
		}
	}
	return nil
}

// valueStart skips the equals sign and the space around it.
func (b builder) valueStart(at int) int {
	return at + len(b.text[at:]) - len(bytes.TrimLeft(b.text[at:], "= \t"))
}

func (b builder) array(value *unstable.Node) *array {
	out := &array{}
	items := value.Children()
	for items.Next() {
		node := items.Node()
		if node.Kind != unstable.String {
			out.mixed = true
			continue
		}
		out.items = append(out.items, string(node.Data))
		out.spots = append(out.spots, b.span(node.Raw))
	}
	return out
}

// at gives the range of a whole key = value.
func (l leaf) at() span { return span{l.keys[0].start, l.value.end} }

// find gives the index of the leaf with exactly this path, or root for none.
func (d *document) find(path []string) int {
	return slices.IndexFunc(d.leaves, func(l leaf) bool { return slices.Equal(l.path, path) })
}

func hasPrefix(path, prefix []string) bool {
	return len(path) >= len(prefix) && slices.Equal(path[:len(prefix)], prefix)
}

// dotted shows a key path in TOML's spelling.
func dotted(path []string) string {
	words := make([]string, len(path))
	for i, word := range path {
		words[i] = quoteKey(word)
	}
	return strings.Join(words, ".")
}

func quoteKey(word string) string {
	bare := func(r rune) bool {
		return r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !bare(r) }) < 0 {
		return word
	}
	return quote(word)
}

// quote writes a TOML basic string.
func quote(s string) string {
	special := func(r rune) bool { return r < 0x20 || r == '"' || r == '\\' || r == 0x7f || r == utf8.RuneError }
	if strings.IndexFunc(s, special) < 0 {
		return `"` + s + `"`
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < 0x20 || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
