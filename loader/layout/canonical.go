package layout

import (
	"encoding/binary"
	"slices"
)

// canonical makes the graph of docs/spec/layout.md out of types that mention one another by index, the root first: those
// that the text could not tell apart become one, and all are numbered by first mention. Types that the root does not
// reach are left out.
func canonical(types []*Type) *Graph {
	classes := divide(types)
	first := map[int]int{} // of a class: the type that stands for it
	for i := len(types) - 1; i >= 0; i-- {
		first[classes[i]] = i
	}
	number := map[int]int{} // of a class: its type's place in the graph
	g := &Graph{}
	mention := func(i int) int {
		class := classes[i]
		id, known := number[class]
		if !known {
			id = len(number)
			number[class] = id
			g.Types = append(g.Types, types[first[class]])
		}
		return id
	}
	mention(0)
	for i := 0; i < len(g.Types); i++ { // grows meanwhile
		t := *g.Types[i]
		t.ID = i
		t.renumber(mention)
		g.Types[i] = &t
	}
	return g
}

// divide gives each type its class in the coarsest division whose members have the same lines, with mentions replaced by
// classes. It starts from the lines without mentions and splits until that makes no more classes.
func divide(types []*Type) []int {
	mentions := make([][]int, len(types))
	classes := make([]int, len(types))
	seen := map[string]int{}
	for i, t := range types {
		w := writer{mention: func(id int) string { mentions[i] = append(mentions[i], id); return "" }}
		w.WriteString(t.Name + "\n")
		w.typeLines(t)
		classes[i] = intern(seen, w.String())
	}
	for before := 0; len(seen) > before; {
		before = len(seen)
		classes, seen = split(classes, mentions)
	}
	return classes
}

// split divides each class by the classes that its members mention.
func split(classes []int, mentions [][]int) ([]int, map[string]int) {
	next := make([]int, len(classes))
	seen := map[string]int{}
	var key []byte
	for i := range classes {
		key = binary.AppendUvarint(key[:0], uint64(classes[i]))
		for _, id := range mentions[i] {
			key = binary.AppendUvarint(key, uint64(classes[id]))
		}
		next[i] = intern(seen, string(key))
	}
	return next, seen
}

func intern(seen map[string]int, key string) int {
	id, known := seen[key]
	if !known {
		id = len(seen)
		seen[key] = id
	}
	return id
}

// renumber replaces each mention, in the text's order, on copies of the lists: other types' graphs keep theirs.
func (t *Type) renumber(mention func(int) int) {
	t.TypeParams = slices.Clone(t.TypeParams)
	for i := range t.TypeParams {
		t.TypeParams[i] = mention(t.TypeParams[i])
	}
	t.Phantom = renumberFields(t.Phantom, mention)
	t.Fields = renumberFields(t.Fields, mention)
}

func renumberFields(fields []Field, mention func(int) int) []Field {
	fields = slices.Clone(fields)
	for i := range fields {
		f := &fields[i]
		f.Type = mention(f.Type)
		f.Functions = slices.Clone(f.Functions)
		for j := range f.Functions {
			f.Functions[j].renumber(mention)
		}
	}
	return fields
}

func (f *Function) renumber(mention func(int) int) {
	f.Params = slices.Clone(f.Params)
	for i := range f.Params {
		f.Params[i].Type = mention(f.Params[i].Type)
	}
	f.Result = mention(f.Result)
}
