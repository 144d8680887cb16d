package layout

import (
	"fmt"
	"strings"
)

// step is one step from a type to a part of it.
type step struct {
	context fieldContext
	owner   *Type
	field   Field
}

func (c *checker) enter(context fieldContext, owner *Type, f Field) {
	c.steps = append(c.steps, step{context, owner, f})
}

func (c *checker) leave() { c.steps = c.steps[:len(c.steps)-1] }

// path names the place being compared, as an author knows it: PluginMod.make_protocol() ->
// FfiProtocol_TO...execute(param_1). The inner parts of abi_stable's own types stand as "...", but for the last one.
func (c *checker) path() string {
	p := pathText{}
	for _, s := range c.steps {
		p.add(s, c.want)
	}
	return p.end(c.want.Types[0])
}

type pathText struct {
	strings.Builder
	hidden int // steps since the last one that was written
	last   string
	target *Type
}

func (p *pathText) add(s step, g *Graph) {
	p.target = g.Types[s.field.Type]
	switch {
	case s.context == signature && s.field.Name == resultName:
		p.unhide()
		p.WriteString("() -> " + p.target.Name)
	case s.context == signature:
		p.unhide()
		p.WriteString("(" + shortParam(s.field.Name) + ")")
	case s.plumbing():
		p.hidden++
		p.last = s.field.Name
	default:
		if p.Len() == 0 {
			p.WriteString(s.owner.Name)
		} else if p.hidden > 0 {
			p.WriteString("..")
		}
		p.WriteString("." + s.field.Name)
		p.hidden = 0
	}
}

// unhide writes the last hidden step, if any.
func (p *pathText) unhide() {
	if p.hidden > 1 {
		p.WriteString("..")
	}
	if p.hidden > 0 {
		p.WriteString("." + p.last)
	}
	p.hidden = 0
}

// end writes what is left and gives the path.
func (p *pathText) end(root *Type) string {
	switch {
	case p.hidden > 0 && !p.target.plumbing():
		if p.Len() > 0 {
			p.WriteString("...")
		}
		p.WriteString(p.target.Name)
	case p.Len() == 0:
		p.WriteString(root.Name)
		p.unhide()
	default:
		p.unhide()
	}
	return p.String()
}

// plumbing says that a step leads through the inside of what abi_stable provides.
func (s step) plumbing() bool {
	return s.owner.plumbing() || s.context == phantomFields || strings.HasSuffix(s.owner.Name, "_TO") && s.field.Name == "obj"
}

func (t *Type) plumbing() bool { return t.Package == abiStable || t.Package == std }

// shortParam drops what abi_stable 0.11 puts behind the first parameter's name: it joins the names by commas and splits
// them at semicolons.
func shortParam(name string) string {
	short, _, _ := strings.Cut(name, ",")
	if short == "" {
		return "param_0"
	}
	return short
}

// Bounds on a type's name: a hostile library's types may mention themselves and one another many times over.
const (
	nameDepth = 4  // of parameters within parameters
	nameWords = 24 // names in one name
)

// TypeName gives the name of a type as people know it: u32, &u8, [u8; 16], RResult<(), RString>. abi_stable 0.11 doesn't
// keep all type parameters, so only what can be known is shown, and "..." stands for what is too much.
func (g *Graph) TypeName(id int) string {
	words := nameWords
	return g.typeName(id, nameDepth, &words)
}

func (g *Graph) typeName(id, depth int, words *int) string {
	if *words--; *words < 0 {
		return "..."
	}
	t := g.Types[id]
	if depth == 0 {
		return t.Name
	}
	params := g.paramNames(t, depth-1, words)
	switch {
	case len(params) == 0:
		return t.Name
	case t.Primitive == "array" && len(t.ConstParams) == 1:
		return fmt.Sprintf("[%s; %s]", params[0], t.ConstParams[0].Value)
	case t.Primitive == "shared-ref":
		return "&" + params[0]
	case t.Kind == PrimitiveKind: // *const, *mut, &mut
		return t.Name + " " + params[0]
	}
	return t.Name + "<" + strings.Join(params, ", ") + ">"
}

// paramNames gives a type's type parameters: as the layout has them for the types that abi_stable describes by hand, and
// for its option and result from their content.
func (g *Graph) paramNames(t *Type, depth int, words *int) []string {
	ids := t.TypeParams
	switch {
	case t.Package == abiStable && (t.Name == "ROption" || t.Name == "RResult"):
		ids = nil
		for _, f := range t.Fields[:min(len(t.Fields), nameWords)] {
			ids = append(ids, f.Type)
		}
	case t.Package != std && t.Name != "PrefixRef":
		return nil
	}
	var names []string
	for i := 0; i < len(ids) && *words >= 0; i++ {
		names = append(names, g.typeName(ids[i], depth, words))
	}
	return names
}

// functionPointer is the name of the type that stands for any function pointer.
const functionPointer = "AFunctionPointer"

// FieldType gives the type of a field as people know it: function pointers with their signature, "fn() -> RString".
func (g *Graph) FieldType(f Field) string {
	name := g.TypeName(f.Type)
	if len(f.Functions) == 1 {
		return strings.Replace(name, functionPointer, g.Signature(f.Functions[0]), 1)
	}
	return name
}

// Signature gives a function's type: "unsafe fn(RRef, RString) -> RString".
func (g *Graph) Signature(f Function) string {
	params := make([]string, len(f.Params))
	for i, p := range f.Params {
		params[i] = g.TypeName(p.Type)
	}
	text := qualifiers(&f) + "(" + strings.Join(params, ", ") + ")"
	if result := g.TypeName(f.Result); result != "()" {
		text += " -> " + result
	}
	return text
}

// sized is a type's name with its size.
func (g *Graph) sized(t *Type) string { return fmt.Sprintf("%s (size %d)", g.TypeName(t.ID), t.Size) }
