package layout

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// startLen is abi_stable's range of 32 bits: where a part starts in an array, and its length.
type startLen uint32

func (r startLen) start() int  { return int(r & 0xffff) }
func (r startLen) length() int { return int(r >> 16) }

// name reads a text that must be a name.
func (w *walker) name(what string, address uint64, length int) string {
	text := w.text(what, address, length)
	if w.err == nil && !isName(text) {
		w.fail(nil, "%s: expected printable text of 1 to %d bytes, found %.100q", what, maxName, text)
	}
	return text
}

// text reads bytes that must be UTF-8.
func (w *walker) text(what string, address uint64, length int) string {
	if w.names += length; w.names > maxNames {
		w.fail(nil, "more than %d bytes of names", maxNames)
		return ""
	}
	text := string(w.read(what, address, length))
	if !utf8.ValidString(text) {
		w.fail(nil, "%s: expected UTF-8, found %.100q", what, text)
		return ""
	}
	return text
}

// isName says whether a text may stand in a canonical text: it must not break a line nor a terminal.
func isName(s string) bool {
	return s != "" && len(s) <= maxName && utf8.ValidString(s) && strings.IndexFunc(s, notPrintable) < 0
}

func notPrintable(r rune) bool { return !unicode.IsPrint(r) }

// part gives the address of a range of the strings, after checking that it is one.
func (w *walker) part(v vars, what string, start, length int) uint64 {
	if start+length > v.stringsLen {
		w.fail(nil, "%s: bytes %d to %d of %d", what, start, start+length, v.stringsLen)
		return 0
	}
	return v.strings + uint64(start)
}

// partText reads a range of the strings.
func (w *walker) partText(v vars, what string, start, length int) string {
	return w.text(what, w.part(v, what, start, length), length)
}

// terminated reads the zero-terminated text at address, in pieces that end at multiples of their size: the last one may
// lie at the end of what can be read.
func (w *walker) terminated(what string, address uint64) string {
	const piece = 64
	var text []byte
	for len(text) < maxName && w.err == nil {
		n := piece - address%piece
		b, err := w.mem.Read(address, n)
		if err != nil {
			n = 1
			b = w.read(what, address, 1)
		}
		if end := strings.IndexByte(string(b), 0); end >= 0 {
			return w.shown(what, string(append(text, b[:end]...)))
		}
		text = append(text, b...)
		address += n
	}
	w.fail(nil, "%s: no end within %d bytes", what, maxName)
	return ""
}

// shown checks a text that is only for people.
func (w *walker) shown(what, text string) string {
	if w.names += len(text); w.names > maxNames || (text != "" && !isName(text)) {
		w.fail(nil, "%s: expected printable text, found %.100q", what, text)
		return ""
	}
	return text
}

// class is the compatibility class of a package version, as docs/spec/layout.md has it: Rust's own parser is as lenient.
func class(version string) string {
	parts := strings.SplitN(version, ".", 3)
	major, ok := number(parts[0])
	if !ok || len(parts) < 2 {
		return "?"
	}
	minor, ok := number(parts[1])
	if !ok {
		return "?"
	}
	if len(parts) == 3 {
		if _, ok := number(digits(parts[2])); !ok {
			return "?"
		}
	}
	if major == 0 {
		return "0." + strconv.FormatUint(minor, 10)
	}
	return strconv.FormatUint(major, 10)
}

// number is Rust's parse::<u32>, which takes a plus sign.
func number(s string) (uint64, bool) {
	n, err := strconv.ParseUint(strings.TrimPrefix(s, "+"), 10, 32)
	return n, err == nil
}

// digits gives the first run of digits, "0" for none.
func digits(s string) string {
	start := strings.IndexAny(s, "0123456789")
	if start < 0 {
		return "0"
	}
	s = s[start:]
	if end := strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
		s = s[:end]
	}
	return s
}

// lifetimeNames are the values of a nibble; those from 3 are lifetime parameters.
var lifetimeNames = [16]string{"'none", "'_", "'static",
	"'0", "'1", "'2", "'3", "'4", "'5", "'6", "'7", "'8", "'9", "'10", "'11", "'12"}

// lifetimes decodes a range of 21 bits: bit 20 says that the low 13 bits are a place in the lifetime array and the next
// 7 a number of its bytes; else there are up to five nibbles in place, of which trailing zeros are none. A byte is a
// pair, the low nibble first.
func (w *walker) lifetimes(v vars, bits uint32) string {
	const inArray = 1 << 20
	if bits&inArray == 0 {
		var pairs []byte
		for rest := bits & 0xfffff; rest != 0; rest >>= 8 {
			pairs = append(pairs, byte(rest))
		}
		return w.pairs(pairs)
	}
	start, n := int(bits&0x1fff), int(bits>>13&0x7f)
	if start+n > v.lifetimesLen {
		w.fail(nil, "lifetimes %d to %d of %d", start, start+n, v.lifetimesLen)
		return ""
	}
	return w.pairs(w.read("lifetimes", v.lifetimes+uint64(start), n))
}

func (w *walker) pairs(pairs []byte) string {
	if !w.spend(len(pairs)) {
		return ""
	}
	var names []string
	for _, pair := range pairs {
		names = append(names, lifetimeNames[pair&15], lifetimeNames[pair>>4])
	}
	return strings.Join(names, ",")
}
