package manifest

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Error is one thing wrong in a manifest, or in a name given outside of one. File and position are empty for the latter.
type Error struct {
	File   string `json:"file"`
	Line   int    `json:"line"`   // from 1; 0 where there is no position
	Column int    `json:"column"` // from 1, in characters
	Field  string `json:"field"`  // dotted path: plugin.kind; empty for broken TOML
	Found  string `json:"found"`  // as shown to a person: quoted, shortened, without control characters
	Want   string `json:"want"`   // what is allowed
	hint   string
}

// wantTOML marks errors of syntax, whose Found is the parser's own sentence.
const wantTOML = "valid TOML"

func (e *Error) Error() string {
	where := position(e.File, e.Line, e.Column)
	if e.Want == wantTOML {
		return where + "not " + wantTOML + ": " + e.Found
	}
	return fmt.Sprintf("%s%s: expected %s, found %s", where, e.Field, e.Want, e.Found)
}

// Hint advises what to do; empty where the message says it all.
func (e *Error) Hint() string { return e.hint }

// Errors is everything wrong in one manifest, in the order of the file; never empty. After maxErrors the rest is left
// out.
type Errors []*Error

const maxErrors = 20

func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives the single errors to errors.As.
func (e Errors) Unwrap() []error {
	out := make([]error, len(e))
	for i, one := range e {
		out[i] = one
	}
	return out
}

// Hint joins the advice of the single errors, each once, a line each.
func (e Errors) Hint() string {
	var lines []string
	seen := map[string]bool{"": true}
	for _, one := range e {
		if !seen[one.hint] {
			lines = append(lines, one.hint)
		}
		seen[one.hint] = true
	}
	return strings.Join(lines, "\n")
}

// Warning is something in a manifest that is probably a mistake but does no harm.
type Warning struct {
	File         string
	Line, Column int    // from 1
	Field        string // dotted path
	Detail       string // what is odd, and what was probably meant
	Nearest      string // dotted path of the nearest known key, for an unknown one; else empty
}

func (w Warning) String() string {
	return position(w.File, w.Line, w.Column) + w.Field + ": " + w.Detail
}

func position(file string, line, column int) string {
	switch {
	case file == "" && line == 0:
		return ""
	case line == 0:
		return file + ": "
	case file == "":
		return fmt.Sprintf("line %d, column %d: ", line, column)
	}
	return fmt.Sprintf("%s:%d:%d: ", file, line, column)
}

// maxShown bounds how much of a found value a message repeats, in bytes.
const maxShown = 80

// quote shows untrusted text: escaped, so that it can't drive the reader's terminal, and shortened.
func quote(s string) string {
	if len(s) <= maxShown {
		return strconv.QuoteToGraphic(s)
	}
	cut := maxShown
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return strconv.QuoteToGraphic(s[:cut]) + fmt.Sprintf("... (%d bytes)", len(s))
}

// escaped shows a sentence that may repeat parts of untrusted text.
func escaped(s string) string {
	var b strings.Builder
	for _, r := range s {
		if strconv.IsGraphic(r) {
			b.WriteRune(r)
		} else {
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		}
	}
	return b.String()
}

// dotted shows a key path in TOML's spelling: bare parts bare, others quoted.
func dotted(path []string) string {
	var b strings.Builder
	for i, part := range path {
		if i > 0 && !isIndex(part) {
			b.WriteByte('.')
		}
		if isBare(part) || isIndex(part) {
			b.WriteString(part)
		} else {
			b.WriteString(quote(part))
		}
	}
	return b.String()
}

func isBare(s string) bool {
	for _, r := range s {
		if !isLower(r) && !isDigit(r) && (r < 'A' || r > 'Z') && r != '-' && r != '_' {
			return false
		}
	}
	return s != "" && len(s) <= maxShown
}

// isIndex recognises the path parts that stand for an array's elements.
func isIndex(s string) bool { return len(s) > 2 && s[0] == '[' && s[len(s)-1] == ']' }

func index(i int) string { return "[" + strconv.Itoa(i) + "]" }
