package layout

import (
	"fmt"
	"strings"
)

// phantom reads the phantom fields, which have no functions.
func (w *walker) phantom(v vars, mono record) []Field {
	var fields []Field
	for i := range int(mono.u8(144)) {
		if !w.spend(1) {
			break
		}
		w.step = fmt.Sprintf("phantom field %d", i)
		fields = append(fields, w.field(v, w.read("phantom field", mono.u64(136)+8*uint64(i), 8).u64(0)))
	}
	w.step = ""
	return fields
}

// fields reads a list of fields: *fields 0, *functions 8 or null, count u16 16.
func (w *walker) fields(v vars, list record) []Field {
	count := int(list.u16(16))
	if count == 0 || !w.spend(count) {
		return nil
	}
	words := w.read("fields", list.u64(0), 8*count)
	functions := w.functions(list.u64(8))
	fields := make([]Field, 0, count)
	for i := 0; i < count && w.err == nil; i++ {
		w.step = fmt.Sprintf("field %d", i)
		f := w.field(v, words.u64(8*i))
		w.step = f.Name
		f.Functions = w.fieldFunctions(v, functions, i)
		fields = append(fields, f)
	}
	w.step = ""
	return fields
}

// field decodes a field of 64 bits: name start 0..15, name length 16..25, lifetimes 26..46, accessor 47..49, type index
// 50..59, whether it is a function 60.
func (w *walker) field(v vars, bits uint64) Field {
	start, length := int(bits&0xffff), int(bits>>16&0x3ff)
	name := w.name("field name", w.part(v, "field name", start, length), length)
	if w.err == nil {
		w.step = name
	}
	return Field{
		Name:       name,
		Type:       w.mention(v, int(bits>>50&0x3ff)),
		Lifetimes:  w.lifetimes(v, uint32(bits>>26&0x1fffff)),
		IsFunction: bits>>60&1 == 1,
	}
}

// functionList is abi_stable's TLFunctions: all function pointers of a type's fields, and for each field a range of them.
type functionList struct {
	functions, ranges       uint64 // addresses of arrays
	functionsLen, rangesLen int
}

func (w *walker) functions(address uint64) functionList {
	if address == 0 {
		return functionList{}
	}
	list := w.read("functions", address, 24)
	return functionList{list.u64(0), list.u64(8), int(list.u16(16)), int(list.u16(18))}
}

// fieldFunctions reads the functions of one field; a field without a range has none.
func (w *walker) fieldFunctions(v vars, list functionList, field int) []Function {
	if field >= list.rangesLen {
		return nil
	}
	part := startLen(w.read("range of functions", list.ranges+4*uint64(field), 4).u32(0))
	if part.start()+part.length() > list.functionsLen {
		w.fail(nil, "functions %d to %d of %d", part.start(), part.start()+part.length(), list.functionsLen)
	}
	var functions []Function
	for i := 0; i < part.length() && w.spend(1); i++ {
		functions = append(functions, w.function(v, list.functions+28*uint64(part.start()+i)))
	}
	return functions
}

// function reads a TLFunction of 28 bytes: name range 0, start of its other strings u16 4, length of the bound
// lifetimes' u16 6, of the parameters' names u16 8, index of the result's type u16 10 (any beyond the getters: none),
// lifetimes 12, parameter types 16, qualifiers u16 24.
func (w *walker) function(v vars, address uint64) Function {
	b := w.read("function", address, 28)
	name := startLen(b.u32(0))
	f := Function{
		Name:      w.shown("function name", w.partText(v, "function name", name.start(), name.length())),
		Unsafe:    b.u16(24) == 1,
		Lifetimes: w.lifetimes(v, b.u32(12)&0x1fffff),
	}
	if b.u16(24) > 1 {
		w.fail(nil, "function: unknown qualifiers %#x", b.u16(24))
	}
	start, length := int(b.u16(4))+int(b.u16(6)), int(b.u16(8))
	names := w.partText(v, "parameter names", start, length)
	f.Params = w.params(v, b.u32(16), b.u32(20), strings.Split(names, ";"))
	if index := int(b.u16(10)); index < v.gettersLen {
		f.Result = w.mention(v, index)
	} else {
		f.Result = w.unit()
	}
	return f
}

