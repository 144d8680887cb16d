package layout

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// library is a memory that holds descriptions of types as abi_stable lays them out: the walk's other side, written from the
// same tables of offsets.
type library struct {
	t       testing.TB
	memory  []byte
	layouts []uint64          // address of each type's layout
	getters map[uint64]uint64 // function: its result
}

const base = 0x1000 // so that 0 is no address

// encode describes a graph's types. Names of parameters are kept apart by semicolons.
func encode(t testing.TB, g *Graph) (*library, uint64) {
	l := &library{t: t, getters: map[uint64]uint64{}}
	for range g.Types {
		l.layouts = append(l.layouts, l.room(88))
	}
	for _, typ := range g.Types {
		l.typeLayout(g, typ)
	}
	return l, l.layouts[0]
}

func (l *library) Read(address, n uint64) ([]byte, error) {
	if address < base || address-base > uint64(len(l.memory)) || n > uint64(len(l.memory))-(address-base) {
		return nil, fmt.Errorf("no %d bytes at %#x", n, address)
	}
	return l.memory[address-base : address-base+n : address-base+n], nil
}

func (l *library) Result(function uint64) (uint64, error) {
	if result, ok := l.getters[function]; ok {
		return result, nil
	}
	return 0, &ShapeError{Function: function, Code: []byte{0xcc}}
}

func (l *library) room(n int) uint64 {
	address := base + uint64(len(l.memory))
	l.memory = append(l.memory, make([]byte, (n+7)&^7)...)
	return address
}

func (l *library) bytes(b []byte) uint64 {
	address := l.room(len(b))
	copy(l.memory[address-base:], b)
	return address
}

func (l *library) put(address uint64, size int, value uint64) {
	b := binary.LittleEndian.AppendUint64(nil, value)
	copy(l.memory[address-base:address-base+uint64(size)], b)
}

// parts collects what a type's other parts point into.
type parts struct {
	strings   string
	lifetimes []byte
	getters   []uint64
}

func (p *parts) text(s string) uint64 {
	start := len(p.strings)
	p.strings += s
	return uint64(start) | uint64(len(s))<<16
}

func (l *library) mention(p *parts, id int) uint64 {
	function := uint64(1<<40 + len(l.getters))
	l.getters[function] = l.layouts[id]
	p.getters = append(p.getters, function)
	return uint64(len(p.getters) - 1)
}

// range21 writes lifetimes in place where they fit, else into the array.
func (l *library) range21(p *parts, lifetimes string) uint64 {
	if lifetimes == "" {
		return 0
	}
	var nibbles []uint64
	for _, name := range strings.Split(lifetimes, ",") {
		nibbles = append(nibbles, uint64(slices.Index(lifetimeNames[:], name)))
	}
	if len(nibbles) <= 5 || len(nibbles) == 6 && nibbles[5] == 0 {
		var bits uint64
		for i, n := range nibbles {
			bits |= n << (4 * i)
		}
		return bits
	}
	start := len(p.lifetimes)
	for i := 0; i < len(nibbles); i += 2 {
		p.lifetimes = append(p.lifetimes, byte(nibbles[i]|nibbles[i+1]<<4))
	}
	return 1<<20 | uint64(start) | uint64(len(nibbles)/2)<<13
}

func (l *library) fieldWord(p *parts, f Field) uint64 {
	word := p.text(f.Name) | l.range21(p, f.Lifetimes)<<26 | l.mention(p, f.Type)<<50
	if f.IsFunction {
		word |= 1 << 60
	}
	return word
}

// fields writes a list of 24 bytes at an address.
func (l *library) fields(p *parts, at uint64, list []Field) {
	var words []byte
	var ranges, functions []byte
	for _, f := range list {
		words = binary.LittleEndian.AppendUint64(words, l.fieldWord(p, f))
		ranges = binary.LittleEndian.AppendUint32(ranges, uint32(len(functions)/28|len(f.Functions)<<16))
		for _, function := range f.Functions {
			functions = append(functions, l.function(p, function)...)
		}
	}
	l.put(at, 8, l.bytes(words))
	l.put(at+16, 2, uint64(len(list)))
	if len(functions) > 0 {
		header := l.room(24)
		l.put(header, 8, l.bytes(functions))
		l.put(header+8, 8, l.bytes(ranges))
		l.put(header+16, 2, uint64(len(functions)/28))
		l.put(header+18, 2, uint64(len(list)))
		l.put(at+8, 8, header)
	}
}

