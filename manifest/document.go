package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// maxDepth bounds how deep tables and arrays nest. Rust's TOML and JSON readers, which the engine uses, give up not much
// deeper.
const maxDepth = 64

// document is TOML text with the place of everything in it.
type document struct {
	file  string
	text  []byte         // without a byte order mark
	tree  map[string]any // as go-toml decodes it
	root  *node          // places, by path
	lines []expression
	deep  int // offset of the first thing nested too deep, or -1
}

// node is a key, or an element of an array, with its place and what is below it. A tree of places, and not a map by
// whole paths: those would multiply a hostile file's long key by its many values.
type node struct {
	place
	depth    int
	children map[string]*node // elements of arrays are [0], [1], ...
}

// place says where the last part of a key and its value stand, as offsets into the text. For a table opened by a header, or implied by
// the keys of others, value and end equal key.
type place struct {
	key, value, end int
	inline          bool // inside { }
}

func point(offset int) place { return place{key: offset, value: offset, end: offset} }

// expression is a header or a key with its value, with the whole lines it stands on.
type expression struct {
	root       string // first part of the path
	header     bool
	start, end int
}

// openDocument reads text.
func openDocument(file string, text []byte) (*document, *Error) {
	text = bytes.TrimPrefix(text, []byte(byteOrderMark))
	d := &document{file: file, text: text, root: &node{}, deep: -1}
	if err := d.locate(); err != nil {
		return nil, d.syntax(err)
	}
	if d.deep >= 0 {
		return nil, d.errorAt(d.deep, "", fmt.Sprintf("nested more than %d levels deep", maxDepth), wantTOML)
	}
	if err := toml.Unmarshal(d.text, &d.tree); err != nil {
		return nil, d.syntax(err)
	}
	return d, nil
}

// byteOrderMark is what some editors on Windows put before UTF-8 text. TOML readers skip it; go-toml does not.
const byteOrderMark = "\ufeff"

func (d *document) syntax(err error) *Error {
	var syntax *unstable.ParserError
	if errors.As(err, &syntax) {
		return d.errorAt(d.offset(syntax.Highlight), "", escaped(syntax.Message), wantTOML)
	}
	e := &Error{File: d.file, Found: escaped(strings.TrimPrefix(err.Error(), "toml: ")), Want: wantTOML}
	var decode *toml.DecodeError
	if errors.As(err, &decode) {
		e.Line, e.Column = decode.Position()
	}
	return e
}

// offset finds a part of the text that the parser points at.
func (d *document) offset(part []byte) int {
	return min(max(cap(d.text)-cap(part), 0), len(d.text))
}

func (d *document) errorAt(offset int, field, found, want string) *Error {
	line, column := d.position(offset)
	return &Error{File: d.file, Line: line, Column: column, Field: field, Found: found, Want: want}
}

// position counts lines and characters from 1.
func (d *document) position(offset int) (line, column int) {
	before := d.text[:offset]
	start := bytes.LastIndexByte(before, '\n') + 1
	return bytes.Count(before, []byte("\n")) + 1, utf8.RuneCount(before[start:]) + 1
}

// find gives the node of a path; where it is missing, the one of the innermost table that lacks it, and false.
func (d *document) find(path ...string) (*node, bool) {
	n := d.root
	for _, key := range path {
		child := n.children[key]
		if child == nil {
			return n, false
		}
		n = child
	}
	return n, true
}

// locate walks through all expressions and fills the tree of places and the lines.
func (d *document) locate() error {
	p := &unstable.Parser{}
	p.Reset(d.text)
	table, root := d.root, ""
	for p.NextExpression() && table != nil {
		n := p.Expression()
		keys := keysOf(n)
		if n.Kind == unstable.KeyValue {
			d.keyValue(n, table, false)
			if table == d.root {
				root = keys[0].text
			}
			d.addLine(root, false, keys[0].start, rawEnd(n))
			continue
		}
		last := keys[len(keys)-1]
		table, root = d.add(d.root, keys, point(last.start)), keys[0].text
		d.addLine(root, true, last.start, last.end)
	}
	return p.Error()
}

// addLine widens an expression to whole lines: nothing but white space and an opening bracket can stand before it,
// nothing but white space, a closing bracket and a comment behind it.
func (d *document) addLine(root string, header bool, start, end int) {
	e := expression{root: root, header: header, start: d.lineStart(start), end: d.lineEnd(end)}
	d.lines = append(d.lines, e)
}

func (d *document) lineStart(offset int) int { return bytes.LastIndexByte(d.text[:offset], '\n') + 1 }

// lineEnd gives the offset behind the newline.
func (d *document) lineEnd(offset int) int {
	if i := bytes.IndexByte(d.text[offset:], '\n'); i >= 0 {
		return offset + i + 1
	}
	return len(d.text)
}

// keyValue records one key = value, and what is inside the value.
func (d *document) keyValue(n *unstable.Node, table *node, inline bool) {
	keys := keysOf(n)
	last := keys[len(keys)-1]
	at := d.add(table, keys, place{
		key:    last.start,
		value:  d.valueStart(last.end),
		end:    rawEnd(n),
		inline: inline,
	})
	if at != nil {
		d.value(n.Value(), at)
	}
}

// value records the elements of arrays and inline tables.
func (d *document) value(n *unstable.Node, at *node) {
	children := n.Children()
	for i := 0; children.Next(); i++ {
		child := children.Node()
		if n.Kind == unstable.InlineTable {
			d.keyValue(child, at, true)
			continue
		}
		where := point(at.place.value)
		if child.Raw.Length > 0 {
			where = point(int(child.Raw.Offset))
		}
		if element := d.add(at, []keyPart{{text: index(i), start: where.key}}, where); element != nil {
			d.value(child, element)
		}
	}
}

// add records a place under table, and under the tables that a dotted key implies; the first of several stays. It gives
// nil for what is nested too deep.
func (d *document) add(table *node, keys []keyPart, at place) *node {
	for i, key := range keys {
		if table.depth == maxDepth {
			if d.deep < 0 {
				d.deep = key.start
			}
			return nil
		}
		child := table.children[key.text]
		if child == nil {
			child = &node{place: point(key.start), depth: table.depth + 1}
			if i == len(keys)-1 {
				child.place = at
			}
			if table.children == nil {
				table.children = map[string]*node{}
			}
			table.children[key.text] = child
		}
		table = child
	}
	return table
}

// valueStart skips the equals sign behind a key; the grammar allows only spaces and tabs around it.
func (d *document) valueStart(keyEnd int) int {
	rest := d.text[keyEnd:]
	return keyEnd + len(rest) - len(bytes.TrimLeft(rest, " \t="))
}

// keyPart is one part of a dotted key: its meaning, and where it stands.
type keyPart struct {
	text       string
	start, end int
}

// keysOf gives the parts of the key of an expression; there is at least one.
func keysOf(n *unstable.Node) (parts []keyPart) {
	for it := n.Key(); it.Next(); {
		key := it.Node()
		parts = append(parts, keyPart{string(key.Data), int(key.Raw.Offset), rawEnd(key)})
	}
	return parts
}

func rawEnd(n *unstable.Node) int { return int(n.Raw.Offset + n.Raw.Length) }
