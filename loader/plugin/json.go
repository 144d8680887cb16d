package plugin

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"unicode/utf8"
)

// maxDepth is encoding/json's own limit of nesting, so that what passes here can be decoded.
const maxDepth = 10000

// SyntaxError says where a text stops being JSON in UTF-8.
type SyntaxError struct {
	Offset  int // in bytes
	Problem string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("%s at byte %d", e.Problem, e.Offset) }

// Check says whether text is one JSON value (RFC 8259) in UTF-8. It accepts exactly what json.Valid and utf8.Valid
// accept, in one pass and some times faster; every reply goes through it. The error is a *SyntaxError.
func Check(text []byte) error {
	c := checker{text: text}
	c.space()
	if c.value(0) {
		c.space()
		if c.at == len(text) {
			return nil
		}
		c.fail("unexpected text after the value")
	}
	return &SyntaxError{c.at, c.problem}
}

// checker walks over a text and stops at the first problem, with at where it is.
type checker struct {
	text    []byte
	at      int
	problem string
}

func (c *checker) fail(problem string) bool {
	c.problem = problem
	return false
}

// peek gives the next byte, or 0 at the end: no rule of JSON allows a zero byte outside of a string.
func (c *checker) peek() byte {
	if c.at < len(c.text) {
		return c.text[c.at]
	}
	return 0
}

func (c *checker) space() {
	for c.at < len(c.text) {
		switch c.text[c.at] {
		case ' ', '\t', '\n', '\r':
			c.at++
		default:
			return
		}
	}
}

func (c *checker) value(depth int) bool {
	switch b := c.peek(); b {
	case '{', '[':
		if depth >= maxDepth {
			return c.fail("nested too deeply")
		}
		return c.list(b, depth+1)
	case '"':
		return c.str()
	case 't':
		return c.word("true")
	case 'f':
		return c.word("false")
	case 'n':
		return c.word("null")
	default:
		return c.number()
	}
}

// list walks over an object or array.
func (c *checker) list(open byte, depth int) bool {
	end := open + 2 // in ASCII, ']' follows '[' after one more, and so do the braces
	c.at++
	c.space()
	if c.peek() == end {
		c.at++
		return true
	}
	for c.member(open, depth) {
		switch c.peek() {
		case ',':
			c.at++
			c.space()
		case end:
			c.at++
			return true
		default:
			return c.fail("expected a comma or the end of the array or object")
		}
	}
	return false
}

// member walks over one value, with its key in an object, and the space behind it.
func (c *checker) member(open byte, depth int) bool {
	if open == '{' && !c.key() {
		return false
	}
	if !c.value(depth) {
		return false
	}
	c.space()
	return true
}

func (c *checker) key() bool {
	if c.peek() != '"' {
		return c.fail("expected a key in quotes")
	}
	if !c.str() {
		return false
	}
	c.space()
	if c.peek() != ':' {
		return c.fail("expected a colon after the key")
	}
	c.at++
	c.space()
	return true
}

func (c *checker) word(w string) bool {
	if len(c.text)-c.at < len(w) || string(c.text[c.at:c.at+len(w)]) != w {
		return c.fail("expected a value")
	}
	c.at += len(w)
	return true
}

// Words of 8 equal bytes.
const (
	each    = 0x0101010101010101
	spaces  = each * ' '
	quotes  = each * '"'
	slashes = each * '\\'
	highs   = each * 0x80
)

// plain counts the bytes at the beginning of text that need no look at their neighbours: printable ASCII without quote and
// backslash. Most of a string is that, above all a body in base64, so it looks at 8 bytes at a time. A byte's high bit in
// marks says that the byte has its own set, or is less than a space, or equals a quote or a backslash. A subtraction that
// borrows spoils only the bytes above, so the lowest mark is right.
func plain(text []byte) int {
	n := 0
	for ; len(text)-n >= 8; n += 8 {
		w := binary.LittleEndian.Uint64(text[n:])
		marks := (w | (w - spaces) | ((w ^ quotes) - each) | ((w ^ slashes) - each)) & highs
		if marks != 0 {
			return n + bits.TrailingZeros64(marks)/8
		}
	}
	for ; n < len(text); n++ {
		if b := text[n]; b < ' ' || b >= utf8.RuneSelf || b == '"' || b == '\\' {
			break
		}
	}
	return n
}

// str walks over a string, from quote to quote.
func (c *checker) str() bool {
	c.at++
	for {
		c.at += plain(c.text[c.at:])
		if c.at == len(c.text) {
			return c.fail("unexpected end in a string")
		}
		if c.text[c.at] == '"' {
			c.at++
			return true
		}
		if !c.special() {
			return false
		}
	}
}

// special walks over one character that is not plain.
func (c *checker) special() bool {
	switch b := c.text[c.at]; {
	case b == '\\':
		return c.escape()
	case b < ' ':
		return c.fail("control character in a string")
	}
	r, size := utf8.DecodeRune(c.text[c.at:])
	if r == utf8.RuneError && size == 1 {
		return c.fail("not UTF-8")
	}
	c.at += size
	return true
}

func (c *checker) escape() bool {
	c.at++
	switch c.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		c.at++
		return true
	case 'u':
		return c.hex4()
	}
	return c.fail("unknown escape in a string")
}

func (c *checker) hex4() bool {
	c.at++
	for range 4 {
		switch b := c.peek(); {
		case '0' <= b && b <= '9', 'a' <= b && b <= 'f', 'A' <= b && b <= 'F':
			c.at++
		default:
			return c.fail("expected four hexadecimal digits")
		}
	}
	return true
}

func (c *checker) number() bool {
	start := c.at
	if c.peek() == '-' {
		c.at++
	}
	if c.peek() == '0' {
		c.at++
	} else if !c.digits() {
		if c.at == start {
			return c.fail("expected a value")
		}
		return c.fail("expected a digit")
	}
	if c.peek() == '.' {
		c.at++
		if !c.digits() {
			return c.fail("expected a digit")
		}
	}
	return c.exponent()
}

func (c *checker) exponent() bool {
	if b := c.peek(); b != 'e' && b != 'E' {
		return true
	}
	c.at++
	if b := c.peek(); b == '+' || b == '-' {
		c.at++
	}
	return c.digits() || c.fail("expected a digit")
}

func (c *checker) digits() bool {
	start := c.at
	for b := c.peek(); '0' <= b && b <= '9'; b = c.peek() {
		c.at++
	}
	return c.at > start
}
