package lockfile

import (
	"bytes"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// insertion is text to put in at an offset.
type insertion struct {
	at   int
	text string
}

// apply makes insertions whose offsets all refer to the text before; later ones must not lie before earlier ones.
func (e *editor) apply(insertions []insertion) {
	shift := 0
	for _, in := range insertions {
		e.splice(span{in.at + shift, in.at + shift}, in.text)
		shift += len(in.text)
	}
}

// set assigns raw to path: in place where path has a value, else in the nearest table that is written out, in the style
// of that table.
func (e *editor) set(path []string, raw string) {
	d := e.scan()
	if i := d.find(path); i != root {
		e.splice(d.leaves[i].value, raw)
		return
	}
	for n := len(path) - 1; n > 0; n-- {
		if in, ok := d.insertInto(path[:n], path[n:], raw); ok {
			e.apply(in)
			return
		}
	}
	e.appendTable(path, raw)
}

// insertInto finds the place for rest = raw in the table at path: inside its braces, in its section, or
// below the last dotted key that speaks of it.
func (d *document) insertInto(path, rest []string, raw string) ([]insertion, bool) {
	if i := d.find(path); i != root && d.leaves[i].kind == unstable.InlineTable {
		return d.listOf(d.leaves[i]).with(dotted(rest) + " = " + raw), true
	}
	for i, h := range d.headers {
		if slices.Equal(h.path, path) {
			return d.insertLine(d.above(i, rest[0]), "", dotted(rest)+" = "+raw), true
		}
	}
	for i, l := range slices.Backward(d.leaves) {
		if len(l.path) > len(path) && hasPrefix(l.path, path) && len(l.path)-len(l.keys) < len(path) {
			return d.insertBeside(i, path, rest, raw), true
		}
	}
	return nil, false
}

// insertBeside puts a dotted key below or behind the leaf, which has one with the same beginning.
func (d *document) insertBeside(leaf int, path, rest []string, raw string) []insertion {
	l := d.leaves[leaf]
	shared := l.keys[len(path)-(len(l.path)-len(l.keys))-1]
	key := string(d.text[l.keys[0].start:shared.end]) + "." + dotted(rest)
	if l.owner != root {
		return d.listOf(d.leaves[l.owner]).with(key + " = " + raw)
	}
	return d.insertLine(l.at(), d.indent(l.at().start), key+" = "+raw)
}

// above gives the line of a section below which key belongs: where the section's plugins are in order, the last smaller one
// or the header, so that branches which add different plugins seldom touch the same lines; else the last line.
func (d *document) above(header int, key string) span {
	if h := d.headers[header]; len(h.path) != 1 || h.path[0] != "plugins" {
		return d.lastOf(header)
	}
	place, before := d.headers[header].at, ""
	for _, l := range d.leaves {
		if l.header != header || l.owner != root {
			continue
		}
		name := l.path[1]
		if name < before {
			return d.lastOf(header)
		}
		if before = name; name < key {
			place = l.at()
		}
	}
	return place
}

// lastOf gives the place of the last line of a section, or of its header.
func (d *document) lastOf(header int) span {
	for _, l := range slices.Backward(d.leaves) {
		if l.header == header && l.owner == root {
			return l.at()
		}
	}
	return d.headers[header].at
}

// insertLine puts a line below the one that holds the end of after, indented like it.
func (d *document) insertLine(after span, indent, line string) []insertion {
	if indent == "" && d.text[after.start] != '[' {
		indent = d.indent(after.start)
	}
	end := d.lineEnd(after.end)
	if end == len(d.text) && !bytes.HasSuffix(d.text, []byte("\n")) {
		return []insertion{{end, d.newline() + indent + line}}
	}
	return []insertion{{end, indent + line + d.newline()}}
}

// appendTable adds a section of its own at the end of the file.
func (e *editor) appendTable(path []string, raw string) {
	d := e.scan()
	nl := d.newline()
	var b strings.Builder
	if n := len(d.text); n > 0 && !bytes.Equal(d.text, bom) {
		if d.text[n-1] != '\n' {
			b.WriteString(nl)
		}
		b.WriteString(nl)
	}
	b.WriteString("[" + quoteKey(path[0]) + "]" + nl + dotted(path[1:]) + " = " + raw + nl)
	e.apply([]insertion{{len(d.text), b.String()}})
}

// remove takes out everything at or below path.
func (e *editor) remove(path []string) {
	for e.err == nil {
		d := e.scan()
		if i := slices.IndexFunc(d.leaves, func(l leaf) bool { return hasPrefix(l.path, path) }); i >= 0 {
			e.splice(d.extent(d.leaves[i]), "")
			continue
		}
		i := slices.IndexFunc(d.headers, func(h header) bool { return hasPrefix(h.path, path) })
		if i < 0 {
			return
		}
		e.splice(d.section(d.headers[i].at), "")
	}
}

// extent is what has to go for a leaf to be gone: its lines, or its place in a list.
func (d *document) extent(l leaf) span {
	if l.owner == root {
		return d.lines(l.at())
	}
	members := d.members(l.owner)
	return d.listOf(d.leaves[l.owner]).without(slices.Index(members, l.at()))
}

// section is the lines of a header, with the blank line above where one is left below.
func (d *document) section(at span) span {
	s := d.lines(at)
	below := d.text[s.end:]
	blankBelow := len(bytes.TrimLeft(below, " \t\r\n")) == 0 || bytes.HasPrefix(bytes.TrimLeft(below, " \t\r"), []byte("\n"))
	above := bytes.TrimRight(d.text[:s.start], " \t\r\n")
	if !blankBelow || len(above) == 0 {
		return s
	}
	if start := d.lineEnd(len(above)); start < s.start {
		s.start = start
	}
	return s
}

// lines widens a range to whole lines, line end included.
func (d *document) lines(at span) span {
	return span{d.lineStart(at.start), d.lineEnd(at.end)}
}

func (d *document) lineStart(at int) int {
	start := bytes.LastIndexByte(d.text[:at], '\n') + 1
	if start == 0 && bytes.HasPrefix(d.text, bom) {
		return len(bom)
	}
	return start
}

// lineEnd gives the offset after the line that holds at.
func (d *document) lineEnd(at int) int {
	if i := bytes.IndexByte(d.text[at:], '\n'); i >= 0 {
		return at + i + 1
	}
	return len(d.text)
}

func (d *document) indent(at int) string {
	line := d.text[d.lineStart(at):at]
	return string(line[:len(line)-len(bytes.TrimLeft(line, " \t"))])
}

// newline is the line end that the file uses.
func (d *document) newline() string {
	if i := bytes.IndexByte(d.text, '\n'); i > 0 && d.text[i-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}
