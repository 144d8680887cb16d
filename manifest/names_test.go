package manifest

import (
	"errors"
	"strings"
	"testing"
)

func TestCheckName(t *testing.T) {
	good := []string{"a", "echo-proto", "0", "a1-b2-c3", "console", "com10", "lpt", strings.Repeat("a", 64)}
	bad := []string{
		"", "A", "-a", "a-", "a--b", "a_b", "a.b", "a/b", `a\b`, "..", ".", "a b", "a\n", "\x00", "é", strings.Repeat("a", 65),
		"con", "nul", "prn", "aux", "com1", "lpt9", "com0",
	}
	checkAll(t, CheckName, good, bad)
}

func TestCheckEntry(t *testing.T) {
	good := []string{"libx.so", "x.dll", "x.dylib", "plugin.wasm", "a", ".a", "x y.so", "é.so", "console.so", "-x", strings.Repeat("a", 255)}
	bad := []string{
		"", ".", "..", "a/b", "/a", `a\b`, `C:\a`, "c:a", "a\x00", "a\n", "a\x7f", "a\u0085", "a\u202eb", "a\u2028b", "a\xff", "a<", "a?", "a*", "a|b", `a"`,
		"a.", "a ", " a", "a. ", "con", "CON", "Nul.so", "aux.tar.gz", "COM1.dll", "lpt¹", "con .so", "conin$", "conout$.x",
		"plugin.toml", "Plugin.TOML", "disabled", "DISABLED", strings.Repeat("a", 256),
	}
	checkAll(t, CheckEntry, good, bad)
}

func checkAll(t *testing.T, allowed func(string) error, good, bad []string) {
	t.Helper()
	for _, s := range good {
		if err := allowed(s); err != nil {
			t.Errorf("%q refused: %v", s, err)
		}
	}
	for _, s := range bad {
		err := allowed(s)
		var typed *Error
		if !errors.As(err, &typed) {
			t.Errorf("%q: error %v", s, err)
			continue
		}
		if strings.ContainsAny(err.Error(), "\x00\n\x7f\u0085\u202e\u2028") {
			t.Errorf("%q: the message repeats it raw: %s", s, err)
		}
	}
}

func TestCheckNameMessage(t *testing.T) {
	want := `name: expected lower-case letters, digits and single hyphens between them, found "A"`
	if err := CheckName("A"); err.Error() != want {
		t.Errorf("got %s", err)
	}
}

func TestPosition(t *testing.T) {
	tests := []struct {
		e    Error
		want string
	}{
		{Error{Field: "x", Found: "1", Want: "2"}, "x: expected 2, found 1"},
		{Error{File: "f", Field: "x", Found: "1", Want: "2"}, "f: x: expected 2, found 1"},
		{Error{Line: 3, Column: 4, Field: "x", Found: "1", Want: "2"}, "line 3, column 4: x: expected 2, found 1"},
		{Error{File: "f", Line: 3, Column: 4, Field: "x", Found: "1", Want: "2"}, "f:3:4: x: expected 2, found 1"},
	}
	for _, tt := range tests {
		if got := tt.e.Error(); got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
}

func TestQuoteCutsBetweenCharacters(t *testing.T) {
	if got, want := quote("a"+strings.Repeat("é", 100)), `"a`+strings.Repeat("é", 39)+`"... (201 bytes)`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestEdits(t *testing.T) {
	tests := []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"a", "", 1}, {"", "ab", 2}, {"kitten", "sitting", 3}, {"desciption", "description", 1}, {"same", "same", 0}, {"ab", "ba", 2},
	}
	for _, tt := range tests {
		if got := edits(tt.a, tt.b); got != tt.want {
			t.Errorf("edits(%q, %q) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}
