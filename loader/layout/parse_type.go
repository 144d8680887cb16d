package layout

import (
	"slices"
	"strconv"
	"strings"
)

// typeLayout reads the lines of one type.
func (p *parser) typeLayout() {
	if len(p.types) == maxTypes {
		p.fail("more than %d types", maxTypes)
	}
	head := p.cut(p.need("type "), 2)
	if id := p.number(head[0], 31); p.err == nil && int(id) != len(p.types) {
		p.fail("expected type %d, found %d", len(p.types), id)
	}
	t := &Type{Name: p.name(head[1])}
	origin := p.cut(p.need("  package "), 2)
	t.Class, t.Package = p.class(origin[0]), p.name(origin[1])
	v := p.values(p.need("  layout "), "size", "align", "nonzero", "repr", "lifetimes")
	t.Size, t.Align, t.NonZero = p.number(v[0], 64), p.align(v[1]), p.yesNo(v[2])
	t.Repr, t.Lifetimes = p.repr(v[3]), int(p.number(v[4], 8))
	p.generics(t)
	p.checks(t)
	p.kind(t)
	p.types = append(p.types, t)
}

func (p *parser) class(s string) string {
	digits := strings.TrimPrefix(s, "0.")
	if n, err := strconv.ParseUint(digits, 10, 32); s == "?" || err == nil && digits == strconv.FormatUint(n, 10) && s != "0" {
		return s
	}
	p.fail("expected a compatibility class, found %q", s)
	return ""
}

func (p *parser) repr(s string) string {
	switch integer, power := strings.TrimPrefix(s, "c+"), strings.TrimPrefix(s, "packed-"); {
	case slices.Contains([]string{"option-nonzero", "primitive", "c", "transparent"}, s), slices.Contains(integers, integer):
	case power != s:
		p.number(power, 8)
	default:
		p.fail("unknown repr %q", s)
	}
	return s
}

func (p *parser) generics(t *Type) {
	for rest, ok := p.take("  type-param "); ok; rest, ok = p.take("  type-param ") {
		t.TypeParams = append(t.TypeParams, p.mention(rest))
	}
	for rest, ok := p.take("  const "); ok; rest, ok = p.take("  const ") {
		words := p.cut(rest, 2)
		t.ConstParams = append(t.ConstParams, Const{p.oneOf("type", words[0], constKinds), p.value(words[0], words[1])})
	}
	for rest, ok := p.take("  phantom "); ok; rest, ok = p.take("  phantom ") {
		t.Phantom = append(t.Phantom, p.field(rest))
	}
}

// value reads a value of one of the integer types or bool.
func (p *parser) value(kind, s string) string {
	signed, err := strconv.ParseInt(s, 10, 64)
	switch {
	case kind == "bool":
		p.oneOf("bool", s, []string{"true", "false"})
	case strings.HasPrefix(kind, "u"):
		p.number(s, 64)
	case err != nil || s != strconv.FormatInt(signed, 10):
		p.fail("expected a number, found %q", s)
	}
	return s
}

func (p *parser) checks(t *Type) {
	if rest, ok := p.take("  required-traits "); ok {
		v := p.values(rest, "auto", "other")
		t.Extra = &ExtraCheck{Known: true, Auto: uint16(p.bitSet(v[0], 16)), Other: p.bitSet(v[1], 64)}
	} else if _, ok := p.take("  extra-check"); ok {
		t.Extra = &ExtraCheck{}
	}
	_, t.Tag = p.take("  tag")
}

func (p *parser) kind(t *Type) {
	for _, kind := range []Kind{OpaqueKind, StructKind, UnionKind} {
		if _, ok := p.take("  " + string(kind)); ok {
			t.Kind = kind
			if kind != OpaqueKind {
				t.Fields = p.fields()
			}
			return
		}
	}
	if rest, ok := p.take("  primitive "); ok {
		t.Kind, t.Primitive = PrimitiveKind, p.oneOf("primitive", rest, primitives)
	} else if rest, ok := p.take("  enum "); ok {
		t.Kind, t.Enum = EnumKind, p.enum(rest)
		p.variants(t)
	} else {
		v := p.values(p.need("  prefix "), "fields", "conditional", "accessible")
		t.Kind = PrefixKind
		t.Prefix = &Prefix{int(p.number(v[0], 8)), p.bitSet(v[1], 64), p.bitSet(v[2], 64)}
		t.Fields = p.fields()
		if n := len(t.Fields); n > maxPrefixFields || t.Prefix.Accessible&^(1<<n-1) != 0 {
			p.fail("prefix type with %d fields and accessible fields %s", n, v[2])
		}
	}
}

func (p *parser) enum(rest string) *Enum {
	exhaustive, storage, open := strings.Cut(rest, " nonexhaustive ")
	v := p.values(exhaustive, "discriminants")
	e := &Enum{Discriminants: p.oneOf("discriminants", v[0], discriminants), Variants: []Variant{}}
	if open {
		v := p.values(storage, "size", "align")
		e.NonExhaustive = &Storage{p.number(v[0], 64), p.align(v[1])}
	}
	return e
}

func (p *parser) variants(t *Type) {
	for rest, ok := p.take("    variant "); ok; rest, ok = p.take("    variant ") {
		words := p.cut(rest, 2)
		v := Variant{Discriminant: p.value(t.Enum.Discriminants, words[0]), Name: p.name(words[1])}
		fields := p.fields()
		if v.Fields = len(fields); v.Fields > 255 || strings.Contains(v.Name, ";") {
			p.fail("variant %q with %d fields", v.Name, v.Fields)
		}
		t.Fields = append(t.Fields, fields...)
		t.Enum.Variants = append(t.Enum.Variants, v)
	}
}

func (p *parser) fields() []Field {
	var fields []Field
	for rest, ok := p.take("    field "); ok; rest, ok = p.take("    field ") {
		f := p.field(rest)
		f.Functions = p.functions()
		fields = append(fields, f)
	}
	return fields
}

// field reads what follows the word on a field's line.
func (p *parser) field(rest string) Field {
	words := p.cut(rest, 3)
	return Field{Type: p.mention(words[0]), Lifetimes: p.lifetimes(words[1]), Name: p.name(words[2])}
}

func (p *parser) functions() []Function {
	var functions []Function
	for {
		lifetimes, ok := p.take("      fn ")
		unsafe := false
		if !ok {
			if lifetimes, unsafe = p.take("      unsafe-fn "); !unsafe {
				return functions
			}
		}
		f := Function{Unsafe: unsafe, Lifetimes: p.lifetimes(lifetimes), Params: p.params()}
		f.Result = p.mention(p.need("        result "))
		functions = append(functions, f)
	}
}

func (p *parser) params() []Param {
	params := []Param{}
	for rest, ok := p.take("        param "); ok; rest, ok = p.take("        param ") {
		words := p.cut(rest, 2)
		params = append(params, Param{Type: p.mention(words[0]), Name: p.name(words[1])})
	}
	if len(params) > maxParams {
		p.fail("function with %d parameters", len(params))
	}
	return params
}
