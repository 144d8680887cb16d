package plugin_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/loadr-plugins/loadr/loader/plugin"
)

func TestCheckSaysWhere(t *testing.T) {
	tests := map[string]string{
		``:                   "expected a value at byte 0",
		`  `:                 "expected a value at byte 2",
		`{}x`:                "unexpected text after the value at byte 2",
		`{"a" 1}`:            "expected a colon after the key at byte 5",
		`{a:1}`:              "expected a key in quotes at byte 1",
		`{"a":1,}`:           "expected a key in quotes at byte 7",
		`[1,]`:               "expected a value at byte 3",
		`[1 2]`:              "expected a comma or the end of the array or object at byte 3",
		`[1}`:                "expected a comma or the end of the array or object at byte 2",
		`nul`:                "expected a value at byte 0",
		`"a`:                 "unexpected end in a string at byte 2",
		"\"\n\"":             "control character in a string at byte 1",
		`"\x"`:               "unknown escape in a string at byte 2",
		`"\u12g4"`:           "expected four hexadecimal digits at byte 5",
		"\"\xc3(\"":          "not UTF-8 at byte 1",
		"\"\xed\xa0\x80\"":   "not UTF-8 at byte 1", // half of a surrogate pair
		`-`:                  "expected a digit at byte 1",
		`01`:                 "unexpected text after the value at byte 1",
		`1.`:                 "expected a digit at byte 2",
		`1e+`:                "expected a digit at byte 3",
		"1\x00":              "unexpected text after the value at byte 1",
		deep(10001):          "nested too deeply at byte 10000",
		deep(10000):          "",
		` {"a":[1,-2.5e3]} `: "",
	}
	for text, want := range tests {
		err := plugin.Check([]byte(text))
		if want == "" && err == nil {
			continue
		}
		var syntax *plugin.SyntaxError
		if !errors.As(err, &syntax) || err.Error() != want {
			t.Errorf("%.40q: expected %q, found %v", text, want, err)
		}
	}
}

func deep(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }

// TestCheckFindsEveryByte puts each byte at each place among the 8 that are looked at together, before and behind others.
func TestCheckFindsEveryByte(t *testing.T) {
	for b := range 256 {
		for at := range 18 {
			for _, other := range []string{"a", "\x7f", "é"} {
				text := []byte(`"` + strings.Repeat("a", at) + string([]byte{byte(b)}) + strings.Repeat(other, 18-at) + `"`)
				if got, want := plugin.Check(text) == nil, json.Valid(text) && utf8.Valid(text); got != want {
					t.Errorf("%q: found %v, encoding/json and unicode/utf8 say %v", text, got, want)
				}
			}
		}
	}
}

func FuzzCheck(f *testing.F) {
	for _, seed := range []string{
		`{"status":200,"headers":[["a","b\u00e9\"\\"]],"body_b64":"aGk=","duration_ms":1.5e-3,"x":[true,false,null]}`,
		`"\ud83d\ude00 \ud800"`, `[[],{},"",0,-0.1E+9]`, "\"\u00e9\u20ac\U0001F600\"", "\xff", `{"a":1 ,"a" : 2}`, "\ufeff{}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if got, want := plugin.Check(text) == nil, json.Valid(text) && utf8.Valid(text); got != want {
			t.Errorf("%q: found %v, encoding/json and unicode/utf8 say %v", text, got, want)
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	for name, body := range map[string]int{"200B": 60, "64KiB": 48 << 10} {
		text, err := json.Marshal(plugin.Response{Status: 200, StatusText: "OK", Body: make([]byte, body)})
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if err := plugin.Check(text); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/encoding-json", func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if !json.Valid(text) {
					b.Fatal("not valid")
				}
			}
		})
	}
}
