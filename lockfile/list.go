package lockfile

import (
	"bytes"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// list is what stands between the brackets of an array or the braces of an inline table.
type list struct {
	*document
	inner span   // between the brackets
	pad   string // what sets a first item off from them
	items []span
}

// listOf takes an array of strings or an inline table.
func (d *document) listOf(l leaf) list {
	inner := span{l.value.start + 1, l.value.end - 1}
	if l.kind == unstable.InlineTable {
		return list{d, inner, " ", d.members(d.find(l.path))}
	}
	return list{d, inner, "", l.spots}
}

// members gives the places of the members of the inline table that is the leaf of this index.
func (d *document) members(owner int) (out []span) {
	for _, l := range d.leaves {
		if l.owner == owner {
			out = append(out, l.at())
		}
	}
	return out
}

// with appends an item: on its own line where the last one has its own line, else behind it.
func (l list) with(item string) []insertion {
	if len(l.items) == 0 {
		return []insertion{{l.inner.start, l.pad + item + l.pad}}
	}
	last := l.items[len(l.items)-1]
	end, comma, alone := l.line(last)
	if !alone {
		return []insertion{{last.end, ", " + item}}
	}
	line := insertion{end, l.indent(last.start) + item + "," + l.newline()}
	if comma {
		return []insertion{line}
	}
	return []insertion{{last.end, ","}, line}
}

// without gives the range whose removal takes out item i together with one comma.
func (l list) without(i int) span {
	item := l.items[i]
	if end, comma, alone := l.line(item); alone && (comma || len(l.items) == 1) {
		return span{l.lineStart(item.start), end}
	}
	switch {
	case i+1 < len(l.items):
		return span{item.start, l.items[i+1].start}
	case i > 0:
		return span{l.items[i-1].end, item.end}
	}
	return l.inner
}

// line says whether an item is alone on its line, whether a comma follows it there, and where the line ends.
func (l list) line(item span) (end int, comma, alone bool) {
	end = l.lineEnd(item.end)
	rest := strings.TrimSpace(string(l.text[item.end:end]))
	rest, comma = strings.CutPrefix(rest, ",")
	rest = strings.TrimSpace(rest)
	before := l.text[l.lineStart(item.start):item.start]
	alone = len(bytes.TrimLeft(before, " \t")) == 0 && (rest == "" || rest[0] == '#')
	return end, comma, alone
}
