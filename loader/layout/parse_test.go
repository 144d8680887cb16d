package layout

import (
	"errors"
	"strings"
	"testing"
)

func TestParseRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		from, to string
		want     string
	}{
		"another format":         {"layout-v1\n", "layout-v2\n", `line 1: expected "layout-v1"`},
		"number out of order":    {"type 1 MaybeUninit", "type 2 MaybeUninit", "expected type 1, found 2"},
		"leading zero":           {"type 1 MaybeUninit", "type 01 MaybeUninit", `expected a number, found "01"`},
		"no name":                {"type 1 MaybeUninit", "type 1 ", `expected a printable name, found ""`},
		"control in name":        {"type 1 MaybeUninit", "type 1 Maybe\x1bUninit", `expected a printable name`},
		"mentioned, not there":   {"field 3 - z", "field 7 - z", "type 7 is mentioned and not there"},
		"huge mention":           {"field 3 - z", "field 99999999999 - z", "expected a number"},
		"class":                  {"package 0.0 demo", "package 00 demo", `expected a compatibility class, found "00"`},
		"class 0":                {"package 0.0 demo", "package 0 demo", `expected a compatibility class, found "0"`},
		"class of two":           {"package 0.0 demo", "package 0.0.1 demo", `expected a compatibility class`},
		"alignment":              {"size=24 align=8", "size=24 align=6", `expected a power of two, found "6"`},
		"order of values":        {"size=24 align=8", "align=8 size=24", `expected size=`},
		"a value more":           {"lifetimes=12", "lifetimes=12 more=1", "expected size, align, nonzero, repr, lifetimes"},
		"repr":                   {"repr=packed-0", "repr=packed", `unknown repr "packed"`},
		"lifetime":               {"'0,'1,'2,'3,'4,'5", "'0,'1,'2,'3,'4,'13", `unknown lifetime "'13"`},
		"odd lifetimes":          {"'0,'1,'2,'3,'4,'5", "'0", `expected pairs of lifetimes, found "'0"`},
		"const type":             {"const bool true", "const f32 1", `unknown type "f32"`},
		"const value":            {"const bool true", "const bool 1", `unknown bool "1"`},
		"bit set":                {"other=0x3ffff", "other=0x03ffff", `expected a bit set, found "0x03ffff"`},
		"large bit set":          {"auto=0x7", "auto=0x10000", `expected a bit set`},
		"accessible fields":      {"accessible=0x1", "accessible=0x4", "prefix type with 2 fields and accessible fields 0x4"},
		"kind":                   {"  union\n", "  onion\n", `expected "  prefix "`},
		"primitive":              {"primitive bool", "primitive boolean", `unknown primitive "boolean"`},
		"no result":              {"        result 4\n", "", `expected "        result "`},
		"indentation":            {"    field 1 - itself", "   field 1 - itself", `expected "type "`},
		"order of lines":         {"  required-traits auto=0x7 other=0x3ffff\n  tag\n", "  tag\n  required-traits auto=0x7 other=0x3ffff\n", `expected "  prefix "`},
		"semicolon in a variant": {"variant 0 Middle", "variant 0 Mid;dle", `variant "Mid;dle" with 2 fields`},
		"carriage return":        {"  opaque\n", "  opaque\r\n", `expected`},
		"empty line":             {"  opaque\n", "  opaque\n\n", `expected "type "`},
		"no line feed":           {"  primitive bool\n", "  primitive bool", "expected UTF-8 that ends with a line feed"},
		"not UTF-8":              {"field 3 - z", "field 3 - \xff", "expected UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			g, err := Parse([]byte(edit(t, rich, test.from, test.to)))
			var e *TextError
			if g != nil || !errors.As(err, &e) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
}

func TestParseRefusesWhatIsTooLarge(t *testing.T) {
	field := "    field 0 - f\n"
	head := "layout-v1\ntype 0 T\n  package 1 demo\n  layout size=0 align=1 nonzero=no repr=c lifetimes=0\n"
	for name, text := range map[string]string{
		"bytes":            strings.Repeat("x", maxText+1),
		"fields":           head + "  struct\n" + strings.Repeat(field, 30000),
		"line":             head + "  struct\n    field 0 - " + strings.Repeat("f", maxLine) + "\n",
		"name":             head + "  struct\n    field 0 - " + strings.Repeat("f", maxName+1) + "\n",
		"fields of prefix": head + "  prefix fields=0 conditional=0x0 accessible=0x0\n" + strings.Repeat(field, 65),
		"parameters":       head + "  struct\n" + field + "      fn -\n" + strings.Repeat("        param 0 p\n", 65) + "        result 0\n",
		"types":            "layout-v1\n" + strings.Repeat("type 0 T\n  package 1 demo\n  layout size=0 align=1 nonzero=no repr=c lifetimes=0\n  opaque\n", 2000),
		"nothing":          "",
		"no type":          "layout-v1\n",
	} {
		if g, err := Parse([]byte(text)); g != nil || err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// FuzzParse holds that what is taken is written canonically: the same text again and again, which fits itself.
func FuzzParse(f *testing.F) {
	f.Add([]byte(rich))
	f.Add([]byte(interfaceText(f)))
	f.Fuzz(func(t *testing.T, text []byte) {
		g, err := Parse(text)
		if err != nil {
			return
		}
		written := g.Text()
		again, err := Parse(written)
		if err != nil {
			t.Fatalf("%v of\n%s", err, written)
		}
		if string(again.Text()) != string(written) {
			t.Errorf("written\n%s\nthen\n%s", written, again.Text())
		}
		for i := range g.Types {
			g.TypeName(i)
		}
		Check(g, again)
	})
}

// FuzzWalk changes bytes of a description.
func FuzzWalk(f *testing.F) {
	f.Add(uint32(0), []byte{1})
	f.Add(uint32(88), []byte{0xff, 0xff})
	g := parse(f, rich)
	f.Fuzz(func(t *testing.T, at uint32, patch []byte) {
		l, root := encode(t, g)
		copy(l.memory[int(at)%len(l.memory):], patch)
		got, err := Walk(l, root)
		if err != nil {
			return
		}
		if again, err := Parse(got.Text()); err != nil || string(again.Text()) != string(got.Text()) {
			t.Errorf("%v", err)
		}
		Check(g, got)
	})
}