func (l *library) function(p *parts, f Function) []byte {
	b := make([]byte, 28)
	var names []string
	for _, param := range f.Params {
		names = append(names, param.Name)
	}
	binary.LittleEndian.PutUint32(b, uint32(p.text(f.Name)))
	bound := p.text("'a;")
	p.text(strings.Join(names, ";"))
	binary.LittleEndian.PutUint16(b[4:], uint16(bound))
	binary.LittleEndian.PutUint16(b[6:], 3)
	binary.LittleEndian.PutUint16(b[8:], uint16(len(strings.Join(names, ";"))))
	binary.LittleEndian.PutUint16(b[10:], uint16(l.mention(p, f.Result)))
	binary.LittleEndian.PutUint32(b[12:], uint32(l.range21(p, f.Lifetimes)))
	var index [64]uint64
	for i, param := range f.Params {
		index[i] = l.mention(p, param.Type)
	}
	binary.LittleEndian.PutUint32(b[16:], uint32(len(f.Params))|uint32(index[0])<<10|uint32(index[1])<<20)
	binary.LittleEndian.PutUint32(b[20:], uint32(index[2])|uint32(index[3])<<10|uint32(index[4])<<20)
	if f.Unsafe {
		b[24] = 1
	}
	return b
}

func (l *library) integer(kind, value string) []byte {
	signed, _ := strconv.ParseInt(value, 10, 64)
	unsigned, err := strconv.ParseUint(value, 10, 64)
	if err != nil {
		unsigned = uint64(signed)
	}
	size := 1
	if i := slices.Index(primitives, kind); i < len(sizeOfPrimitive) {
		size = sizeOfPrimitive[i]
	} else if value == "true" {
		unsigned = 1
	}
	return binary.LittleEndian.AppendUint64(nil, unsigned)[:size]
}

func (l *library) reprBytes(repr string) (tag, value uint64) {
	named := []string{"option-nonzero", "primitive", "c", "", "transparent"}
	if i := slices.Index(named, repr); i >= 0 {
		return uint64(i), 0
	}
	if i := slices.Index(integers, strings.TrimPrefix(repr, "c+")); i >= 0 {
		if strings.HasPrefix(repr, "c+") {
			return 3, uint64(i)
		}
		return 5, uint64(i)
	}
	n, _ := strconv.Atoi(strings.TrimPrefix(repr, "packed-"))
	return 6, uint64(n)
}

func log2(n uint64) (log uint64) {
	for ; n > 1; n >>= 1 {
		log++
	}
	return log
}

func (l *library) typeLayout(g *Graph, t *Type) {
	p, at, mono := &parts{}, l.layouts[t.ID], l.room(152)
	l.put(at+8, 8, mono)
	if t.NonZero {
		l.put(at+16, 1, 1)
	}
	l.put(at+17, 1, log2(t.Align))
	l.put(at+24, 8, t.Size)
	if t.Tag {
		l.put(at+32, 8, l.room(8))
	}
	l.origin(t, mono)
	start := len(p.getters)
	for _, id := range t.TypeParams {
		l.mention(p, id)
	}
	l.put(mono+120, 4, uint64(start|len(t.TypeParams)<<16))
	l.put(mono+124, 4, uint64(len(t.ConstParams))<<16)
	l.put(mono+128, 1, uint64(t.Lifetimes))
	consts := l.consts(t)
	var phantom []byte
	for _, f := range t.Phantom {
		phantom = binary.LittleEndian.AppendUint64(phantom, l.fieldWord(p, f))
	}
	l.put(mono+136, 8, l.bytes(phantom))
	l.put(mono+144, 1, uint64(len(t.Phantom)))
	if t.Extra != nil {
		object, check := l.room(16), l.room(16)
		l.put(object+8, 8, check)
		l.put(check, 2, uint64(t.Extra.Auto))
		l.put(check+8, 8, t.Extra.Other)
		l.put(at+72, 8, object)
	}
	l.content(p, t, at+40, mono+64)
	l.shared(p, at, consts, len(t.ConstParams))
}

