package manifest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const full = `[plugin]
name = "echo-proto"            # a comment
version = "0.1.0"
kind = "protocol"
type = "native"
entry = "libnative_protocol.so"# tight
description = "Echoes the request body reversed"
abi = "native"
schemes = ["echo", "echo+tls"]
license = "Apache-2.0"
authors = ["Ada <ada@example.com>"]
homepage = "https://example.com/echo"
repository = "http://example.com/echo.git"
keywords = ["echo", "test"]

[requires]
abi = "^1.0"

[requires.plugins]
auth-tokens = "^1.2"

[build]
readme = "./README.md"
include = ["LICENSE", "legal/NOTICE"]
[build.targets]
"x86_64-unknown-linux-gnu" = "../target/release/libnative_protocol.so"
"darwin/arm64"             = "dist/darwin-arm64/libnative_protocol.dylib"

[config]
reverse = true
`

// engineOnly is what loadr itself needs, and no more.
const engineOnly = `[plugin]
name = "redis"
version = "1.2.3"
kind = "protocol"
type = "native"
entry = "libredis.so"

[config]
port = 6379
`

func parse(t *testing.T, text string) *Manifest {
	t.Helper()
	m, warnings, err := Parse("plugin.toml", []byte(text))
	if err != nil {
		t.Fatalf("parse: %v\n%s", err, text)
	}
	if len(warnings) > 0 {
		t.Fatalf("unexpected warnings: %v", warnings)
	}
	return m
}

var sameFields = cmpopts.IgnoreUnexported(Manifest{})

func TestParseEveryField(t *testing.T) {
	want := &Manifest{
		Plugin: Plugin{
			Name: "echo-proto", Version: "0.1.0", Kind: Protocol, Type: Native, Entry: "libnative_protocol.so",
			Description: "Echoes the request body reversed", ABI: FamilyNative, Schemes: []string{"echo", "echo+tls"},
			License: "Apache-2.0", Authors: []string{"Ada <ada@example.com>"}, Homepage: "https://example.com/echo",
			Repository: "http://example.com/echo.git", Keywords: []string{"echo", "test"},
		},
		Requires: Requires{ABI: "^1.0", Plugins: map[string]string{"auth-tokens": "^1.2"}},
		Build: Build{
			Readme: "README.md", Include: []string{"LICENSE", "legal/NOTICE"},
			Targets: map[Target]string{
				"x86_64-unknown-linux-gnu": "../target/release/libnative_protocol.so",
				"aarch64-apple-darwin":     "dist/darwin-arm64/libnative_protocol.dylib",
			},
		},
		Config: map[string]any{"reverse": true},
	}
	if diff := cmp.Diff(want, parse(t, full), sameFields); diff != "" {
		t.Error(diff)
	}
}

func TestParseEngineOnly(t *testing.T) {
	want := &Manifest{
		Plugin: Plugin{Name: "redis", Version: "1.2.3", Kind: Protocol, Type: Native, Entry: "libredis.so"},
		Config: map[string]any{"port": int64(6379)},
	}
	if diff := cmp.Diff(want, parse(t, engineOnly), sameFields); diff != "" {
		t.Error(diff)
	}
}

