package layout

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// rich uses what loadr's interface doesn't: every kind, repr, integer and const type, long lists of lifetimes and
// parameters.
const rich = `layout-v1
type 0 Root
  package 1 demo
  layout size=8 align=8 nonzero=yes repr=c+u8 lifetimes=12
  type-param 1
  type-param 2
  const bool true
  const i8 -128
  const u64 18446744073709551615
  const isize -1
  phantom 3 '_,'static,'12,'none ghost
  struct
    field 1 '0,'1,'2,'3,'4,'5 many lifetimes
      unsafe-fn '_,'_,'_,'none,'static,'none,'0,'11
        param 1 a
        param 2 b
        param 3 c
        param 1 d
        param 2 e
        param 3 f
        param 1 g
        param 2 param_7
        result 4
      fn -
        result 3
    field 5 '0,'none 0
type 1 MaybeUninit
  package 0.11 abi_stable
  layout size=1 align=1 nonzero=no repr=packed-0 lifetimes=0
  required-traits auto=0x7 other=0x3ffff
  tag
  union
    field 1 - itself
type 2 Grows
  package 0.0 demo
  layout size=64 align=16 nonzero=no repr=i16 lifetimes=0
  extra-check
  enum discriminants=i16 nonexhaustive size=24 align=8
    variant -32768 Low
    variant 0 Middle
    field 1 - x
    field 2 - y
      fn -
        result 1
    variant 32767 High
    field 3 - z
type 3 Öffnung «x»
  package 4294967295 ein Paket
  layout size=18446744073709551615 align=9223372036854775808 nonzero=no repr=option-nonzero lifetimes=0
  opaque
type 4 Empty
  package 1 demo
  layout size=0 align=1 nonzero=no repr=isize lifetimes=0
  enum discriminants=u64
type 5 Module
  package 1 demo
  layout size=16 align=8 nonzero=no repr=c lifetimes=0
  prefix fields=1 conditional=0x2 accessible=0x1
    field 4 - always
    field 6 - sometimes
type 6 bool
  package 1 std
  layout size=1 align=1 nonzero=no repr=primitive lifetimes=0
  primitive bool
`