func (l *library) origin(t *Type, mono uint64) {
	l.put(mono+24, 8, l.bytes([]byte(t.Name)))
	l.put(mono+150, 2, uint64(len(t.Name)))
	origin := t.Package + ";" + t.Class + ".0.0"
	l.put(mono+32, 8, l.bytes([]byte(origin)))
	l.put(mono+40, 8, uint64(len(origin)))
	l.put(mono+48, 4, 7)
	l.put(mono+56, 8, l.bytes([]byte("some::module\x00")))
	tag, value := l.reprBytes(t.Repr)
	l.put(mono+145, 1, tag)
	l.put(mono+146, 1, value)
}

func (l *library) consts(t *Type) uint64 {
	list := l.room(16 * len(t.ConstParams))
	for i, c := range t.ConstParams {
		vtable := l.room(32)
		layout, mono := l.room(88), l.room(152)
		l.put(layout+8, 8, mono)
		l.put(mono+24, 8, l.bytes([]byte(c.Kind)))
		l.put(mono+150, 2, uint64(len(c.Kind)))
		l.put(mono+65, 1, uint64(slices.Index(primitives, c.Kind)))
		l.put(vtable+16, 8, layout)
		l.put(list+16*uint64(i), 8, l.bytes(l.integer(c.Kind, c.Value)))
		l.put(list+16*uint64(i)+8, 8, vtable)
	}
	return list
}

func (l *library) content(p *parts, t *Type, generic, mono uint64) {
	kind := uint64(slices.Index(kinds, t.Kind))
	l.put(generic, 4, kind)
	l.put(mono, 1, kind)
	switch t.Kind {
	case PrimitiveKind:
		l.put(mono+1, 1, uint64(slices.Index(primitives, t.Primitive)))
	case StructKind, UnionKind:
		l.fields(p, mono+8, t.Fields)
	case EnumKind:
		l.fields(p, mono+24, t.Fields)
		l.enum(p, t.Enum, generic, mono)
	case PrefixKind:
		l.fields(p, mono+24, t.Fields)
		l.put(mono+8, 1, uint64(t.Prefix.Fields))
		l.put(mono+16, 8, t.Prefix.Conditional)
		l.put(generic+8, 8, t.Prefix.Accessible)
	}
}

func (l *library) enum(p *parts, e *Enum, generic, mono uint64) {
	var counts, values []byte
	var names string
	for _, v := range e.Variants {
		counts = append(counts, byte(v.Fields))
		values = append(values, l.integer(e.Discriminants, v.Discriminant)...)
		names += v.Name + ";"
	}
	l.put(mono+8, 8, l.bytes(counts))
	l.put(mono+16, 2, uint64(len(counts)))
	l.put(mono+20, 4, p.text(names))
	l.put(generic+16, 1, uint64(slices.Index(discriminants, e.Discriminants)))
	l.put(generic+18, 2, uint64(len(counts)))
	l.put(generic+24, 8, l.bytes(values))
	if s := e.NonExhaustive; s != nil {
		storage := l.room(16)
		l.put(storage, 8, s.Size)
		l.put(storage+8, 1, log2(s.Align))
		l.put(generic+8, 8, storage)
	}
}

func (l *library) shared(p *parts, at, consts uint64, constsLen int) {
	shared, mono := l.room(32), l.room(24)
	var getters []byte
	for _, f := range p.getters {
		getters = binary.LittleEndian.AppendUint64(getters, f)
	}
	l.put(at, 8, shared)
	l.put(shared, 8, mono)
	l.put(shared+8, 8, l.bytes(getters))
	l.put(shared+16, 8, consts)
	l.put(shared+24, 2, uint64(len(p.getters)))
	l.put(shared+26, 2, uint64(constsLen))
	l.put(mono, 8, l.bytes([]byte(p.strings)))
	l.put(mono+8, 8, l.bytes(p.lifetimes))
	l.put(mono+16, 2, uint64(len(p.strings)))
	l.put(mono+18, 2, uint64(len(p.lifetimes)))
}
