package layout

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Parse reads a text of docs/spec/layout.md. Types that are not divided or numbered canonically are taken, and put right
// in the graph. What only a library has, such as versions and module paths, is empty. The error is a *TextError.
func Parse(text []byte) (*Graph, error) {
	if len(text) > maxText {
		return nil, &TextError{1, fmt.Sprintf("longer than %d bytes", maxText)}
	}
	p := &parser{lines: strings.Split(string(text), "\n")}
	p.parse(text)
	if p.err != nil {
		return nil, p.err
	}
	return canonical(p.types), nil
}

// parser reads line by line. After the first error, nothing more is taken.
type parser struct {
	lines []string
	at    int // of the next line
	types []*Type
	items int
	last  int // largest type mentioned
	err   error
}

func (p *parser) fail(format string, args ...any) {
	if p.err == nil {
		p.err = &TextError{p.at, fmt.Sprintf(format, args...)}
	}
}

func (p *parser) parse(text []byte) {
	if !utf8.Valid(text) || !bytes.HasSuffix(text, []byte("\n")) {
		p.fail("expected UTF-8 that ends with a line feed")
		return
	}
	p.lines = p.lines[:len(p.lines)-1]
	if _, ok := p.take(format); !ok {
		p.at++
		p.fail("expected %q", format)
	}
	for p.at < len(p.lines) && p.err == nil {
		p.typeLayout()
	}
	if p.last >= len(p.types) {
		p.fail("type %d is mentioned and not there", p.last)
	}
}

// take gives what follows the word on the next line, if the line starts with it. A word that ends with a space has
// something after it.
func (p *parser) take(word string) (string, bool) {
	if p.err != nil || p.at >= len(p.lines) {
		return "", false
	}
	rest, ok := strings.CutPrefix(p.lines[p.at], word)
	if !ok || strings.HasSuffix(word, " ") == (rest == "") {
		return "", false
	}
	p.at++
	if p.items++; p.items > maxItems+8*maxTypes || len(rest) > maxLine {
		p.fail("too many or too long lines")
	}
	return rest, p.err == nil
}

// need is take for a line that must be there.
func (p *parser) need(word string) string {
	rest, ok := p.take(word)
	if !ok {
		p.at++
		p.fail("expected %q", word)
	}
	return rest
}

// cut splits a line's rest into n parts, of which the last may have spaces.
func (p *parser) cut(rest string, n int) []string {
	parts := strings.SplitN(rest, " ", n)
	if len(parts) != n {
		p.fail("expected %d words, found %q", n, rest)
		return make([]string, n)
	}
	return parts
}

func (p *parser) number(s string, bits int) uint64 {
	n, err := strconv.ParseUint(s, 10, bits)
	if err != nil || s != strconv.FormatUint(n, 10) {
		p.fail("expected a number, found %q", s)
	}
	return n
}

func (p *parser) bitSet(s string, bits int) uint64 {
	digits, ok := strings.CutPrefix(s, "0x")
	n, err := strconv.ParseUint(digits, 16, bits)
	if !ok || err != nil || digits != strconv.FormatUint(n, 16) {
		p.fail("expected a bit set, found %q", s)
	}
	return n
}

// values reads words of the form key=value, with these keys in this order.
func (p *parser) values(rest string, keys ...string) []string {
	words := strings.Split(rest, " ")
	values := make([]string, len(keys))
	if len(words) != len(keys) {
		p.fail("expected %s, found %q", strings.Join(keys, ", "), rest)
		return values
	}
	for i, key := range keys {
		value, ok := strings.CutPrefix(words[i], key+"=")
		if !ok {
			p.fail("expected %s=, found %q", key, words[i])
		}
		values[i] = value
	}
	return values
}

func (p *parser) oneOf(what, s string, names []string) string {
	if s == "" || !slices.Contains(names, s) {
		p.fail("unknown %s %q", what, s)
	}
	return s
}

func (p *parser) name(s string) string {
	if !isName(s) {
		p.fail("expected a printable name, found %q", s)
	}
	return s
}

func (p *parser) mention(s string) int {
	id := int(p.number(s, 31))
	p.last = max(p.last, id)
	return id
}

func (p *parser) align(s string) uint64 {
	n := p.number(s, 64)
	if n == 0 || n&(n-1) != 0 {
		p.fail("expected a power of two, found %q", s)
	}
	return n
}

func (p *parser) yesNo(s string) bool { return p.oneOf("word", s, []string{"yes", "no"}) == "yes" }

// lifetimes reads a list of pairs.
func (p *parser) lifetimes(s string) string {
	if s == "-" {
		return ""
	}
	names := strings.Split(s, ",")
	for _, name := range names {
		p.oneOf("lifetime", name, lifetimeNames[:])
	}
	if len(names)%2 != 0 {
		p.fail("expected pairs of lifetimes, found %q", s)
	}
	return s
}