func TestParseSpellings(t *testing.T) {
	forms := map[string]string{
		"inline":           `plugin = { name = "a", version = "1.0.0", kind = "protocol", type = "native", entry = "a.so" }`,
		"dotted":           "plugin.name = 'a'\n'plugin' . version = \"1.0.0\"\nplugin.kind = \"\"\"\nprotocol\"\"\"\nplugin.type = \"native\"\nplugin.entry = '''a.so'''",
		"CRLF":             strings.ReplaceAll("[plugin]\nname = \"a\"\nversion = \"1.0.0\"\nkind = \"protocol\"\ntype = \"native\"\nentry = \"a.so\"\n", "\n", "\r\n"),
		"byte order mark":  "\ufeff[plugin]\nname = \"a\"\nversion = \"1.0.0\"\nkind = \"protocol\"\ntype = \"native\"\nentry = \"a.so\"",
		"escapes":          "[plugin]\nname = \"\\u0061\"\nversion = \"1.0.0\"\nkind = \"protocol\"\ntype = \"native\"\nentry = \"a\\u002Eso\"",
		"quoted header":    "[\"plugin\"]\nname = \"a\"\nversion = \"1.0.0\"\nkind = \"protocol\"\ntype = \"native\"\nentry = \"a.so\"",
		"empty extra keys": "[plugin]\nname = \"a\"\nversion = \"1.0.0\"\nkind = \"protocol\"\ntype = \"native\"\nentry = \"a.so\"\ndescription = ''\nlicense = ''\nhomepage = ''\nschemes = []",
	}
	want := Plugin{Name: "a", Version: "1.0.0", Kind: Protocol, Type: Native, Entry: "a.so"}
	for name, text := range forms {
		if diff := cmp.Diff(want, parse(t, text).Plugin); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestParseRefuses has a case for each rule. Each changes one thing in a valid manifest, by replacing or adding lines.
func TestParseRefuses(t *testing.T) {
	tests := []struct{ old, new, want string }{
		{`name = "echo-proto"            # a comment`, ``, `1:2: plugin.name: expected lower-case letters, digits and single hyphens between them, found nothing`},
		{`"echo-proto"`, `3`, `2:8: plugin.name: expected a string, found the integer 3`},
		{`"echo-proto"`, `1.5`, `2:8: plugin.name: expected a string, found the number 1.5`},
		{`"echo-proto"`, `true`, `2:8: plugin.name: expected a string, found the boolean true`},
		{`"echo-proto"`, `1979-05-27`, `2:8: plugin.name: expected a string, found a date or time`},
		{`"echo-proto"`, `{ a = 1 }`, `2:8: plugin.name: expected a string, found a table`},
		{`"echo-proto"`, `["a"]`, `2:8: plugin.name: expected a string, found an array of 1`},
		{`"echo-proto"`, `"../evil"`, `2:8: plugin.name: expected lower-case letters, digits and single hyphens between them, found "../evil"`},
		{`"echo-proto"`, `"nul"`, `2:8: plugin.name: expected a name that is not a Windows device, found "nul"`},
		{`"echo-proto"`, `"a\u001b[31m"`, `2:8: plugin.name: expected lower-case letters, digits and single hyphens between them, found "a\x1b[31m"`},
		{`"echo-proto"`, `"` + strings.Repeat("a", 65) + `"`, `2:8: plugin.name: expected at most 64 characters, found "` + strings.Repeat("a", 65) + `"`},
		{`"0.1.0"`, `"0.1"`, `3:11: plugin.version: expected a semantic version, MAJOR.MINOR.PATCH, found "0.1"`},
		{`"0.1.0"`, `"v0.1.0"`, `3:11: plugin.version: expected a semantic version, MAJOR.MINOR.PATCH, found "v0.1.0"`},
		{`"0.1.0"`, `"0.1.0-` + strings.Repeat("a", 130) + `"`, `3:11: plugin.version: expected at most 128 characters, found "0.1.0-` + strings.Repeat("a", 74) + `"... (136 bytes)`},
		{`"protocol"`, `"extractor"`, `4:8: plugin.kind: expected protocol, output, service for type "native", found "extractor"`},
		{`"protocol"`, `"proto"`, `4:8: plugin.kind: expected protocol, output, service, extractor, assertion, found "proto"`},
		{`"native"` + "\nentry", `"wasm"` + "\nentry", `4:8: plugin.kind: expected extractor, assertion for type "wasm", found "protocol"`},
		{`"native"` + "\nentry", `"dll"` + "\nentry", `5:8: plugin.type: expected native, wasm, found "dll"`},
		{`"libnative_protocol.so"#`, `"lib/x.so"#`, `6:9: plugin.entry: expected a file name without directories, found "lib/x.so"`},
		{`"libnative_protocol.so"#`, `"/x.so"#`, `6:9: plugin.entry: expected a file name without directories, found "/x.so"`},
		{`"libnative_protocol.so"#`, `""#`, `6:9: plugin.entry: expected a file name of 1 to 255 bytes, found ""`},
		{`"libnative_protocol.so"#`, `"CON.so"#`, `6:9: plugin.entry: expected a file name that is not a Windows device, found "CON.so"`},
		{`"Echoes the request body reversed"`, `"a\u001b[2J"`, `7:15: plugin.description: expected text without control characters, found "a\x1b[2J"`},
		{`"Echoes the request body reversed"`, `"a\u202Eb"`, `7:15: plugin.description: expected text without control characters, found "a\u202eb"`},
		{`"Echoes the request body reversed"`, `"` + strings.Repeat("é", 2049) + `"`, `7:15: plugin.description: expected at most 4096 bytes, found "` + strings.Repeat("é", 40) + `"... (4098 bytes)`},
		{`abi = "native"`, `abi = "component"`, `8:7: plugin.abi: expected native, c, found "component"`},
		{`"echo+tls"`, `"echo://"`, `9:20: plugin.schemes[1]: expected a URL scheme without ://, in lower case, found "echo://"`},
		{`"echo+tls"`, `5`, `9:20: plugin.schemes[1]: expected a string, found the integer 5`},
		{`["echo", "echo+tls"]`, `"echo"`, `9:11: plugin.schemes: expected an array of at most 64 strings, found "echo"`},
		{`["echo", "test"]`, `[` + strings.Repeat(`"a",`, 65) + `]`, `14:12: plugin.keywords: expected an array of at most 64 strings, found an array of 65`},
		{`"Ada <ada@example.com>"`, `"Ada\nEve"`, `11:12: plugin.authors[0]: expected text without control characters, found "Ada\nEve"`},
		{`"Ada <ada@example.com>"`, `"` + strings.Repeat("a", 1025) + `"`, `11:12: plugin.authors[0]: expected at most 1024 bytes, found "` + strings.Repeat("a", 80) + `"... (1025 bytes)`},
		{`"https://example.com/echo"`, `"javascript:alert(1)"`, `12:12: plugin.homepage: expected a web address, https://..., found "javascript:alert(1)"`},
		{`"http://example.com/echo.git"`, `"https://"`, `13:14: plugin.repository: expected a web address, https://..., found "https://"`},
		{`"http://example.com/echo.git"`, `"https://a/\u202E"`, `13:14: plugin.repository: expected a web address, https://..., found "https://a/\u202e"`},
		{`abi = "^1.0"`, `abi = "` + strings.Repeat("1 || ", 300) + `1"`, `17:7: requires.abi: expected a range of semantic versions, such as "^1.2", found "` + strings.Repeat("1 || ", 16) + `"... (1501 bytes)`},
		{`abi = "^1.0"`, `abi = "one"`, `17:7: requires.abi: expected a range of semantic versions, such as "^1.2", found "one"`},
		{`auth-tokens = "^1.2"`, `auth-tokens = 1`, `20:15: requires.plugins.auth-tokens: expected a string, found the integer 1`},
		{`auth-tokens = "^1.2"`, `"Auth/x" = "1"`, `20:12: requires.plugins."Auth/x": expected lower-case letters, digits and single hyphens between them, found key "Auth/x"`},
		{`auth-tokens = "^1.2"`, `echo-proto = "1"`, `20:14: requires.plugins.echo-proto: expected other plugins, found the plugin itself`},
		{"[requires.plugins]\nauth-tokens = \"^1.2\"", "plugins = 1", `19:11: requires.plugins: expected a table, found the integer 1`},
		{`"./README.md"`, `"/etc/passwd"`, `23:10: build.readme: expected a path relative to plugin.toml, found "/etc/passwd"`},
		{`"./README.md"`, `"../../.ssh/id_rsa"`, `23:10: build.readme: expected a path inside the plugin's folder, without .., found "../../.ssh/id_rsa"`},
		{`"LICENSE"`, `"C:\\LICENSE"`, `24:12: build.include[0]: expected a path with forward slashes and without : or control characters, found "C:\\LICENSE"`},
		{`"LICENSE"`, `"a/.."`, `24:12: build.include[0]: expected a path that ends in a file name, found "a/.."`},
		{`"LICENSE"`, `"a/../../b"`, `24:12: build.include[0]: expected a path inside the plugin's folder, without .., found "a/../../b"`},
		{`"legal/NOTICE"`, `"legal/License"`, `24:23: build.include[1]: expected files with different names, which differ in more than case, found "legal/License"`},
		{`"LICENSE"`, `"dir/"`, `24:12: build.include[0]: expected a path that ends in a file name, found "dir/"`},
		{`"LICENSE"`, `"docs/readme.md"`, `24:12: build.include[0]: expected files with different names, which differ in more than case, found "docs/readme.md"`},
		{`"../target/release/libnative_protocol.so"`, `"/target/x.so"`, `26:30: build.targets.x86_64-unknown-linux-gnu: expected a path relative to plugin.toml, found "/target/x.so"`},
		{`"../target/release/libnative_protocol.so"`, `""`, `26:30: build.targets.x86_64-unknown-linux-gnu: expected a path with forward slashes and without : or control characters, found ""`},
		{`"darwin/arm64"             =`, `"linux/amd64" =`, `26:30: build.targets.x86_64-unknown-linux-gnu: expected one library for x86_64-unknown-linux-gnu, found key "x86_64-unknown-linux-gnu"`},
		{`"darwin/arm64"             =`, `"wasm32-wasip2" =`, `27:19: build.targets.wasm32-wasip2: expected a machine's target for type "native", found wasm32-wasip2`},
		{"[config]\nreverse = true", "[[config]]\nreverse = true", `29:3: config: expected a table, found an array of 1`},
		{"[build]\n", "[[build]]\n", `22:3: build: expected a table, found an array of 1`},
		{"[plugin]", "[[plugin]]", `1:3: plugin: expected a table [plugin], found an array of 1`},
	}
	for _, tt := range tests {
		text := strings.Replace(full, tt.old, tt.new, 1)
		if text == full {
			t.Fatalf("%q is not in the manifest", tt.old)
		}
		m, _, err := Parse("plugin.toml", []byte(text))
		if m != nil {
			t.Errorf("%s: a manifest came with the error", tt.new)
		}
		var errs Errors
		if !errors.As(err, &errs) {
			t.Errorf("%s: error %v", tt.new, err)
		} else if got := errs[0].Error(); got != "plugin.toml:"+tt.want {
			t.Errorf("%s:\n got %s\nwant plugin.toml:%s", tt.new, got, tt.want)
		}
	}
}

// TestParseAgreement has the rules between fields that need more than one change.
func TestParseAgreement(t *testing.T) {
	head := func(kind, typ, rest string) string {
		return fmt.Sprintf("[plugin]\nname = 'a'\nversion = '1.0.0'\nkind = %q\ntype = %q\nentry = 'a.x'\n%s\n", kind, typ, rest)
	}
	tests := []struct{ text, want string }{
		{head("output", "native", "schemes = ['a']"), `7:11: plugin.schemes: expected none for kind "output": only protocols have schemes, found an array`},
		{head("output", "native", "abi = 'c'"), `7:7: plugin.abi: expected "native" for kinds other than protocol, found "c"`},
		{head("extractor", "wasm", "abi = 'c'"), `7:7: plugin.abi: expected none for type "wasm", found "c"`},
		{head("extractor", "wasm", "[build.targets]\n'linux/amd64' = 'a'"), `8:17: build.targets."linux/amd64": expected wasm32-wasip2 for type "wasm", found x86_64-unknown-linux-gnu`},
		{head("output", "native", "abi = 'native'"), ``},
		{head("protocol", "native", "abi = 'c'"), ``},
		{head("assertion", "wasm", "[build.targets]\nwasm32-wasip2 = 'a.wasm'"), ``},
	}
	for _, tt := range tests {
		_, _, err := Parse("f", []byte(tt.text))
		if tt.want == "" && err != nil {
			t.Errorf("refused: %v\n%s", err, tt.text)
		}
		if tt.want != "" && (err == nil || err.Error() != "f:"+tt.want) {
			t.Errorf("\n got %v\nwant f:%s", err, tt.want)
		}
	}
}

func TestParseRefusesText(t *testing.T) {
	deep := strings.Repeat("[", 100) + strings.Repeat("]", 100)
	tests := map[string]struct{ text, want string }{
		"empty":             {"", `f:1:1: plugin: expected a table [plugin], found nothing`},
		"not a table":       {"plugin = 1", `f:1:10: plugin: expected a table [plugin], found the integer 1`},
		"syntax":            {"[plugin]\nname 'a'", `f:2:6: not valid TOML: expected '=' after key`},
		"unclosed":          {"[plugin", `f:1:7: not valid TOML: expected ']' to close table name`},
		"NUL":               {"a = \x00", `f:1:5: not valid TOML: unexpected character U+0000 at start of value`},
		"not UTF-8":         {"a = \"é\xff\"", `f:1:7: not valid TOML: invalid UTF-8 character in basic string`},
		"defined twice":     {"[plugin]\nname = 'a'\nname = 'b'", `f:3:1: not valid TOML: key name is already defined`},
		"table twice":       {"[plugin]\n[plugin]\n", `f:2:2: not valid TOML: table plugin already exists`},
		"hostile key":       {"\"a\\u001b\\u202e'\" = 1\n\"a\\u001b\\u202e'\" = 1", `f:2:1: not valid TOML: key a\x1b\u202e' is already defined`},
		"lone return":       {"a = 1\rb = 2", `f:1:6: not valid TOML: expected newline but got U+000D`},
		"unknown kind":      {strings.Replace(engineOnly, "protocol", "x", 1), `f:4:8: plugin.kind: expected protocol, output, service, extractor, assertion, found "x"`},
		"huge number":       {"a = 99999999999999999999", `f:1:5: not valid TOML: decimal number is too large to fit in a 64-bit signed integer`},
		"deep array":        {"config.a = " + deep, `f:1:12: not valid TOML: nested more than 64 levels deep`},
		"deep inline table": {"a = " + strings.Repeat("{a=", 100) + "1" + strings.Repeat("}", 100), `f:1:195: not valid TOML: nested more than 64 levels deep`},
		"two deep":          {"a = " + deep + "\nb = {c = " + deep + "}", `f:1:5: not valid TOML: nested more than 64 levels deep`},
		"deep dotted key":   {"\na" + strings.Repeat(".a", 100) + " = 1", `f:2:129: not valid TOML: nested more than 64 levels deep`},
		"deep header":       {"[a" + strings.Repeat(".a", 100) + "]", `f:1:130: not valid TOML: nested more than 64 levels deep`},
		"deep mixture":      {"[a" + strings.Repeat(".a", 60) + "]\nb = [[[[1]]]]", `f:2:5: not valid TOML: nested more than 64 levels deep`},
		"brackets only":     {"a = " + strings.Repeat("[", MaxSize-4), `f:1:10005: not valid TOML: arrays and inline tables are nested more than the maximum of 10000 levels deep`},
		"10 MB":             {full + "#" + strings.Repeat("x", 10<<20), `f: size: expected at most 65536 bytes, found ` + fmt.Sprint(len(full)+1+10<<20) + ` bytes`},
	}
	for name, tt := range tests {
		m, _, err := Parse("f", []byte(tt.text))
		if m != nil || err == nil || err.Error() != tt.want {
			t.Errorf("%s:\n got %v\nwant %s", name, err, tt.want)
		}
	}
}

func TestParseAtTheLimits(t *testing.T) {
	atSize := engineOnly + "#" + strings.Repeat("x", MaxSize-len(engineOnly)-1)
	if m := parse(t, atSize); string(m.Text()) != atSize {
		t.Error("the text of a file of the largest size is not what was given")
	}
	parse(t, engineOnly+"a = "+strings.Repeat("[", 62)+strings.Repeat("]", 62))
	parse(t, strings.Replace(engineOnly, "redis\"", strings.Repeat("a", MaxName)+"\"", 1))
}

func TestParseFindsEverything(t *testing.T) {
	_, _, err := Parse("f", []byte("[build]\nreadme = 1\n[plugin]\nname = 'A'\nversion = '1'\nkind = 'x'\ntype = 'y'\nentry = '..'"))
	var errs Errors
	if !errors.As(err, &errs) {
		t.Fatal(err)
	}
	var fields []string
	for _, e := range errs {
		fields = append(fields, e.Field)
	}
	want := []string{"build.readme", "plugin.name", "plugin.version", "plugin.kind", "plugin.type", "plugin.entry"}
	if diff := cmp.Diff(want, fields); diff != "" {
		t.Error(diff)
	}
	var one *Error
	if !errors.As(err, &one) || one.Line != 2 {
		t.Errorf("errors.As gave %v", one)
	}
}

func TestParseBoundsErrorsAndWarnings(t *testing.T) {
	var text strings.Builder
	text.WriteString("[plugin]\n")
	for i := range 1000 {
		fmt.Fprintf(&text, "x%d = 1\n", i)
	}
	text.WriteString("[requires.plugins]\n")
	for i := range 1000 {
		fmt.Fprintf(&text, "X%d = 1\n", i)
	}
	_, warnings, err := Parse("f", []byte(text.String()))
	var errs Errors
	if !errors.As(err, &errs) || len(errs) != maxErrors || len(warnings) != maxErrors {
		t.Errorf("%d errors, %d warnings", len(errs), len(warnings))
	}
}

func TestEntryMayBeMissingOnlyWithBuild(t *testing.T) {
	without := strings.Replace(engineOnly, "entry = \"libredis.so\"\n", "", 1)
	_, _, err := Parse("f", []byte(without))
	if err == nil || err.Error() != "f:1:2: plugin.entry: expected a file name of 1 to 255 bytes, found nothing" {
		t.Errorf("without [build]: %v", err)
	}
	if m := parse(t, without+"[build.targets]\n'linux/amd64' = 'x.so'"); m.Plugin.Entry != "" {
		t.Errorf("entry %q", m.Plugin.Entry)
	}
}

func TestParseShipped(t *testing.T) {
	if _, err := ParseShipped("f", []byte(engineOnly)); err != nil {
		t.Error(err)
	}
	tests := map[string]string{
		full:                        "f:22:2: build: expected no [build]: it is never shipped, found a table",
		"build = {}\n" + engineOnly: "f:1:1: build: expected no [build]: it is never shipped, found a table",
		"x":                         "f:1:1: not valid TOML: expected '=' after key",
	}
	for text, want := range tests {
		if m, err := ParseShipped("f", []byte(text)); m != nil || err == nil || err.Error() != want {
			t.Errorf("\n got %v\nwant %s", err, want)
		}
	}
}

func TestWarnings(t *testing.T) {
	tests := []struct {
		text    string
		want    string
		nearest string
	}{
		{"desciption = 'x'", "6:1: plugin.desciption: unknown key; the nearest known one is plugin.description", "plugin.description"},
		{"Licence = 'x'", "6:1: plugin.Licence: unknown key; the nearest known one is plugin.license", "plugin.license"},
		{"readme = 1", "6:1: plugin.readme: unknown key; the nearest known one is build.readme", "build.readme"},
		{"DESCRIPTION = 1", "6:1: plugin.DESCRIPTION: unknown key; the nearest known one is plugin.description", "plugin.description"},
		{"targets = 1", "6:1: plugin.targets: unknown key; the nearest known one is build.targets", "build.targets"},
		{"[biuld]\nx = 1", "6:2: biuld: unknown key; the nearest known one is build", "build"},
		{"[Config]", "6:2: Config: unknown key; the nearest known one is config", "config"},
		{"[requires]\nplugin.a = '1'", "7:1: requires.plugin: unknown key; the nearest known one is requires.plugins", "requires.plugins"},
		{"[build]\nincludes = []", "7:1: build.includes: unknown key; the nearest known one is build.include", "build.include"},
		{"[plugin.quite-different]\nx = 1", "6:9: plugin.quite-different: unknown key; known are " + strings.Join(knownKeys["plugin"], ", "), ""},
		{"'a b' = 1", `6:1: plugin."a b": unknown key; the nearest known one is plugin.abi`, "plugin.abi"},
		{"license = 'MIT/Apache-2.0'", `6:1: plugin.license: "MIT/Apache-2.0" is not an SPDX expression, such as "MIT OR Apache-2.0"`, ""},
		{"license = '(MIT'", `6:1: plugin.license: "(MIT" is not an SPDX expression, such as "MIT OR Apache-2.0"`, ""},
		{"[config]\na.b = [1, {c = -inf}]", "7:12: config.a.b[1].c: JSON has no inf and nan: the plugin is handed null", ""},
	}
	for _, tt := range tests {
		text := "plugin.name = 'a'\nplugin.version = '1.0.0'\nplugin.kind = 'output'\nplugin.type = 'native'\nplugin.entry = 'a.so'\n" + tt.text
		if tt.text[0] != '[' {
			text = "[plugin]\nname = 'a'\nversion = '1.0.0'\nkind = 'output'\nentry = 'a.so'\n" + tt.text + "\ntype = 'native'"
		}
		_, warnings, err := Parse("f", []byte(text))
		if err != nil || len(warnings) != 1 {
			t.Errorf("%s: %v %v", tt.text, warnings, err)
			continue
		}
		if got := warnings[0].String(); got != "f:"+tt.want || warnings[0].Nearest != tt.nearest {
			t.Errorf("%s:\n got %s (%s)\nwant f:%s (%s)", tt.text, got, warnings[0].Nearest, tt.want, tt.nearest)
		}
	}
}

func TestNoWarningsForGoodLicenses(t *testing.T) {
	for _, s := range []string{"MIT", "MIT OR Apache-2.0", "(MIT AND BSD-3-Clause) OR GPL-2.0+", "GPL-2.0-only WITH Classpath-exception-2.0", "LicenseRef-Own"} {
		parse(t, strings.Replace(full, "Apache-2.0", s, 1))
	}
}

func TestHints(t *testing.T) {
	_, _, err := Parse("f", []byte(strings.NewReplacer("libnative_protocol.so\"#", "a/b\"#", "\"protocol\"", "\"assertion\"").Replace(full)))
	hints := strings.Split(err.(Errors).Hint(), "\n")
	want := []string{
		"native libraries provide protocols, outputs and services; WebAssembly components provide extractors and assertions",
		"paths of built libraries belong to [build.targets]",
	}
	if !slices.Equal(hints, want) {
		t.Errorf("hints %q", hints)
	}
}

func TestTextIsACopy(t *testing.T) {
	given := []byte(engineOnly)
	m, _, err := Parse("f", given)
	if err != nil {
		t.Fatal(err)
	}
	given[0] = 'X'
	m.Text()[0] = 'Y'
	if string(m.Text()) != engineOnly {
		t.Error("the manifest's text follows changes of its copies")
	}
}