func walk(t testing.TB, g *Graph) *Graph {
	t.Helper()
	l, root := encode(t, g)
	got, err := Walk(l, root)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// TestWalkReadsWhatWasDescribed goes from text to memory and back.
func TestWalkReadsWhatWasDescribed(t *testing.T) {
	for name, text := range map[string]string{"interface": interfaceText(t), "rich": rich} {
		g := parse(t, text)
		if diff := cmp.Diff(text, string(g.Text())); diff != "" {
			t.Errorf("%s, parsed (-want +got):\n%s", name, diff)
		}
		got := walk(t, g)
		if diff := cmp.Diff(text, string(got.Text())); diff != "" {
			t.Errorf("%s, walked (-want +got):\n%s", name, diff)
		}
		if got.Types[0].Module != "some::module" || got.Types[0].Line != 7 || got.Types[0].PackageVersion == "" {
			t.Errorf("%+v", got.Types[0])
		}
		if problems := Check(g, got); name == "interface" && problems != nil {
			t.Errorf("%+v", problems)
		}
	}
}

// TestEqualTypesAreOne puts every type into the library three times, as compilers do.
func TestEqualTypesAreOne(t *testing.T) {
	g := parse(t, interfaceText(t))
	n := len(g.Types)
	var copies []*Type
	for c := range 3 {
		for _, typ := range g.Types {
			other := *typ
			other.ID += n * c
			copy := c
			other.renumber(func(id int) int { copy++; return id + n*(copy%3) })
			copies = append(copies, &other)
		}
	}
	if got := walk(t, &Graph{copies}); string(got.Text()) != interfaceText(t) {
		t.Errorf("%d types from %d, want %d", len(got.Types), 3*n, n)
	}
}

// TestTypesThatDifferFarAwayAreTwo: equal by their own lines, but not by what they mention.
func TestTypesThatDifferFarAwayAreTwo(t *testing.T) {
	const text = `layout-v1
type 0 Root
  package 1 demo
  layout size=0 align=1 nonzero=no repr=c lifetimes=0
  struct
    field 1 - a
    field 2 - b
    field 3 - c
`
	link := func(id string, next string) string {
		return "type " + id + " Link\n  package 1 demo\n  layout size=0 align=1 nonzero=no repr=c lifetimes=0\n  struct\n    field " + next + " - next\n"
	}
	end := "type 7 End\n  package 1 demo\n  layout size=0 align=1 nonzero=no repr=c lifetimes=0\n  struct\n"
	// a: 1 -> 4 -> 7; b: 2 -> 5 -> 7, the same; c: 3 -> 6 -> 3, a circle
	g := parse(t, text+link("1", "4")+link("2", "5")+link("3", "6")+link("4", "7")+link("5", "7")+link("6", "3")+end)
	var fields []int
	for _, f := range g.Types[0].Fields {
		fields = append(fields, f.Type)
	}
	if !cmp.Equal(fields, []int{1, 1, 2}) || len(g.Types) != 5 {
		t.Errorf("fields of types %v among %d:\n%s", fields, len(g.Types), g.Text())
	}
	if problems := Check(g, g); problems != nil {
		t.Errorf("a graph doesn't fit itself: %v", problems)
	}
}

// TestDamagedDescriptions changes one word of a description. A problem that is not about reading the memory wraps nothing.
func TestDamagedDescriptions(t *testing.T) {
	g := parse(t, rich)
	mono := func(l *library, id int) uint64 { return l.word(l.layouts[id] + 8) }
	for name, test := range map[string]struct {
		change func(l *library)
		want   string
	}{
		"root":               {func(l *library) { l.layouts[0] = 8 }, "root: type layout: cannot read 88 bytes at 0x8"},
		"shared vars":        {func(l *library) { l.put(l.layouts[0], 8, 1<<63) }, "root: shared vars: cannot read 32 bytes"},
		"nonzero":            {func(l *library) { l.put(l.layouts[0]+16, 1, 2) }, "root: nonzero: expected 0 or 1, found 2"},
		"alignment":          {func(l *library) { l.put(l.layouts[0]+17, 1, 64) }, "alignment: expected a power of two below 64, found 64"},
		"kinds disagree":     {func(l *library) { l.put(l.layouts[0]+40, 4, 3) }, "root: kind: both 2 and 3"},
		"unknown kind":       {func(l *library) { l.put(mono(l, 0)+64, 1, 6) }, "root: kind: unknown value 6"},
		"unknown primitive":  {func(l *library) { l.put(mono(l, 6)+65, 1, 18) }, "root.0.sometimes: primitive: unknown value 18"},
		"unknown repr":       {func(l *library) { l.put(mono(l, 0)+145, 1, 7) }, "repr: unknown value 7"},
		"unknown integer":    {func(l *library) { l.put(mono(l, 0)+146, 1, 12) }, "repr: unknown value 12"},
		"empty name":         {func(l *library) { l.put(mono(l, 0)+150, 2, 0) }, `type name: expected printable text of 1 to 1024 bytes, found ""`},
		"control in name":    {func(l *library) { l.put(l.word(mono(l, 0)+24), 1, '\n') }, `type name: expected printable text of 1 to 1024 bytes, found "\noot"`},
		"name not UTF-8":     {func(l *library) { l.put(l.word(mono(l, 0)+24), 1, 0xff) }, `type name: expected UTF-8, found "\xffoot"`},
		"bidi in name":       {func(l *library) { copy(l.memory[l.word(mono(l, 0)+24)-base:], "\u202ex") }, "type name: expected printable text"},
		"package too long":   {func(l *library) { l.put(mono(l, 0)+40, 8, 1<<40) }, "package: 1099511627776 bytes"},
		"package unreadable": {func(l *library) { l.put(mono(l, 0)+32, 8, 0) }, "package: cannot read"},
		"no end of module":   {func(l *library) { l.put(mono(l, 0)+56, 8, l.bytes([]byte(strings.Repeat("m", 1200)))) }, "module path: no end within 1024 bytes"},
		"module unreadable":  {func(l *library) { l.put(mono(l, 0)+56, 8, base+uint64(len(l.memory))) }, "module path: cannot read 1 bytes"},
		"type parameter":     {func(l *library) { l.put(mono(l, 0)+120, 4, 1000|1<<16) }, "root.<0>: type index 1000 of"},
		"const parameters":   {func(l *library) { l.put(mono(l, 0)+124, 4, 5<<16) }, "const parameters 0 to 5 of 4"},
		"strings":            {func(l *library) { l.put(l.word(l.word(l.layouts[0]))+16, 2, 1) }, "field name: bytes 0 to 5 of 1"},
		"lifetimes":          {func(l *library) { l.put(l.word(l.word(l.layouts[0]))+18, 2, 1) }, "lifetimes 0 to 3 of 1"},
		"fields unreadable":  {func(l *library) { l.put(mono(l, 0)+72, 8, 4) }, "root: fields: cannot read 16 bytes at 0x4"},
		"many fields":        {func(l *library) { l.put(mono(l, 0)+88, 2, 65535) }, "root: more than 16384 fields, variants, functions and parameters"},
		"functions":          {func(l *library) { l.put(l.word(mono(l, 0)+80)+16, 2, 1) }, "root.many lifetimes: functions 0 to 2 of 1"},
		"qualifiers":         {func(l *library) { l.put(l.word(l.word(mono(l, 0)+80))+24, 2, 2) }, "root.many lifetimes: function: unknown qualifiers 0x2"},
		"parameters":         {func(l *library) { l.put(l.word(l.word(mono(l, 0)+80))+16, 2, 65) }, "function with 65 parameters"},
		"parameter names":    {func(l *library) { l.put(l.word(l.word(mono(l, 0)+80))+8, 2, 60000) }, "parameter names: bytes"},
		"discriminants":      {func(l *library) { l.put(l.layouts[2]+58, 2, 2) }, "enum: 3 variants, but 2 discriminants"},
		"variant's fields":   {func(l *library) { l.put(l.word(mono(l, 2)+72), 1, 1) }, "enum: variants with 4 fields in all, but 3 fields"},
		"a variant's fewer":  {func(l *library) { l.put(l.word(mono(l, 2)+72)+1, 1, 1) }, "enum: variants with 2 fields in all, but 3 fields"},
		"variant's name":     {func(l *library) { l.put(mono(l, 2)+84, 4, 0) }, `variant 0: no printable name in [""]`},
		"storage":            {func(l *library) { l.put(l.word(l.layouts[2]+48)+8, 1, 200) }, "alignment: expected a power of two below 64, found 200"},
		"const's type": {func(l *library) {
			l.put(l.word(l.word(l.word(l.word(l.word(l.word(l.layouts[0])+16)+8)+16)+8)+24), 1, 'B')
		}, "type of a const parameter: expected bool, found \"Bool\""},
		"getter": {func(l *library) { l.getters = nil }, "type index 0: function at 0x10000000000: expected code that only returns an address, found cc"},
		"getter to nowhere": {func(l *library) {
			for f := range l.getters {
				l.getters[f] = 3
			}
		}, "type layout: cannot read 88 bytes at 0x3"},
	} {
		t.Run(name, func(t *testing.T) {
			l, _ := encode(t, g)
			test.change(l)
			_, err := Walk(l, l.layouts[0])
			var e *GraphError
			if !errors.As(err, &e) || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("%v, want %q", err, test.want)
			}
			if reading := strings.Contains(test.want, "cannot read") || name == "getter"; (e.Err != nil) != reading {
				t.Errorf("wraps %v", e.Err)
			}
		})
	}
}

