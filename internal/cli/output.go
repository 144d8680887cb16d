package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"golang.org/x/term"
)

// print writes value as JSON with --json, and calls text otherwise.
func (a *app) print(value any, text func()) error {
	if !a.json {
		text()
		return nil
	}
	return a.printJSON(value)
}

func (a *app) printJSON(value any) error {
	enc := json.NewEncoder(a.out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(value)
}

// line writes one line of a result.
func (a *app) line(format string, args ...any) { fmt.Fprintf(a.out, format+"\n", args...) }

// text writes several lines of a result, which end in newlines.
func (a *app) text(lines string) { fmt.Fprint(a.out, clean(lines)) }

// note writes one line about what is being done; --quiet and --json leave it out.
func (a *app) note(format string, args ...any) {
	if !a.quiet && !a.json {
		fmt.Fprintf(a.err, format+"\n", args...)
	}
}

// detail writes a note that only --verbose asks for.
func (a *app) detail(format string, args ...any) {
	if a.verbose {
		a.note(format, args...)
	}
}

// warn writes a warning; --json leaves it to the result.
func (a *app) warn(message string) {
	if !a.json {
		fmt.Fprintf(a.err, "warning: %s\n", clean(message))
	}
}

// table writes rows in columns, the first row as a head.
func (a *app) table(rows [][]string) {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		for i := range row {
			row[i] = clean(row[i])
		}
		fmt.Fprintln(w, strings.TrimRight(strings.Join(row, "\t"), "\t"))
	}
	w.Flush()
}

// clean keeps text from a plugin or registry from steering the terminal: control characters become '?'.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}

// onTerminal says whether standard error is a terminal that may be redrawn. One without a width, as some programs make
// them, would show nothing at all.
func (a *app) onTerminal() bool {
	if !isTerminal(a.err) || os.Getenv("TERM") == "dumb" {
		return false
	}
	width, _, err := term.GetSize(int(a.err.(*os.File).Fd()))
	return err == nil && width > 0
}

// onTerminalOut says whether a person looks at standard output. It may only decide what would harm a terminal.
func (a *app) onTerminalOut() bool { return isTerminal(a.out) }

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// size gives a number of bytes for people.
func size(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	value, words := float64(n)/unit, []string{"KiB", "MiB", "GiB", "TiB"}
	for _, word := range words {
		if value < unit || word == "TiB" {
			return fmt.Sprintf("%.1f %s", value, word)
		}
		value /= unit
	}
	return ""
}
