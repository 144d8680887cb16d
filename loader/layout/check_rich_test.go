package layout

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loadr-plugins/loadr/manifest"
)

// plain is rich without what no library may have.
func plain(t *testing.T) string {
	return edit(t, edit(t, rich, "  tag\n", ""), "  extra-check\n", "")
}

// TestCheckOfTypesThatGrow: a type that later versions may extend fits with more, not with less.
func TestCheckOfTypesThatGrow(t *testing.T) {
	const grows, last = "Root.many lifetimes(b)", "    variant 32767 High\n    field 3 - z\n"
	for name, test := range map[string]struct {
		from, to string
		want     []manifest.Problem
	}{
		"the same":                     {"type 0 ", "type 0 ", nil},
		"a variant more":               {last, last + "    variant 1 More\n    field 3 - more\n", nil},
		"less storage":                 {"layout size=64 align=16 ", "layout size=64 align=4 ", []manifest.Problem{{Path: grows, Rule: "alignment", Want: "16 bytes", Got: "4 bytes"}, {Path: grows, Rule: "storage", Want: "at least 24 bytes aligned to 8", Got: "64 bytes aligned to 4"}}},
		"more needed than there is":    {"size=24 align=8", "size=65 align=8", []manifest.Problem{{Path: grows, Rule: "storage", Want: "at least 65 bytes aligned to 8", Got: "64 bytes aligned to 16"}}},
		"other storage that suffices":  {"size=24 align=8", "size=32 align=16", nil},
		"a variant less":               {last, "", []manifest.Problem{{Path: grows, Rule: "variant-count", Want: "3 variants", Got: "2 variants"}, {Path: grows, Rule: "field-count", Want: "3 fields", Got: "2 fields"}}},
		"a field more in between":      {"    field 2 - y\n", "    field 2 - y\n    field 3 - z\n", []manifest.Problem{{Path: grows, Rule: "variant-field-count", Want: "Middle with 2 fields", Got: "Middle with 3 fields"}}},
		"exhaustive":                   {" nonexhaustive size=24 align=8", "", []manifest.Problem{{Path: grows, Rule: "exhaustiveness", Want: "nonexhaustive", Got: "exhaustive"}}},
		"discriminants":                {"discriminants=i16 ", "discriminants=i32 ", []manifest.Problem{{Path: grows, Rule: "discriminant-type", Want: "i16", Got: "i32"}}},
		"a trait less":                 {"other=0x3ffff", "other=0x3fff7", []manifest.Problem{{Path: "Root.many lifetimes(a)", Rule: "traits"}}},
		"a trait more":                 {"other=0x3ffff", "other=0x7ffff", nil},
		"an opaque type":               {"  opaque\n", "  struct\n", []manifest.Problem{{Path: "Öffnung «x»", Rule: "kind", Want: "opaque", Got: "struct"}}},
		"a union's field":              {"    field 1 - itself\n", "    field 1 - other\n", []manifest.Problem{{Path: "Root.many lifetimes(a).itself", Rule: "field-name", Want: "itself: MaybeUninit", Got: "other: MaybeUninit"}}},
		"the sixth lifetime":           {"'0,'1,'2,'3,'4,'5", "'0,'1,'2,'3,'4,'none", []manifest.Problem{{Path: "Root.many lifetimes", Rule: "field-lifetimes", Want: "'0,'1,'2,'3,'4,'5", Got: "'0,'1,'2,'3,'4,'none"}}},
		"an inaccessible field's type": {"    field 6 - sometimes\n", "    field 1 - sometimes\n", nil},
		"an inaccessible field's name": {"    field 6 - sometimes\n", "    field 6 - never\n", []manifest.Problem{{Path: "Root.0.sometimes", Rule: "field-name", Want: "sometimes: bool", Got: "never: bool"}}},
		"a second function less":       {"      fn -\n        result 3\n", "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			text := plain(t)
			got := Check(parse(t, text), parse(t, edit(t, text, test.from, test.to)))
			if name == "a trait less" && len(got) == 1 {
				got[0].Want, got[0].Got = "", "" // seventeen names
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

// TestTagsAndUnknownChecksNeverFit: not even with themselves, because nothing can be said about them.
func TestTagsAndUnknownChecksNeverFit(t *testing.T) {
	g := parse(t, rich)
	var rules []string
	for _, p := range Check(g, g) {
		rules = append(rules, p.Rule)
	}
	if !cmp.Equal(rules, []string{"tag", "extra-check"}) {
		t.Errorf("rules %v", rules)
	}
}

// TestCheckIsBounded: problems and pairs.
func TestCheckIsBounded(t *testing.T) {
	head := "layout-v1\ntype 0 T\n  package 1 demo\n  layout size=0 align=1 nonzero=no repr=c lifetimes=0\n  struct\n"
	var want, got strings.Builder
	for i := range 2 * maxProblems {
		fmt.Fprintf(&want, "    field 0 - f%d\n", i)
		fmt.Fprintf(&got, "    field 0 - g%d\n", i)
	}
	problems := Check(parse(t, head+want.String()), parse(t, head+got.String()))
	if n := len(problems); n != maxProblems+1 || problems[n-1].Rule != "limit" || problems[n-1].Path != "T" {
		t.Errorf("%d problems, the last %+v", n, problems[n-1])
	}
	// Two circles whose lengths have no common divisor pair every type of one with every type of the other.
	problems = Check(circle(91), circle(97))
	if len(problems) == 0 || problems[len(problems)-1].Rule != "limit" {
		t.Errorf("%+v", problems)
	}
}

// circle makes n types that mention one another in turn, told apart by what is not compared.
func circle(n int) *Graph {
	var types []*Type
	for i := range n {
		types = append(types, &Type{Name: "T", Package: "demo", Class: "1", Align: 1, Repr: "c", Kind: StructKind,
			TypeParams: make([]int, i), Fields: []Field{{Name: "next", Type: (i + 1) % n}}})
	}
	return canonical(types)
}

func TestNames(t *testing.T) {
	g := parse(t, interfaceText(t))
	names := map[string]bool{}
	for i := range g.Types {
		names[g.TypeName(i)] = true
	}
	for _, want := range []string{"PluginMod", "RString", "u32", "[u8; 16]", "*const u8", "&()", "&mut RString", "RResult<(), RString>", "RResult<RString, RString>",
		"ROption<AFunctionPointer>", "PrefixRef<PluginMod>", "PhantomData<&ErasedObject>", "NonNull<RBox>", "()"} {
		if !names[want] {
			t.Errorf("no type %q in %v", want, names)
		}
	}
	fields := map[string]string{}
	for _, typ := range g.Types {
		for _, f := range typ.Fields {
			fields[typ.Name+"."+f.Name] = g.FieldType(f)
		}
	}
	for field, want := range map[string]string{
		"PluginMod.abi_version": "u32", "PluginMod.info": "fn() -> RString", "PluginMod.make_output": "ROption<fn() -> FfiOutput_TO>",
		"VTable.execute": "unsafe fn(RRef, RString) -> RString", "VTable.on_samples": "unsafe fn(RMut, RString)",
	} {
		if fields[field] != want {
			t.Errorf("%s: %q, want %q", field, fields[field], want)
		}
	}
}

func TestClasses(t *testing.T) {
	for version, want := range map[string]string{
		"1.0.0": "1", "1.2.3": "1", "0.11.3": "0.11", "0.0.0": "0.0", "1.0": "1", "12.7.x": "12", "1.0.3-beta.1": "1", "1.0.": "1",
		"+1.+2.3": "1", "01.2.3": "1", "": "?", "1": "?", "a.b.c": "?", "1.b.3": "?", ".1.2": "?", "4294967296.0.0": "?", "1.0.4294967296": "?", "1.0.x4294967296y": "?", "-1.0.0": "?",
	} {
		if got := class(version); got != want {
			t.Errorf("%q: %q, want %q", version, got, want)
		}
	}
}

// TestCheckLooksAtBothSides edits what is wanted too.
func TestCheckLooksAtBothSides(t *testing.T) {
	const package1, module = "  package 1 demo\n  layout size=16 ", "Root.0"
	unversioned := strings.Replace(package1, "package 1", "package ?", 1)
	version2 := strings.Replace(package1, "package 1", "package 2", 1)
	for name, test := range map[string]struct {
		fromWant, toWant, fromGot, toGot string
		rules                            []string
	}{
		"no version on both sides":         {package1, unversioned, package1, unversioned, []string{"package-version"}},
		"nothing after a missing version":  {package1, package1, package1, strings.Replace(unversioned, "size=16", "size=8", 1), []string{"package-version"}},
		"other problems after another one": {package1, package1, package1, strings.Replace(version2, "size=16", "size=8", 1), []string{"package-version", "size"}},
		"accessible in the library only":   {"    field 6 - sometimes\n", "    field 6 - sometimes\n", "accessible=0x1\n    field 4 - always\n    field 6 - sometimes\n", "accessible=0x3\n    field 4 - always\n    field 1 - sometimes\n", nil},
		"accessible in the host only":      {"accessible=0x1", "accessible=0x3", "    field 6 - sometimes\n", "    field 1 - sometimes\n", nil},
		"accessible in both":               {"accessible=0x1", "accessible=0x3", "accessible=0x1\n    field 4 - always\n    field 6 - sometimes\n", "accessible=0x3\n    field 4 - always\n    field 1 - sometimes\n", []string{"type"}},
		"a tag of the host":                {package1, package1 + "TAG", package1, package1, []string{"tag"}},
		"an extra check of the host":       {package1, package1 + "CHECK", package1, package1, []string{"extra-check"}},
	} {
		t.Run(name, func(t *testing.T) {
			want := edit(t, plain(t), test.fromWant, test.toWant)
			for mark, line := range map[string]string{"TAG": "  tag\n", "CHECK": "  extra-check\n"} {
				if before, after, ok := strings.Cut(want, mark); ok { // behind the rest of its line
					rest, kind, _ := strings.Cut(after, "\n")
					want = before + rest + "\n" + line + kind
				}
			}
			var rules []string
			for _, p := range Check(parse(t, want), parse(t, edit(t, plain(t), test.fromGot, test.toGot))) {
				rules = append(rules, p.Rule)
				if !strings.HasPrefix(p.Path, module) && p.Path != "Module" {
					t.Errorf("%+v", p)
				}
			}
			if !cmp.Equal(rules, test.rules) {
				t.Errorf("rules %v, want %v", rules, test.rules)
			}
		})
	}
}

// TestAccessIsNotOfParameters: the accessible fields of a module say nothing about the parameters of its functions.
func TestAccessIsNotOfParameters(t *testing.T) {
	const function = "    field 4 - always\n      fn -\n        param 4 a\n        param 6 b\n        result 4\n"
	want := edit(t, plain(t), "    field 4 - always\n", function)
	got := edit(t, want, "        param 6 b\n", "        param 1 b\n")
	problems := Check(parse(t, want), parse(t, got))
	if len(problems) != 1 || problems[0].Path != "Root.0.always(b)" || problems[0].Rule != "type" {
		t.Errorf("%+v", problems)
	}
}

// TestNamesAreBounded: each type has every type as a parameter, many times.
func TestNamesAreBounded(t *testing.T) {
	var types []*Type
	for i := range 40 {
		params := make([]int, 400)
		for j := range params {
			params[j] = j % 40
		}
		types = append(types, &Type{ID: i, Name: "T", Package: std, Class: "1", Size: uint64(i), Align: 1, Repr: "c", Kind: StructKind, TypeParams: params})
	}
	g := &Graph{types}
	if name := g.TypeName(0); len(name) > 200 || !strings.HasSuffix(name, ", ...>>>>") {
		t.Errorf("%d bytes: %.300s", len(name), name)
	}
}