func (l *library) word(address uint64) uint64 {
	b, err := l.Read(address, 8)
	if err != nil {
		l.t.Fatal(err)
	}
	return record(b).u64(0)
}

// TestLimits: libraries that are too large are refused, soon.
func TestLimits(t *testing.T) {
	types := []*Type{}
	for i := range maxTypes + 1 {
		next := (i + 1) % (maxTypes + 1)
		types = append(types, &Type{ID: i, Name: "Link", Package: "demo", Class: "1", Align: 1, Repr: "c", Kind: StructKind,
			Fields: []Field{{Name: "next", Type: next}}})
	}
	l, root := encode(t, &Graph{types})
	if _, err := Walk(l, root); err == nil || !strings.Contains(err.Error(), "more than 1024 types") {
		t.Errorf("%v", err)
	}
	// A chain in which every link differs from every other only by its distance from the end.
	types = types[:maxTypes]
	types[maxTypes-1].Fields = nil
	if got := walk(t, &Graph{types}); len(got.Types) != maxTypes {
		t.Errorf("%d types, want %d", len(got.Types), maxTypes)
	}
	long := strings.Repeat("n", maxName)
	types = nil
	for i := range maxNames/maxName + 1 {
		types = append(types, &Type{ID: i, Name: long, Package: "demo", Class: "1", Align: 1 << (i % 60), Size: uint64(i), Repr: "c", Kind: StructKind,
			Fields: []Field{{Name: "next", Type: (i + 1) % (maxNames / maxName)}}})
	}
	l, root = encode(t, &Graph{types})
	if _, err := Walk(l, root); err == nil || !strings.Contains(err.Error(), "bytes of names") {
		t.Errorf("%v", err)
	}
}