// params decodes the parameters' types: the first word has their number and the indices of two, the second of three
// more, ten bits each; the sixth and later follow the fifth in the array of getters.
func (w *walker) params(v vars, word0, word1 uint32, names []string) []Param {
	count := int(word0 & 0x3ff)
	if count > maxParams {
		w.fail(nil, "function with %d parameters", count)
	}
	bits := func(word uint32, shift int) int { return int(word >> shift & 0x3ff) }
	indices := [5]int{bits(word0, 10), bits(word0, 20), bits(word1, 0), bits(word1, 10), bits(word1, 20)}
	params := []Param{}
	for i := 0; i < count && w.spend(1); i++ {
		index := indices[4] + i - 4
		if i < len(indices) {
			index = indices[i]
		}
		params = append(params, Param{w.paramName(names, i), w.mention(v, index)})
	}
	return params
}

func (w *walker) paramName(names []string, i int) string {
	if i >= len(names) || names[i] == "" {
		return fmt.Sprintf("param_%d", i)
	}
	if w.err == nil && !isName(names[i]) {
		w.fail(nil, "name of parameter %d: expected printable text, found %.100q", i, names[i])
	}
	return names[i]
}

// unitAddress stands for the layout of (), which a library needn't have for a function without a result.
const unitAddress = ^uint64(0)

// unit gives the number of the type ().
func (w *walker) unit() int { return w.id(unitAddress) }

// unitType is the layout of (): the host's own in abi_stable's check.
func unitType() *Type {
	return &Type{Name: "()", Package: std, PackageVersion: "1.0.0", Class: "1", Align: 1, Repr: "c", Kind: StructKind}
}

// enum reads an enum. Its fields are one list, of which each variant has as many as its count says.
func (w *walker) enum(t *Type, v vars, generic, mono record) *Enum {
	count, names := int(mono.u16(16)), startLen(mono.u32(20))
	if !w.spend(count) {
		return nil
	}
	e := &Enum{Discriminants: pick(w, "discriminants", discriminants, int(generic.u8(16))), Variants: []Variant{}}
	counts := w.read("field counts", mono.u64(8), count)
	values := w.discriminants(e.Discriminants, generic, count)
	list := strings.Split(w.partText(v, "variant names", names.start(), names.length()), ";")
	total := 0
	for i := 0; i < count && w.err == nil; i++ {
		if i >= len(list) || !isName(list[i]) {
			w.fail(nil, "variant %d: no printable name in %.100q", i, list)
			break
		}
		e.Variants = append(e.Variants, Variant{list[i], values[i], int(counts.u8(i))})
		total += int(counts.u8(i))
	}
	if w.err == nil && total != len(t.Fields) {
		w.fail(nil, "enum: variants with %d fields in all, but %d fields", total, len(t.Fields))
	}
	if storage := generic.u64(8); storage != 0 {
		s := w.read("storage", storage, 16)
		e.NonExhaustive = &Storage{s.u64(0), w.align(s.u8(8))}
	}
	return e
}

// discriminants reads the values: integer type u8 16, count u16 18, *values 24.
func (w *walker) discriminants(kind string, generic record, count int) []string {
	if n := int(generic.u16(18)); n != count {
		w.fail(nil, "enum: %d variants, but %d discriminants", count, n)
		return nil
	}
	size := 8
	for i, name := range primitives[:len(sizeOfPrimitive)] {
		if name == kind {
			size = sizeOfPrimitive[i]
		}
	}
	all := w.read("discriminants", generic.u64(24), size*count)
	values := make([]string, count)
	for i := range values {
		if kind != "" {
			values[i] = decimal(kind, all[size*i:size*(i+1)])
		}
	}
	return values
}
