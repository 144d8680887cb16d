package manifest

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// head is a [plugin] table whose entry is the one that the tests set, so that only [build] is edited.
const head = "[plugin]\nname = \"a\"\nversion = \"1.0.0\"\nkind = \"output\"\ntype = \"native\"\nentry = \"new.so\"\n"

// rootHead is the same for tests that need keys before the first header.
const rootHead = "plugin = {name='a',version='1.0.0',kind='output',type='native',entry='new.so'}\n"

func TestShippedCutsBuild(t *testing.T) {
	tests := map[string]struct{ text, want string }{
		"none":               {head + "# end", head + "# end"},
		"last":               {head + "[build]\nreadme='r'\n# inside\n\n# also", head},
		"last, no newline":   {head + "[build]", head},
		"in between":         {head + "\n[build]\nreadme='r'\n\n[config]\na=1\n", head + "\n[config]\na=1\n"},
		"no blank lines":     {head + "[build]\n[config]\n", head + "[config]\n"},
		"blank line kept":    {head + "[build]\nreadme='r'\n\n[config]\n", head + "\n[config]\n"},
		"subtables":          {head + "[build]\n# inside\n[build.targets] # x\n'linux/amd64'='x'\n[config]\n", head + "[config]\n"},
		"only a subtable":    {head + "[build.targets]\n'linux/amd64'='x'\n[config]\n", head + "[config]\n"},
		"apart":              {"[build.targets]\n" + head + "[build]\nreadme='r'\n[config]\n", head + "[config]\n"},
		"first":              {"# file\n\n[build]\nreadme='r'\n\n" + head, "# file\n\n" + head},
		"indented":           {head + "  [ build ] # c\n\treadme = 'r'\n  [config]\n  a=1\n", head + "  [config]\n  a=1\n"},
		"quoted":             {head + "['build'.\"targets\"]\n[config]\n", head + "[config]\n"},
		"escaped":            {head + "[\"b\\u0075ild\"]\nreadme='r'\n[config]\n", head + "[config]\n"},
		"CRLF":               {crlf(head + "[build]\nreadme='r'\n\n# c\n[config]\na=1\n"), crlf(head + "\n# c\n[config]\na=1\n")},
		"dotted":             {"build.readme = 'r' # c\n" + rootHead + "build.include = [\n 'a', # ]\n 'b',\n] # x\n[config]\n", rootHead + "[config]\n"},
		"dotted, spaces":     {" build . 'readme' = \"\"\"\nr\"\"\"\t# c\r\n" + rootHead, rootHead},
		"inline":             {rootHead + "build = { readme = 'r', targets = {} }\n[config]\n", rootHead + "[config]\n"},
		"inline, no newline": {rootHead + "build = {}", rootHead},
		"inline, lines":      {rootHead + "build = {\n  readme = 'r', # c }\n}\n# end", rootHead + "# end"},
		"dotted and tables":  {"build.readme='r'\n" + rootHead + "[config]\n[build.targets]\n[requires]\n", rootHead + "[config]\n[requires]\n"},
		"comment above stays": {
			head + "# of build\n[build]\nreadme='r'\n\n# lost\n\n# of config\n# more\n[config]\n",
			head + "# of build\n\n# of config\n# more\n[config]\n",
		},
		"comment below, no blank": {head + "[build]\nreadme='r' # c\n  # of config\n[config]\n", head + "  # of config\n[config]\n"},
		"looks like a comment": {
			head + "[build]\nreadme='''\n#r'''\n[config]\n", head + "[config]\n",
		},
		"looks like build": {
			head + "[config]\na='''\n[build]\nreadme=1\n'''\nbuild.x=1\n[config.build.y]\nx=[\n[1]]\n[[config.builds]]\n",
			head + "[config]\na='''\n[build]\nreadme=1\n'''\nbuild.x=1\n[config.build.y]\nx=[\n[1]]\n[[config.builds]]\n",
		},
		"unknown below build": {head + "[build.extra.deep]\nx=1\n[config]\n", head + "[config]\n"},
		"under an empty key":  {head + "[\"\"]\nbuild=1\n", head + "[\"\"]\nbuild=1\n"},
		"byte order mark":     {"\ufeff[build]\n" + head, "\ufeff" + head},
		"author's forms":      {head + "[config]\na=0x_0\nb=1_000.50\nc=1979-05-27 07:32:00Z\n\n\n'k'   =  \"\\u0041\"\t\n", ""},
	}
	tests["author's forms"] = struct{ text, want string }{
		head + "[config]\na=0x0F\nb=1_000.50\nc=1979-05-27 07:32:00Z\n\n\n'k'   =  \"\\u0041\"\t\n[build]",
		head + "[config]\na=0x0F\nb=1_000.50\nc=1979-05-27 07:32:00Z\n\n\n'k'   =  \"\\u0041\"\t\n",
	}
	for name, tt := range tests {
		if diff := cmp.Diff(tt.want, shipped(t, tt.text)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestShippedSetsEntry(t *testing.T) {
	const rest = "version = '1.0.0'\nkind = 'output'\ntype = 'native'\n"
	tests := map[string]struct{ text, want string }{
		"same":                    {"[plugin]\nname='a'\nentry = 'n\u0065w.so'#c\n" + rest, "[plugin]\nname='a'\nentry = 'new.so'#c\n" + rest},
		"same by escape":          {"[plugin]\nname='a'\nentry = \"n\\u0065w.so\"\n" + rest, "[plugin]\nname='a'\nentry = \"n\\u0065w.so\"\n" + rest},
		"basic":                   {"[plugin]\nname='a'\nentry = \"a\\u0062.so\"#c\n" + rest, "[plugin]\nname='a'\nentry = \"new.so\"#c\n" + rest},
		"literal":                 {"[plugin]\nname='a'\nentry\t=\t'old.so'\t\n" + rest, "[plugin]\nname='a'\nentry\t=\t\"new.so\"\t\n" + rest},
		"multi-line":              {"[plugin]\nname='a'\nentry = \"\"\"\\\n  old.so\"\"\" # c\n" + rest, "[plugin]\nname='a'\nentry = \"new.so\" # c\n" + rest},
		"literal lines":           {"[plugin]\nname='a'\nentry = '''\nold.so'''\n" + rest, "[plugin]\nname='a'\nentry = \"new.so\"\n" + rest},
		"quoted key":              {"[plugin]\nname='a'\n'entry' = 'old'\n" + rest, "[plugin]\nname='a'\n'entry' = \"new.so\"\n" + rest},
		"no newline":              {"[plugin]\nname='a'\n" + rest + "entry='old'", "[plugin]\nname='a'\n" + rest + "entry=\"new.so\""},
		"inline":                  {"plugin={entry='old', name='a',version='1.0.0',kind='output',type='native'}", "plugin={entry=\"new.so\", name='a',version='1.0.0',kind='output',type='native'}"},
		"dotted":                  {"plugin.name='a'\nplugin . entry='old'\n" + dotPlugin(rest), "plugin.name='a'\nplugin . entry=\"new.so\"\n" + dotPlugin(rest)},
		"missing":                 {"[build]\n[plugin]\nname='a' # c\n" + rest, "[plugin]\nname='a' # c\nentry = \"new.so\"\n" + rest},
		"missing, indent":         {"[build]\n[plugin]\n\t name='a'\n" + rest, "[plugin]\n\t name='a'\n\t entry = \"new.so\"\n" + rest},
		"missing, CRLF":           {crlf("[build]\n[plugin]\nname='a'\n" + rest), crlf("[plugin]\nname='a'\nentry = \"new.so\"\n" + rest)},
		"missing, at end":         {"[build]\n[plugin]\n" + rest + "name='a'", "[plugin]\n" + rest + "name='a'\nentry = \"new.so\""},
		"missing, before [build]": {"[plugin]\n" + rest + "name='a'\n[build]\nreadme='r'", "[plugin]\n" + rest + "name='a'\nentry = \"new.so\"\n"},
		"missing, lines":          {"[build]\n[plugin]\nname=\"\"\"\na\"\"\" # c\n" + rest, "[plugin]\nname=\"\"\"\na\"\"\" # c\nentry = \"new.so\"\n" + rest},
		"missing, inline":         {"build={}\nplugin={version='1.0.0',kind='output',type='native',name='a'}\n", "plugin={version='1.0.0',kind='output',type='native',name='a', entry = \"new.so\"}\n"},
		"missing, inline lines":   {"build={}\nplugin={\n name='a',\n version='1.0.0',\n kind='output',\n type='native',\n}\n", "plugin={\n name='a', entry = \"new.so\",\n version='1.0.0',\n kind='output',\n type='native',\n}\n"},
		"missing, dotted":         {"build.readme='r'\n 'plugin' .name='a'\n" + dotPlugin(rest), " 'plugin' .name='a'\n 'plugin' .entry = \"new.so\"\n" + dotPlugin(rest)},
	}
	for name, tt := range tests {
		if diff := cmp.Diff(tt.want, shipped(t, tt.text)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// dotPlugin turns lines of [plugin] into dotted keys.
func dotPlugin(lines string) string {
	return "plugin." + strings.ReplaceAll(strings.TrimSuffix(lines, "\n"), "\n", "\nplugin.") + "\n"
}

func crlf(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }

func shipped(t *testing.T, text string) string {
	t.Helper()
	m, _, err := Parse("plugin.toml", []byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	out, err := m.Shipped("new.so")
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if string(m.Text()) != text {
		t.Error("the manifest's own text has changed")
	}
	return string(out)
}

func TestShippedRefusesEntry(t *testing.T) {
	m := parse(t, full)
	for _, entry := range []string{"", "a/b", "con", "a\"b", "..", "a\nb"} {
		out, err := m.Shipped(entry)
		var typed *Error
		if out != nil || !errors.As(err, &typed) || typed.Field != "entry" {
			t.Errorf("%q: %v, %v", entry, out, err)
		}
	}
}

func TestShippedStaysWithinTheLimit(t *testing.T) {
	m := parse(t, engineOnly+"#"+strings.Repeat("x", MaxSize-len(engineOnly)-1))
	if _, err := m.Shipped("longer" + m.Plugin.Entry); err == nil || !strings.Contains(err.Error(), "expected at most 65536 bytes") {
		t.Errorf("error %v", err)
	}
	if _, err := new(Manifest).Shipped("a.so"); err == nil {
		t.Error("a manifest without a text was shipped")
	}
}

// TestShippedProperty: what is shipped parses to the same manifest with the entry set and without [build], keeps every
// line that is not of [build], and shipping it again changes nothing.
func TestShippedProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := drawManifest(t)
		entry := rapid.StringMatching(`[a-z][a-z0-9_]{0,8}\.(so|dll|dylib)`).Filter(func(s string) bool { return CheckEntry(s) == nil }).Draw(t, "entry")
		checkShipped(t, text, entry)
	})
}

type fataler interface {
	Fatalf(format string, args ...any)
}

func checkShipped(t fataler, text, entry string) {
	before, _, err := Parse("before", []byte(text))
	if err != nil {
		t.Fatalf("not valid: %v\n%s", err, text)
	}
	once, err := before.Shipped(entry)
	if err != nil {
		t.Fatalf("ship: %v\n%s", err, text)
	}
	after, err := ParseShipped("after", once)
	if err != nil {
		t.Fatalf("shipped is not valid: %v\n%s", err, once)
	}
	want := *before
	want.Plugin.Entry, want.Build = entry, Build{}
	if diff := cmp.Diff(&want, after, sameFields, sameJSON); diff != "" {
		t.Fatalf("shipped differs: %s\n%s", diff, once)
	}
	twice, err := after.Shipped(entry)
	if err != nil || string(twice) != string(once) {
		t.Fatalf("shipped again: %v\n%s", err, cmp.Diff(string(once), string(twice)))
	}
}

// sameJSON compares configurations by the JSON they make: nan is not equal to itself.
var sameJSON = cmp.FilterPath(
	func(p cmp.Path) bool { return p.String() == "Config" },
	cmp.Comparer(func(a, b map[string]any) bool {
		return string((&Manifest{Config: a}).ConfigJSON()) == string((&Manifest{Config: b}).ConfigJSON())
	}),
)

// drawManifest writes a valid manifest in one of TOML's many forms.
func drawManifest(t *rapid.T) string {
	tables := rapid.Permutation([]string{
		rapid.SampledFrom([]string{"[plugin]\n", " [ plugin ] # c\n", "['plugin']\n# c\n\n"}).Draw(t, "plugin") + drawLines(t, pluginLines(t)),
		rapid.SampledFrom([]string{"", "[build]\n", "# above\n[build]\nreadme = '''\n[x]'''\n# inside\n", "[\"build\"]#c\ninclude=['a', # ]\n 'b'\n]\n"}).Draw(t, "build"),
		rapid.SampledFrom([]string{"", "[build.targets]\n", "\n# t\n[ build . 'targets' ]\n'linux/amd64' = \"t/x.so\"\n\n# tail\n\n"}).Draw(t, "targets"),
		rapid.SampledFrom([]string{"", "[config]\n", "# of config\n[config]\nbuild = {x=1}\n[config.builds]\na=nan\nd=1979-05-27\n", "[config]\nx='''\n[build]\n'''\n"}).Draw(t, "config"),
		rapid.SampledFrom([]string{"", "[requires]\nabi='^1'\n", "[requires.plugins]\nother = '>=1, <3' # c\n"}).Draw(t, "requires"),
		rapid.SampledFrom([]string{"", "[extra]\nbuild=1\n", "[[lists]]\n[[lists]]\nbuild.x=1\n"}).Draw(t, "extra"),
	}).Draw(t, "tables")
	text := rapid.SampledFrom([]string{"", "# file\n\n", "top = 1 # c\n"}).Draw(t, "top") + strings.Join(tables, rapid.SampledFrom([]string{"", "\n", "# between\n"}).Draw(t, "glue"))
	if rapid.Bool().Draw(t, "crlf") {
		text = crlf(text)
	}
	if rapid.Bool().Draw(t, "bom") {
		text = "\ufeff" + text
	}
	return text
}

func pluginLines(t *rapid.T) []string {
	entry := rapid.SampledFrom([]string{"entry = 'old.so'", "entry=\"\"\"\nold.so\"\"\"", "'entry' = \"o\\u006Cd.so\" # c"}).Draw(t, "entry form")
	name := rapid.StringMatching(`[a-z]{1,8}(-[0-9]{1,3})?`).Filter(func(s string) bool { return CheckName(s) == nil && s != "other" }).Draw(t, "name")
	return rapid.Permutation([]string{
		fmt.Sprintf("name = %q", name), "version = \"\"\"1.0.0\"\"\"", "kind = 'protocol'", "type = \"native\"", entry,
		rapid.SampledFrom([]string{"", "description = '''\nmany\nlines'''", "description = \"[build]\""}).Draw(t, "description"),
		rapid.SampledFrom([]string{"", "schemes = [\n  'a', # c\n]", "unknown.key = 1"}).Draw(t, "more"),
	}).Draw(t, "lines")
}

func drawLines(t *rapid.T, lines []string) string {
	indent := rapid.SampledFrom([]string{"", "  ", "\t"}).Draw(t, "indent")
	return indent + strings.Join(lines, "\n"+indent) + "\n"
}
