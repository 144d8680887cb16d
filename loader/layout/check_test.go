package layout

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loadr-plugins/loadr/manifest"
)

// interfaceText is the layout of loadr's interface 1.0.
func interfaceText(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile("../abistable/interface-1.0.txt")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func parse(t testing.TB, text string) *Graph {
	t.Helper()
	g, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// edit replaces text that occurs exactly once.
func edit(t testing.TB, text, from, to string) string {
	t.Helper()
	if n := strings.Count(text, from); n != 1 {
		t.Fatalf("%q occurs %d times", from, n)
	}
	return strings.Replace(text, from, to, 1)
}

// more are types that the interface does not have, from number 84.
const more = `type 84 RStr
  package 0.11 abi_stable
  layout size=16 align=8 nonzero=no repr=c lifetimes=1
  struct
    field 15 - length
type 85 i32
  package 1 std
  layout size=4 align=4 nonzero=no repr=primitive lifetimes=0
  primitive i32
`

// TestCheckOfTheInterface edits what a library has, one rule at a time. Where it changes nothing that is compared, there
// are no problems.
func TestCheckOfTheInterface(t *testing.T) {
	const execute, protocolVTable = "    field 3 - execute\n", "prefix fields=0 conditional=0x0 accessible=0xf\n"
	const executeFunction = execute + "      unsafe-fn '_,'none\n        param 41 _self,param_0,\n        param 4 param_1\n        result 4\n"
	const executePath = "PluginMod.make_protocol() -> FfiProtocol_TO...execute"
	const service = "    field 5 - make_service\n      fn 'static,'none\n        result 8\n"
	for name, test := range map[string]struct {
		from, to string
		want     []manifest.Problem
	}{
		"the same":                            {"type 0 ", "type 0 ", nil},
		"a field after the last prefix field": {service, service + "    field 2 - added\n", nil},
		"a method appended":                   {executeFunction, strings.Replace(executeFunction, executeFunction, executeFunction+strings.Replace(executeFunction, "execute", "added", 1), 1), nil},
		"type parameters":                     {"  type-param 31\n  type-param 3\n", "", nil},
		"another trait":                       {"auto=0x3 other=0x0", "auto=0x3 other=0x10", nil},
		"a larger module":                     {"layout size=64 ", "layout size=72 ", nil},
		"fewer functions in a field":          {execute + "      unsafe-fn '_,'none\n        param 41 _self,param_0,\n        param 4 param_1\n        result 4\n", execute, nil},

		"name":            {"type 1 PluginMod\n", "type 1 Module\n", []manifest.Problem{{Path: "PluginMod", Rule: "type", Want: "PluginMod (size 64)", Got: "Module (size 64)"}}},
		"package":         {"  package 1 loadr-plugin-api\n  layout size=64 ", "  package 1 other-api\n  layout size=64 ", []manifest.Problem{{Path: "PluginMod", Rule: "package", Want: "loadr-plugin-api", Got: "other-api"}}},
		"version":         {"  package 1 loadr-plugin-api\n  layout size=64 ", "  package 2 loadr-plugin-api\n  layout size=64 ", []manifest.Problem{{Path: "PluginMod", Rule: "package-version", Want: "loadr-plugin-api 1", Got: "loadr-plugin-api 2"}}},
		"no version":      {"  package 1 loadr-plugin-api\n  layout size=64 ", "  package ? loadr-plugin-api\n  layout size=64 ", []manifest.Problem{{Path: "PluginMod", Rule: "package-version", Want: "loadr-plugin-api 1", Got: "loadr-plugin-api ?"}}},
		"nonzero":         {"layout size=64 align=8 nonzero=no", "layout size=64 align=8 nonzero=yes", []manifest.Problem{{Path: "PluginMod", Rule: "nonzero", Want: "false", Got: "true"}}},
		"repr":            {"layout size=64 align=8 nonzero=no repr=c ", "layout size=64 align=8 nonzero=no repr=c+u8 ", []manifest.Problem{{Path: "PluginMod", Rule: "repr", Want: "c", Got: "c+u8"}}},
		"lifetimes":       {"layout size=64 align=8 nonzero=no repr=c lifetimes=0", "layout size=64 align=8 nonzero=no repr=c lifetimes=2", []manifest.Problem{{Path: "PluginMod", Rule: "generics", Want: "0 lifetime and 0 const parameters", Got: "2 lifetime and 0 const parameters"}}},
		"smaller":         {"layout size=64 ", "layout size=48 ", []manifest.Problem{{Path: "PluginMod", Rule: "size", Want: "64 bytes", Got: "48 bytes"}}},
		"larger":          {"type 4 RString\n  package 0.11 abi_stable\n  layout size=32", "type 4 RString\n  package 0.11 abi_stable\n  layout size=40", []manifest.Problem{{Path: "PluginMod.info() -> RString", Rule: "size", Want: "32 bytes", Got: "40 bytes"}}},
		"alignment":       {"layout size=64 align=8", "layout size=64 align=16", []manifest.Problem{{Path: "PluginMod", Rule: "alignment", Want: "8 bytes", Got: "16 bytes"}}},
		"tag":             {"  prefix fields=5 ", "  tag\n  prefix fields=5 ", []manifest.Problem{{Path: "PluginMod", Rule: "tag", Want: "no tag", Got: "a tag, which cannot be compared"}}},
		"extra check":     {"  prefix fields=5 ", "  extra-check\n  prefix fields=5 ", []manifest.Problem{{Path: "PluginMod", Rule: "extra-check", Want: "no check but abi_stable's own", Got: "an unknown check"}}},
		"no check":        {"  required-traits auto=0x3 other=0x0\n", "", []manifest.Problem{{Path: "PluginMod.make_protocol() -> FfiProtocol_TO.obj", Rule: "extra-check", Want: "a check of required traits", Got: "none"}}},
		"not Sync":        {"auto=0x3", "auto=0x1", []manifest.Problem{{Path: "PluginMod.make_protocol() -> FfiProtocol_TO.obj", Rule: "auto-traits", Want: "Send, Sync", Got: "Send"}}},
		"more than Sync":  {"auto=0x3", "auto=0x17", []manifest.Problem{{Path: "PluginMod.make_protocol() -> FfiProtocol_TO.obj", Rule: "auto-traits", Want: "Send, Sync", Got: "Send, Sync, Unpin, bit 4"}}},
		"primitive":       {"type 2 u32\n  package 1 std\n  layout size=4 align=4 nonzero=no repr=primitive lifetimes=0\n  primitive u32", "type 2 u32\n  package 1 std\n  layout size=4 align=4 nonzero=no repr=primitive lifetimes=0\n  primitive i32", []manifest.Problem{{Path: "PluginMod.abi_version", Rule: "primitive", Want: "u32", Got: "i32"}}},
		"kind":            {"type 2 u32\n  package 1 std\n  layout size=4 align=4 nonzero=no repr=primitive lifetimes=0\n  primitive u32", "type 2 u32\n  package 1 std\n  layout size=4 align=4 nonzero=no repr=primitive lifetimes=0\n  opaque", []manifest.Problem{{Path: "PluginMod.abi_version", Rule: "kind", Want: "primitive", Got: "opaque"}}},
		"const":           {"const usize 16", "const usize 24", []manifest.Problem{{Path: "PluginMod.info() -> RString...type_id() -> UTypeId.type_id_array", Rule: "const-parameter", Want: "16usize", Got: "24usize"}}},
		"type of const":   {"const usize 16", "const u64 16", []manifest.Problem{{Path: "PluginMod.info() -> RString...type_id() -> UTypeId.type_id_array", Rule: "const-parameter", Want: "16usize", Got: "16u64"}}},
		"field type":      {"    field 2 - abi_version", "    field 85 - abi_version", []manifest.Problem{{Path: "PluginMod.abi_version", Rule: "type", Want: "u32 (size 4)", Got: "i32 (size 4)"}}},
		"field renamed":   {"    field 3 - info", "    field 3 - about", []manifest.Problem{{Path: "PluginMod.info", Rule: "field-name", Want: "info: fn() -> RString", Got: "about: fn() -> RString"}}},
		"field lifetimes": {"    field 5 - make_output", "    field 5 'static,'none make_output", []manifest.Problem{{Path: "PluginMod.make_output", Rule: "field-lifetimes", Want: "-", Got: "'static,'none"}}},
		"prefix fields":   {"prefix fields=5 ", "prefix fields=6 ", []manifest.Problem{{Path: "PluginMod", Rule: "prefix-fields", Want: "5 prefix fields", Got: "6 prefix fields"}}},
		"conditional":     {"prefix fields=5 conditional=0x0", "prefix fields=5 conditional=0x1", []manifest.Problem{{Path: "PluginMod", Rule: "conditional-fields", Want: "0x0", Got: "0x1"}}},
		"method renamed":  {execute, "    field 3 - exec\n", []manifest.Problem{{Path: executePath, Rule: "field-name", Want: "execute: unsafe fn(RRef, RString) -> RString", Got: "exec: unsafe fn(RRef, RString) -> RString"}}},
		"parameter type":  {executeFunction, strings.Replace(executeFunction, "param 4 param_1", "param 84 param_1", 1), []manifest.Problem{{Path: executePath + "(param_1)", Rule: "type", Want: "RString (size 32)", Got: "RStr (size 16)"}}},
		"receiver":        {executeFunction, strings.Replace(executeFunction, "param 41", "param 36", 1), []manifest.Problem{{Path: executePath + "(_self)", Rule: "type", Want: "RRef (size 8)", Got: "RMut (size 8)"}}},
		"parameter name":  {executeFunction, strings.Replace(executeFunction, "param_1", "request", 1), []manifest.Problem{{Path: executePath + "(param_1)", Rule: "parameter-name", Want: "param_1: RString", Got: "request: RString"}}},
		"parameter removed": {executeFunction, strings.Replace(executeFunction, "        param 4 param_1\n", "", 1), []manifest.Problem{
			{Path: executePath, Rule: "parameter-count", Want: "2 parameters", Got: "1 parameter"},
			{Path: executePath + "(param_1)", Rule: "parameter-name", Want: "param_1: RString", Got: "the result, RString"}}},
		"parameter added": {executeFunction, strings.Replace(executeFunction, "        result", "        param 2 param_2\n        result", 1), []manifest.Problem{
			{Path: executePath + "() -> RString", Rule: "parameter-name", Want: "the result, RString", Got: "param_2: u32"}}},
		"result":             {executeFunction, strings.Replace(executeFunction, "result 4", "result 37", 1), []manifest.Problem{{Path: executePath + "() -> RString", Rule: "type", Want: "RString (size 32)", Got: "() (size 0)"}}},
		"not unsafe":         {executeFunction, strings.Replace(executeFunction, "unsafe-fn", "fn", 1), []manifest.Problem{{Path: executePath, Rule: "function-qualifiers", Want: "unsafe fn", Got: "fn"}}},
		"function lifetimes": {executeFunction, strings.Replace(executeFunction, "'_,'none", "'_,'_", 1), []manifest.Problem{{Path: executePath, Rule: "function-lifetimes", Want: "'_,'none", Got: "'_,'_"}}},
		"a variant's name":   {"    variant 1 RNone\n", "    variant 1 RNothing\n", []manifest.Problem{{Path: "PluginMod.make_output", Rule: "variant-name", Want: "RNone", Got: "RNothing"}}},
		"discriminant":       {"    variant 1 RNone\n", "    variant 2 RNone\n", []manifest.Problem{{Path: "PluginMod.make_output", Rule: "discriminant", Want: "RNone = 1", Got: "RNone = 2"}}},
		"discriminant type":  {"enum discriminants=isize", "enum discriminants=u8", []manifest.Problem{{Path: "PluginMod.info() -> RString...grow_capacity_to(param_2)", Rule: "discriminant-type", Want: "isize", Got: "u8"}}},
		"a variant more":     {"    variant 1 RNone\n", "    variant 1 RNone\n    variant 2 RMore\n", []manifest.Problem{{Path: "PluginMod.make_output", Rule: "variant-count", Want: "2 variants", Got: "3 variants"}}},
		"a variant less":     {"    variant 1 RNone\n", "", []manifest.Problem{{Path: "PluginMod.make_output", Rule: "variant-count", Want: "2 variants", Got: "1 variant"}}},
		"a variant's fields": {"    variant 1 RNone\n", "    variant 1 RNone\n    field 2 - field_0\n", []manifest.Problem{
			{Path: "PluginMod.make_output", Rule: "variant-field-count", Want: "RNone with 0 fields", Got: "RNone with 1 field"},
			{Path: "PluginMod.make_output", Rule: "field-count", Want: "1 field", Got: "2 fields"}}},
		"exhaustiveness":            {"  enum discriminants=isize\n", "  enum discriminants=isize nonexhaustive size=4 align=4\n", []manifest.Problem{{Path: "PluginMod.info() -> RString...grow_capacity_to(param_2)", Rule: "exhaustiveness", Want: "exhaustive", Got: "nonexhaustive"}}},
		"phantom field":             {"  phantom 1 - 0\n", "  phantom 1 - 1\n", []manifest.Problem{{Path: "PluginMod", Rule: "field-name", Want: "0: PluginMod", Got: "1: PluginMod"}}},
		"no phantom field":          {"  phantom 1 - 0\n", "", []manifest.Problem{{Path: "PrefixRef", Rule: "field-count", Want: "1 phantom field", Got: "0 phantom fields"}}},
		"root":                      {"  phantom 1 - 0\n  struct\n", "  phantom 1 - 0\n  prefix fields=0 conditional=0x0 accessible=0x0\n", []manifest.Problem{{Path: "PrefixRef", Rule: "kind", Want: "a reference to a prefix type", Got: "prefix type PrefixRef"}}},
		"a struct's field more":     {"    field 9 - inner\n", "    field 9 - inner\n    field 2 - more\n", []manifest.Problem{{Path: "PluginMod.info() -> RString", Rule: "field-count", Want: "1 field", Got: "2 fields"}}},
		"a field made inaccessible": {protocolVTable, strings.Replace(protocolVTable, "0xf", "0x7", 1), nil},
		"an inaccessible field's size": {protocolVTable + "    field 39 - _sabi_tys\n", "prefix fields=0 conditional=0x0 accessible=0xe\n    field 2 - _sabi_tys\n", []manifest.Problem{
			{Path: "PluginMod.make_protocol() -> FfiProtocol_TO..._sabi_tys", Rule: "size", Want: "0 bytes", Got: "4 bytes"},
			{Path: "PluginMod.make_protocol() -> FfiProtocol_TO..._sabi_tys", Rule: "alignment", Want: "1 byte", Got: "4 bytes"}}},
	} {
		t.Run(name, func(t *testing.T) {
			text := interfaceText(t)
			got := Check(parse(t, text), parse(t, edit(t, text+more, test.from, test.to)))
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

// TestCheckOfFewerFields takes the last field, and with it its bit of the accessible ones.
func TestCheckOfFewerFields(t *testing.T) {
	text := interfaceText(t)
	less := edit(t, text, "    field 5 - make_service\n      fn 'static,'none\n        result 8\n", "")
	less = edit(t, less, "prefix fields=5 conditional=0x0 accessible=0x1f", "prefix fields=5 conditional=0x0 accessible=0xf")
	want := []manifest.Problem{{Path: "PluginMod", Rule: "field-count", Want: "5 fields", Got: "4 fields"}}
	if diff := cmp.Diff(want, Check(parse(t, text), parse(t, less))); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}
