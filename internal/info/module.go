package info

import (
	"cmp"
	"strings"

	"github.com/loadr-plugins/loadr/loader/layout"
)

// Module is what a native library's root module looks like, as its type layout says: what a host finds in it and
// can call. All of it is worked out from the layout; offsets are those of Rust's C representation.
type Module struct {
	Name   string        `json:"name"`
	Size   uint64        `json:"size"`  // bytes
	Align  uint64        `json:"align"` // bytes
	Fields []ModuleField `json:"fields"`
	Traits []Trait       `json:"traits"` // of the objects that the module's functions make, in the order of the fields
}

// ModuleField is one field. What is made by it is among the traits.
type ModuleField struct {
	Name   string `json:"name"`
	Type   string `json:"type"`   // in words, such as ROption<fn() -> FfiProtocol_TO>
	ID     int    `json:"id"`     // of the type in the graph
	Offset uint64 `json:"offset"` // bytes from the beginning of the module
	Size   uint64 `json:"size"`   // bytes
}

// Trait is an interface of an object that crosses the boundary.
type Trait struct {
	Name    string   `json:"name"`
	MadeBy  []string `json:"made_by"` // fields of the module
	Size    uint64   `json:"size"`    // bytes of the object, a pointer to its methods included
	Auto    []string `json:"auto"`    // Send, Sync, Unpin as required
	Methods []Method `json:"methods"`
}

// Method is one method. Its pointer lies in the table of methods at the offset.
type Method struct {
	Name      string `json:"name"`
	Signature string `json:"signature"` // such as execute(&self, RString) -> RString
	Offset    uint64 `json:"offset"`    // bytes
}

// moduleOf describes the root of a graph. A root that is not what abi_stable makes of a root module is described as it is.
func moduleOf(g *layout.Graph) *Module {
	if g == nil || len(g.Types) == 0 {
		return nil
	}
	t := g.Types[0]
	if pointed := pointedTo(g, t); pointed != nil {
		t = pointed
	}
	m := &Module{Name: t.Name, Align: t.Align, Fields: []ModuleField{}, Traits: []Trait{}}
	offsets, size := offsetsOf(g, t)
	m.Size = size
	for i, f := range t.Fields {
		m.Fields = append(m.Fields, ModuleField{f.Name, g.FieldType(f), f.Type, offsets[i], g.Types[f.Type].Size})
		for _, made := range f.Functions {
			m.addTrait(g, g.Types[made.Result], f.Name)
		}
	}
	return m
}

// addTrait describes an object that a field's function makes, once.
func (m *Module) addTrait(g *layout.Graph, object *layout.Type, maker string) {
	name := strings.TrimSuffix(object.Name, "_TO")
	for i := range m.Traits {
		if m.Traits[i].Name == name {
			m.Traits[i].MadeBy = append(m.Traits[i].MadeBy, maker)
			return
		}
	}
	inner, table := traitObject(g, object)
	if table == nil {
		return
	}
	trait := Trait{Name: name, MadeBy: []string{maker}, Size: object.Size, Auto: autoTraits(inner.Extra), Methods: []Method{}}
	offsets, _ := offsetsOf(g, table)
	for i, f := range table.Fields {
		if len(f.Functions) == 1 && !strings.HasPrefix(f.Name, "_sabi_") { // those are abi_stable's own
			trait.Methods = append(trait.Methods, Method{f.Name, f.Name + signature(g, f.Functions[0]), offsets[i]})
		}
	}
	m.Traits = append(m.Traits, trait)
}

// traitObject finds what abi_stable's sabi_trait makes: a struct around an RObject, whose table of methods is a prefix type.
// Nil for anything else.
func traitObject(g *layout.Graph, object *layout.Type) (inner, table *layout.Type) {
	inner = fieldType(g, object, "obj")
	if inner == nil {
		return nil, nil
	}
	if pointer := fieldType(g, inner, "vtable"); pointer != nil {
		table = pointedTo(g, pointer)
	}
	return inner, table
}

func fieldType(g *layout.Graph, t *layout.Type, name string) *layout.Type {
	for _, f := range t.Fields {
		if f.Name == name {
			return g.Types[f.Type]
		}
	}
	return nil
}

// pointedTo gives the module or table of methods behind abi_stable's pointer to one; nil for another type.
func pointedTo(g *layout.Graph, t *layout.Type) *layout.Type {
	if t.Name != "PrefixRef" || len(t.TypeParams) != 1 {
		return nil
	}
	if pointed := g.Types[t.TypeParams[0]]; pointed.Kind == layout.PrefixKind {
		return pointed
	}
	return nil
}

// offsetsOf gives where each field of a struct or prefix type begins, and where the last one ends, rounded up to the alignment.
func offsetsOf(g *layout.Graph, t *layout.Type) (offsets []uint64, size uint64) {
	for _, f := range t.Fields {
		field := g.Types[f.Type]
		size = roundUp(size, field.Align)
		offsets = append(offsets, size)
		size += field.Size
	}
	return offsets, roundUp(size, t.Align)
}

func roundUp(n, align uint64) uint64 {
	if align == 0 {
		return n
	}
	return (n + align - 1) / align * align
}

// signature writes a method's parameters and result; the first is a reference to the object.
func signature(g *layout.Graph, f layout.Function) string {
	words := make([]string, len(f.Params))
	for i, p := range f.Params {
		words[i] = g.TypeName(p.Type)
		if i == 0 && strings.HasPrefix(p.Name, "_self") {
			words[i] = cmp.Or(map[string]string{"RRef": "&self", "RMut": "&mut self"}[g.Types[p.Type].Name], words[i])
		}
	}
	text := "(" + strings.Join(words, ", ") + ")"
	if result := g.TypeName(f.Result); result != "()" {
		text += " -> " + result
	}
	return text
}

func autoTraits(check *layout.ExtraCheck) []string {
	names := []string{}
	if check == nil {
		return names
	}
	for bit, name := range []string{"Send", "Sync", "Unpin"} {
		if check.Auto&(1<<bit) != 0 {
			names = append(names, name)
		}
	}
	return names
}
