package layout

// Offsets gives the place of each field of a type, in bytes from its start, as the C language lays it out; a union's are
// all 0. Nil for types that have no such order: primitive and opaque ones and enums. Of a prefix type they hold for the
// module or vtable itself, behind the 16 bytes of its head; an inaccessible field has a place too.
func (g *Graph) Offsets(t *Type) []uint64 {
	switch t.Kind {
	case StructKind, UnionKind, PrefixKind:
	default:
		return nil
	}
	offsets := make([]uint64, len(t.Fields))
	end := uint64(0)
	for i, f := range t.Fields {
		field := g.Types[f.Type]
		if t.Kind != UnionKind {
			offsets[i] = (end + field.Align - 1) &^ (field.Align - 1)
			end = offsets[i] + field.Size
		}
	}
	return offsets
}
