package manifest

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
)

// Shipped gives the text that is packed and installed for one target: the author's own bytes, with [build] cut out and
// entry set. What stays is not touched: comments, number forms, order of keys, line ends. Comments inside [build] go
// with it; those right above the next table stay. The error is an *Error for entry, or Errors when the text has become
// too large.
func (m *Manifest) Shipped(entry string) ([]byte, error) {
	if err := CheckEntry(entry); err != nil {
		return nil, err
	}
	doc, broken := openDocument("plugin.toml", m.text)
	if broken != nil {
		return nil, Errors{broken}
	}
	edits := doc.cutBuild()
	if m.Plugin.Entry != entry {
		edits = append(edits, doc.setEntry(entry))
	}
	mark := m.text[:len(m.text)-len(doc.text)]
	shipped := slices.Concat(mark, apply(doc.text, edits))
	if _, err := ParseShipped("plugin.toml", shipped); err != nil {
		return nil, err
	}
	return shipped, nil
}

// edit replaces the bytes from start to end.
type edit struct {
	start, end int
	text       string
}

// apply makes edits that do not overlap; an insertion where a cut begins comes before it.
func apply(text []byte, edits []edit) []byte {
	slices.SortFunc(edits, func(a, b edit) int { return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.end, b.end)) })
	var out []byte
	done := 0
	for _, e := range edits {
		out = append(append(out, text[done:e.start]...), e.text...)
		done = e.end
	}
	return append(out, text[done:]...)
}

// cutBuild removes [build] in all its spellings: tables from their header to the next table, and single lines
// build.key = value and build = {...} before the first header.
func (d *document) cutBuild() (cuts []edit) {
	inside := false
	for i, line := range d.lines {
		isBuild := line.root == "build"
		if isBuild && line.header && !inside {
			cuts = append(cuts, edit{start: line.start, end: d.endOfBuild(i)})
		}
		if isBuild && !line.header && !inside {
			cuts = append(cuts, edit{start: line.start, end: line.end})
		}
		if line.header {
			inside = isBuild
		}
	}
	return cuts
}

// endOfBuild gives the end of the tables that begin with the header d.lines[i]: the next header of another table, or
// the comment that stands right above that one. A blank line before it stays where there is none above the cut.
func (d *document) endOfBuild(i int) int {
	rest := d.lines[i:]
	next := slices.IndexFunc(rest, func(e expression) bool { return e.root != "build" })
	if next < 0 {
		return len(d.text)
	}
	end, bound := rest[next].start, rest[next-1].end
	for end > bound && strings.HasPrefix(d.lineBefore(end), "#") {
		end = d.lineStart(end - 1)
	}
	if d.lineBefore(end) == "" && d.lineBefore(rest[0].start) != "" {
		end = d.lineStart(end - 1)
	}
	return end
}

// lineBefore gives the line that ends at offset, the start of another one, without the space around it.
func (d *document) lineBefore(offset int) string {
	if offset == 0 {
		return ""
	}
	return string(bytes.TrimSpace(d.text[d.lineStart(offset-1):offset]))
}

// setEntry replaces the value of plugin.entry, or adds the key behind plugin.name in the form that that one has. A
// valid entry needs no escapes between double quotes.
func (d *document) setEntry(entry string) edit {
	if n, found := d.find("plugin", "entry"); found {
		return edit{n.value, n.end, `"` + entry + `"`}
	}
	name, _ := d.find("plugin", "name")
	pair := `entry = "` + entry + `"`
	if name.inline {
		return edit{name.end, name.end, ", " + pair}
	}
	at := d.lineEnd(name.end)
	pair = string(d.text[d.lineStart(name.key):name.key]) + pair // indented, and dotted (plugin.entry), as name is
	if !bytes.HasSuffix(d.text[:at], []byte("\n")) {
		return edit{at, at, d.newline() + pair}
	}
	return edit{at, at, pair + d.newline()}
}

// newline gives the line end that the text uses.
func (d *document) newline() string {
	first, _, _ := strings.Cut(string(d.text), "\n")
	if strings.HasSuffix(first, "\r") {
		return "\r\n"
	}
	return "\n"
}
