package layout

import (
	"fmt"
	"strconv"
	"strings"
)

// Numbers of abi_stable's enumerations, by which these names are indexed.
var (
	primitives = []string{"u8", "i8", "u16", "i16", "u32", "i32", "u64", "i64", "usize", "isize", "f32", "f64", "bool",
		"shared-ref", "mut-ref", "const-ptr", "mut-ptr", "array"}
	integers        = []string{"u8", "i8", "u16", "i16", "u32", "i32", "u64", "i64", "u128", "i128", "usize", "isize"}
	discriminants   = []string{"u8", "i8", "u16", "i16", "u32", "i32", "u64", "i64", "usize", "isize"}
	constKinds      = []string{"u8", "i8", "u16", "i16", "u32", "i32", "u64", "i64", "usize", "isize", "", "", "bool"}
	kinds           = []Kind{PrimitiveKind, OpaqueKind, StructKind, UnionKind, EnumKind, PrefixKind}
	sizeOfPrimitive = []int{1, 1, 2, 2, 4, 4, 8, 8, 8, 8}
)

// The package whose extra checks are known, and the one of the language's own types.
const (
	abiStable = "abi_stable"
	std       = "std"
)

// pick gives the name of an enumeration's value.
func pick[T ~string](w *walker, what string, names []T, value int) T {
	if value >= len(names) || names[value] == "" {
		w.fail(nil, "%s: unknown value %d", what, value)
		return ""
	}
	return names[value]
}

// typeLayout reads a TypeLayout: 88 bytes, of which the part that generic parameters don't change is a MonoTypeLayout of 152
// bytes elsewhere.
//
//	TypeLayout:     *SharedVars 0, *Mono 8, nonzero 16, log2(align) 17, size 24, *Tag 32, generic data 40..72, *extra check 72
//	MonoTypeLayout: *name 24, package;version 32, line 48, *module 56, data 64..112, generics 112..136, *phantom 136,
//	                phantom count 144, repr 145, name length 150
func (w *walker) typeLayout(address uint64) *Type {
	head := w.read("type layout", address, 88)
	v := w.vars(head.u64(0))
	mono := w.read("type layout", head.u64(8), 152)
	t := &Type{
		Name:    w.name("type name", mono.u64(24), int(mono.u16(150))),
		Line:    mono.u32(48),
		Size:    head.u64(24),
		Align:   w.align(head.u8(17)),
		NonZero: w.boolean("nonzero", head.u8(16)),
		Repr:    w.repr(mono.u8(145), mono.u8(146)),
		Tag:     head.u64(32) != 0,
	}
	w.origin(t, mono)
	w.generics(t, v, mono)
	t.Phantom = w.phantom(v, mono)
	t.Extra = w.extra(t, head.u64(72))
	w.data(t, v, head[40:72], mono[64:112])
	return t
}

func (w *walker) boolean(what string, value uint8) bool {
	if value > 1 {
		w.fail(nil, "%s: expected 0 or 1, found %d", what, value)
	}
	return value == 1
}

func (w *walker) align(log uint8) uint64 {
	if log >= 64 {
		w.fail(nil, "alignment: expected a power of two below 64, found %d", log)
		return 0
	}
	return 1 << log
}

func (w *walker) repr(tag, value uint8) string {
	switch tag {
	case 0:
		return "option-nonzero"
	case 1:
		return "primitive"
	case 2:
		return "c"
	case 3:
		return "c+" + pick(w, "repr", integers, int(value))
	case 4:
		return "transparent"
	case 5:
		return pick(w, "repr", integers, int(value))
	case 6:
		return fmt.Sprintf("packed-%d", value)
	}
	w.fail(nil, "repr: unknown value %d", tag)
	return ""
}

// origin reads where a type is declared.
func (w *walker) origin(t *Type, mono record) {
	length := mono.u64(40)
	if length > 2*maxName {
		w.fail(nil, "package: %d bytes", length)
		return
	}
	name, version, _ := strings.Cut(w.text("package", mono.u64(32), int(length)), ";")
	if w.err == nil && (!isName(name) || (version != "" && !isName(version))) {
		w.fail(nil, "package: expected a printable name and version, found %.100q and %.100q", name, version)
	}
	t.Package, t.PackageVersion, t.Class = name, version, class(version)
	t.Module = w.terminated("module path", mono.u64(56))
}

