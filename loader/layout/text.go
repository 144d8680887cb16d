package layout

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"strconv"
)

// format is the text's first line, and the scheme of its digest.
const format = "layout-v1"

// Text writes the canonical text of docs/spec/layout.md.
func (g *Graph) Text() []byte {
	w := writer{mention: strconv.Itoa}
	w.line(format)
	for _, t := range g.Types {
		w.line("type %d %s", t.ID, t.Name)
		w.typeLines(t)
	}
	return w.Bytes()
}

// Digest names the layout: "layout-v1:sha256:" and 64 hexadecimal digits.
func (g *Graph) Digest() string {
	return fmt.Sprintf("%s:sha256:%x", format, sha256.Sum256(g.Text()))
}

// writer writes lines. How a mention of a type is written is its user's.
type writer struct {
	bytes.Buffer
	mention func(id int) string
}

func (w *writer) line(format string, args ...any) {
	fmt.Fprintf(w, format, args...)
	w.WriteByte('\n')
}

// typeLines writes all lines of a type but the first.
func (w *writer) typeLines(t *Type) {
	w.line("  package %s %s", t.Class, t.Package)
	w.line("  layout size=%d align=%d nonzero=%s repr=%s lifetimes=%d", t.Size, t.Align, yesNo(t.NonZero), t.Repr, t.Lifetimes)
	for _, id := range t.TypeParams {
		w.line("  type-param %s", w.mention(id))
	}
	for _, c := range t.ConstParams {
		w.line("  const %s %s", c.Kind, c.Value)
	}
	for _, f := range t.Phantom {
		w.line("  phantom %s %s %s", w.mention(f.Type), orDash(f.Lifetimes), f.Name)
	}
	w.checks(t)
	w.kind(t)
}

func (w *writer) checks(t *Type) {
	switch {
	case t.Extra != nil && t.Extra.Known:
		w.line("  required-traits auto=%#x other=%#x", t.Extra.Auto, t.Extra.Other)
	case t.Extra != nil:
		w.line("  extra-check")
	}
	if t.Tag {
		w.line("  tag")
	}
}

func (w *writer) kind(t *Type) {
	switch t.Kind {
	case PrimitiveKind:
		w.line("  primitive %s", t.Primitive)
	case EnumKind:
		w.enum(t)
		return
	case PrefixKind:
		w.line("  prefix fields=%d conditional=%#x accessible=%#x", t.Prefix.Fields, t.Prefix.Conditional, t.Prefix.Accessible)
	default:
		w.line("  %s", t.Kind)
	}
	w.fields(t.Fields)
}

func (w *writer) enum(t *Type) {
	if s := t.Enum.NonExhaustive; s != nil {
		w.line("  enum discriminants=%s nonexhaustive size=%d align=%d", t.Enum.Discriminants, s.Size, s.Align)
	} else {
		w.line("  enum discriminants=%s", t.Enum.Discriminants)
	}
	fields := t.Fields
	for _, v := range t.Enum.Variants {
		w.line("    variant %s %s", v.Discriminant, v.Name)
		w.fields(fields[:v.Fields])
		fields = fields[v.Fields:]
	}
}

func (w *writer) fields(fields []Field) {
	for _, f := range fields {
		w.line("    field %s %s %s", w.mention(f.Type), orDash(f.Lifetimes), f.Name)
		for _, function := range f.Functions {
			w.function(function)
		}
	}
}

func (w *writer) function(f Function) {
	word := "fn"
	if f.Unsafe {
		word = "unsafe-fn"
	}
	w.line("      %s %s", word, orDash(f.Lifetimes))
	for _, p := range f.Params {
		w.line("        param %s %s", w.mention(p.Type), p.Name)
	}
	w.line("        result %s", w.mention(f.Result))
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
