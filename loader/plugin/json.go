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
	at := c.value(c.space(0), 0)
	if at >= 0 {
		if at = c.space(at); at == len(text) {
			return nil
		}
		c.fail(at, "unexpected text after the value")
	}
	return c.err
}

// checker walks over a text. Its methods take where something begins and give where it ends, or failed: positions stay in
// registers.
type checker struct {
	text []byte
	err  *SyntaxError // the first problem
}

const failed = -1

func (c *checker) fail(at int, problem string) int {
	c.err = &SyntaxError{at, problem}
	return failed
}

// peek gives the byte there, or 0 at the end: no rule of JSON allows a zero byte outside of a string.
func (c *checker) peek(at int) byte {
	if at < len(c.text) {
		return c.text[at]
	}
	return 0
}

func (c *checker) space(at int) int {
	for at < len(c.text) && c.text[at] <= ' ' && isSpace(c.text[at]) {
		at++
	}
	return at
}

func isSpace(b byte) bool { return b == ' ' || b == '\t' || b == '\n' || b == '\r' }

func (c *checker) value(at, depth int) int {
	switch b := c.peek(at); b {
	case '{', '[':
		if depth >= maxDepth {
			return c.fail(at, "nested too deeply")
		}
		return c.list(at, b, depth+1)
	case '"':
		return c.str(at)
	case 't':
		return c.word(at, "true")
	case 'f':
		return c.word(at, "false")
	case 'n':
		return c.word(at, "null")
	default:
		return c.number(at)
	}
}

// list walks over an object or array.
func (c *checker) list(at int, open byte, depth int) int {
	end := open + 2 // in ASCII, ']' follows '[' after one more, and so do the braces
	at = c.space(at + 1)
	if c.peek(at) == end {
		return at + 1
	}
	for {
		if open == '{' {
			if at = c.key(at); at < 0 {
				return failed
			}
		}
		if at = c.value(at, depth); at < 0 {
			return failed
		}
		at = c.space(at)
		switch c.peek(at) {
		case ',':
			at = c.space(at + 1)
		case end:
			return at + 1
		default:
			return c.fail(at, "expected a comma or the end of the array or object")
		}
	}
}

// key walks over an object's key up to its value.
func (c *checker) key(at int) int {
	if c.peek(at) != '"' {
		return c.fail(at, "expected a key in quotes")
	}
	if at = c.str(at); at < 0 {
		return failed
	}
	at = c.space(at)
	if c.peek(at) != ':' {
		return c.fail(at, "expected a colon after the key")
	}
	return c.space(at + 1)
}

func (c *checker) word(at int, w string) int {
	if len(c.text)-at < len(w) || string(c.text[at:at+len(w)]) != w {
		return c.fail(at, "expected a value")
	}
	return at + len(w)
}

// Words of 8 equal bytes.
const (
	each    = 0x0101010101010101
	spaces  = each * ' '
	quotes  = each * '"'
	slashes = each * '\\'
	highs   = each * 0x80
)

// plain walks over the bytes that need no look at their neighbours: printable ASCII without quote and backslash. Most of
// a string is that, above all a body in base64, so it looks at 8 bytes at a time. A byte's high bit in marks says that the
// byte has its own set, or is less than a space, or equals a quote or a backslash. A subtraction that borrows spoils only
// the bytes above, so the lowest mark is right.
func plain(text []byte, at int) int {
	for ; len(text)-at >= 8; at += 8 {
		w := binary.LittleEndian.Uint64(text[at:])
		marks := (w | (w - spaces) | ((w ^ quotes) - each) | ((w ^ slashes) - each)) & highs
		if marks != 0 {
			return at + bits.TrailingZeros64(marks)/8
		}
	}
	for ; at < len(text); at++ {
		if b := text[at]; b < ' ' || b >= utf8.RuneSelf || b == '"' || b == '\\' {
			break
		}
	}
	return at
}

// str walks over a string, from quote to quote.
func (c *checker) str(at int) int {
	at++
	for {
		at = plain(c.text, at)
		if at == len(c.text) {
			return c.fail(at, "unexpected end in a string")
		}
		if c.text[at] == '"' {
			return at + 1
		}
		if at = c.special(at); at < 0 {
			return failed
		}
	}
}

// special walks over one character that is not plain.
func (c *checker) special(at int) int {
	switch b := c.text[at]; {
	case b == '\\':
		return c.escape(at + 1)
	case b < ' ':
		return c.fail(at, "control character in a string")
	}
	r, size := utf8.DecodeRune(c.text[at:])
	if r == utf8.RuneError && size == 1 {
		return c.fail(at, "not UTF-8")
	}
	return at + size
}

func (c *checker) escape(at int) int {
	switch c.peek(at) {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return at + 1
	case 'u':
		return c.hex4(at + 1)
	}
	return c.fail(at, "unknown escape in a string")
}

func (c *checker) hex4(at int) int {
	for range 4 {
		switch b := c.peek(at); {
		case '0' <= b && b <= '9', 'a' <= b && b <= 'f', 'A' <= b && b <= 'F':
			at++
		default:
			return c.fail(at, "expected four hexadecimal digits")
		}
	}
	return at
}

func (c *checker) number(at int) int {
	start := at
	if c.peek(at) == '-' {
		at++
	}
	whole := at
	if c.peek(at) == '0' {
		at++
	} else if at = c.digits(at); at == whole {
		if at == start {
			return c.fail(at, "expected a value")
		}
		return c.fail(at, "expected a digit")
	}
	if c.peek(at) == '.' {
		fraction := at + 1
		if at = c.digits(fraction); at == fraction {
			return c.fail(at, "expected a digit")
		}
	}
	return c.exponent(at)
}

func (c *checker) exponent(at int) int {
	if b := c.peek(at); b != 'e' && b != 'E' {
		return at
	}
	at++
	if b := c.peek(at); b == '+' || b == '-' {
		at++
	}
	end := c.digits(at)
	if end == at {
		return c.fail(at, "expected a digit")
	}
	return end
}

func (c *checker) digits(at int) int {
	for b := c.peek(at); '0' <= b && b <= '9'; b = c.peek(at) {
		at++
	}
	return at
}