// generics reads the parameters: lifetime names 112, types 120, consts 124 as ranges, lifetime count 128.
func (w *walker) generics(t *Type, v vars, mono record) {
	types, consts := startLen(mono.u32(120)), startLen(mono.u32(124))
	t.Lifetimes = int(mono.u8(128))
	if consts.start()+consts.length() > v.constsLen {
		w.fail(nil, "const parameters %d to %d of %d", consts.start(), consts.start()+consts.length(), v.constsLen)
	}
	for i := 0; i < types.length() && w.spend(1); i++ {
		w.step = fmt.Sprintf("<%d>", i)
		t.TypeParams = append(t.TypeParams, w.mention(v, types.start()+i))
	}
	for i := 0; i < consts.length() && w.spend(1); i++ {
		w.step = fmt.Sprintf("<const %d>", i)
		t.ConstParams = append(t.ConstParams, w.constant(v.consts+16*uint64(consts.start()+i)))
	}
	w.step = ""
}

// constant reads a ConstGeneric: *value 0, vtable 8, whose first field, 16 bytes into it, is the *TypeLayout of the
// value. Only types whose equality is that of their bytes are known.
func (w *walker) constant(address uint64) Const {
	c := w.read("const parameter", address, 16)
	layout := w.read("type of a const parameter", w.read("const parameter", c.u64(8)+16, 8).u64(0), 16)
	mono := w.read("type of a const parameter", layout.u64(8), 152)
	kind := pick(w, "kind of a const parameter's type", []Kind{PrimitiveKind}, int(mono.u8(64)))
	name := pick(w, "type of a const parameter", constKinds, int(mono.u8(65)))
	found := w.name("type of a const parameter", mono.u64(24), int(mono.u16(150)))
	if w.err == nil && (kind != PrimitiveKind || found != name) {
		w.fail(nil, "type of a const parameter: expected %s, found %.100q", name, found)
	}
	return Const{name, w.value(name, c.u64(0))}
}

// value reads an integer or a bool and writes it as Rust does.
func (w *walker) value(kind string, address uint64) string {
	const what = "const parameter"
	if kind == "bool" {
		return strconv.FormatBool(w.boolean(what, w.read(what, address, 1).u8(0)))
	}
	n := 0
	for i, name := range primitives[:len(sizeOfPrimitive)] {
		if name == kind {
			n = sizeOfPrimitive[i]
		}
	}
	if n == 0 { // after an error
		return ""
	}
	return decimal(kind, w.read(what, address, n))
}

// decimal writes a little-endian integer.
func decimal(kind string, b []byte) string {
	var n uint64
	for i, v := range b {
		n |= uint64(v) << (8 * i)
	}
	if kind[0] == 'u' {
		return strconv.FormatUint(n, 10)
	}
	shift := 64 - 8*len(b)
	return strconv.FormatInt(int64(n<<shift)>>shift, 10)
}

// extra reads an extra check: vtable 0, *object 8. abi_stable's own is RequiredTraits: auto traits u16 0, other traits
// u64 8.
func (w *walker) extra(t *Type, address uint64) *ExtraCheck {
	switch {
	case address == 0:
		return nil
	case t.Package != abiStable:
		return &ExtraCheck{}
	}
	object := w.read("extra check", w.read("extra check", address, 16).u64(8), 16)
	return &ExtraCheck{Known: true, Auto: object.u16(0), Other: object.u64(8)}
}

// data reads what kind of type it is and its content. Both halves name the kind; Rust panics where they disagree.
//
//	generic: kind u32 0; of an enum *storage 8, discriminants 16; of a prefix type accessible fields 8
//	mono:    kind u8 0; primitive u8 1; fields of structs and unions 8;
//	         of an enum *field counts 8, count 16, names 20, fields 24;
//	         of a prefix type prefix fields u8 8, conditional 16, fields 24
func (w *walker) data(t *Type, v vars, generic, mono record) {
	t.Kind = pick(w, "kind", kinds, int(mono.u8(0)))
	if uint32(mono.u8(0)) != generic.u32(0) {
		w.fail(nil, "kind: both %d and %d", mono.u8(0), generic.u32(0))
	}
	switch t.Kind {
	case PrimitiveKind:
		t.Primitive = pick(w, "primitive", primitives, int(mono.u8(1)))
	case StructKind, UnionKind:
		t.Fields = w.fields(v, mono[8:32])
	case EnumKind:
		t.Fields = w.fields(v, mono[24:48])
		t.Enum = w.enum(t, v, generic, mono)
	case PrefixKind:
		t.Fields = w.fields(v, mono[24:48])
		t.Prefix = w.prefix(t, generic, mono)
	}
}

func (w *walker) prefix(t *Type, generic, mono record) *Prefix {
	if len(t.Fields) > maxPrefixFields {
		w.fail(nil, "prefix type with %d fields", len(t.Fields))
	}
	inUse := uint64(1)<<len(t.Fields) - 1 // a shift by 64 gives zero, minus one all bits
	return &Prefix{Fields: int(mono.u8(8)), Conditional: mono.u64(16), Accessible: generic.u64(8) & inUse}
}
