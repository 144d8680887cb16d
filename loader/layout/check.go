package layout

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/loadr-plugins/loadr/manifest"
)

// Check says whether a library whose root module has the layout got can be used by a host that expects want: nil if it
// can, else the problems, from the outside in. It is the rule of abi_stable 0.11's check_layout_compatibility, with two
// differences that only refuse more: a tag, or an extra check that isn't abi_stable's own, is a problem wherever the
// check meets it, because this program cannot say what they demand. The registry in which abi_stable compares libraries
// with one another is left out, as this program reads no fields but those it expects. docs/spec/native-abi.md lists the
// rules by their words.
func Check(want, got *Graph) []manifest.Problem {
	c := &checker{want: want, got: got, seen: map[[2]int]bool{}}
	w, g := want.Types[0], got.Types[0]
	if w.Kind == PrefixKind || g.Kind == PrefixKind { // only a reference to a prefix type can be a root
		c.problem(0, "kind", kindOfRoot, describeRoot(w, g))
	} else {
		c.pair(0, 0)
	}
	slices.SortStableFunc(c.problems, func(a, b ordered) int { return cmp.Compare(a.order, b.order) })
	var problems []manifest.Problem
	for _, p := range c.problems {
		problems = append(problems, p.Problem)
	}
	return problems
}

const kindOfRoot = "a reference to a prefix type"

func describeRoot(w, g *Type) string {
	if g.Kind == PrefixKind {
		return "prefix type " + g.Name
	}
	return g.Name + ", where the host expects prefix type " + w.Name
}

// checker compares pairs of types, each pair once: one that is being compared counts as compatible, which ends cycles.
type checker struct {
	want, got *Graph
	seen      map[[2]int]bool
	steps     []step // from the root to the place being compared
	order     int    // of the type or function being compared: problems are told in the order in which these were entered
	problems  []ordered
}

type ordered struct {
	order int
	manifest.Problem
}

func (c *checker) problem(order int, rule, want, got string) {
	switch {
	case len(c.problems) < maxProblems:
		c.problems = append(c.problems, ordered{order, manifest.Problem{Path: c.path(), Rule: rule, Want: want, Got: got}})
	case len(c.problems) == maxProblems:
		c.problems = append(c.problems, ordered{1 << 62, manifest.Problem{
			Path: c.want.Types[0].Name, Rule: "limit", Want: fmt.Sprintf("at most %d problems", maxProblems), Got: "more"}})
	}
}

// equal tells of a difference between two values.
func equal[T comparable](c *checker, order int, rule string, want, got T) {
	if want != got {
		c.problem(order, rule, fmt.Sprint(want), fmt.Sprint(got))
	}
}

// pair compares two types.
func (c *checker) pair(wantID, gotID int) {
	key := [2]int{wantID, gotID}
	if c.seen[key] {
		return
	}
	if len(c.seen) == maxPairs {
		c.problem(c.order, "limit", fmt.Sprintf("at most %d pairs of types", maxPairs), "more")
		return
	}
	c.seen[key] = true
	c.order++
	order, w, g := c.order, c.want.Types[wantID], c.got.Types[gotID]
	if !c.sameOrigin(order, w, g) {
		return
	}
	equal(c, order, "nonzero", w.NonZero, g.NonZero)
	equal(c, order, "repr", w.Repr, g.Repr)
	c.generics(order, w, g)
	c.fields(order, phantomFields, w, g, w.Phantom, g.Phantom)
	if w.Size > g.Size || w.Size < g.Size && w.Kind != PrefixKind {
		c.problem(order, "size", bytesOf(w.Size), bytesOf(g.Size))
	}
	if w.Align != g.Align {
		c.problem(order, "alignment", bytesOf(w.Align), bytesOf(g.Align))
	}
	c.checks(order, w, g)
	c.content(order, w, g)
}

func bytesOf(n uint64) string { return plural(n, "byte") }

// plural counts things: 1 byte, 2 bytes.
func plural[T int | uint64](n T, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprint(n, " "+thing+"s")
}

// sameOrigin says whether there is any point in comparing further: abi_stable stops at a type of another name or
// package, or whose package has no version.
func (c *checker) sameOrigin(order int, w, g *Type) bool {
	switch {
	case w.Name != g.Name:
		c.problem(order, "type", c.want.sized(w), c.got.sized(g))
		return false
	case w.Package != g.Package:
		c.problem(order, "package", w.Package, g.Package)
		return false
	case w.Class != g.Class || w.Class == "?":
		c.problem(order, "package-version", w.version(), g.version())
		return w.Class != "?" && g.Class != "?"
	}
	return true
}

func (t *Type) version() string {
	if t.PackageVersion == "" {
		return t.Package + " " + t.Class
	}
	return t.Package + " " + t.PackageVersion
}

// generics compares what of a type's parameters is compared; its type parameters are not.
func (c *checker) generics(order int, w, g *Type) {
	if w.Lifetimes != g.Lifetimes || len(w.ConstParams) != len(g.ConstParams) {
		c.problem(order, "generics", countOf(w), countOf(g))
	}
	for i := range min(len(w.ConstParams), len(g.ConstParams)) {
		equal(c, order, "const-parameter", w.ConstParams[i].String(), g.ConstParams[i].String())
	}
}

func countOf(t *Type) string {
	return fmt.Sprintf("%d lifetime and %d const parameters", t.Lifetimes, len(t.ConstParams))
}

// String gives the value with its type, as Rust writes it: 16usize.
func (p Const) String() string { return p.Value + p.Kind }

// content compares what a type is and has.
func (c *checker) content(order int, w, g *Type) {
	equal(c, order, "kind", w.Kind, g.Kind)
	if w.Kind != g.Kind {
		return
	}
	switch w.Kind {
	case PrimitiveKind:
		equal(c, order, "primitive", w.Primitive, g.Primitive)
	case EnumKind:
		c.enum(order, w, g)
	case PrefixKind:
		equal(c, order, "prefix-fields", plural(w.Prefix.Fields, "prefix field"), plural(g.Prefix.Fields, "prefix field"))
		equal(c, order, "conditional-fields", fmt.Sprintf("%#x", w.Prefix.Conditional), fmt.Sprintf("%#x", g.Prefix.Conditional))
	}
	c.fields(order, ownFields, w, g, w.Fields, g.Fields)
}

// enum compares everything of two enums but their fields.
func (c *checker) enum(order int, w, g *Type) {
	we, ge := w.Enum, g.Enum
	if equal(c, order, "exhaustiveness", we.openness(), ge.openness()); we.NonExhaustive != nil && ge.NonExhaustive != nil {
		c.storage(order, w)
		c.storage(order, g)
	}
	n, m := len(we.Variants), len(ge.Variants)
	if n > m || n < m && we.NonExhaustive == nil {
		c.problem(order, "variant-count", plural(n, "variant"), plural(m, "variant"))
	}
	equal(c, order, "discriminant-type", we.Discriminants, ge.Discriminants)
	total := 0
	for i := range min(n, m) {
		wv, gv := we.Variants[i], ge.Variants[i]
		total += wv.Fields
		if we.Discriminants == ge.Discriminants {
			equal(c, order, "discriminant", wv.Name+" = "+wv.Discriminant, wv.Name+" = "+gv.Discriminant)
		}
		equal(c, order, "variant-field-count", wv.Name+" with "+plural(wv.Fields, "field"), wv.Name+" with "+plural(gv.Fields, "field"))
		equal(c, order, "variant-name", wv.Name, gv.Name)
	}
	if fields := min(len(w.Fields), len(g.Fields)); total != fields {
		c.problem(order, "field-count", plural(total, "field")+" in all variants", plural(fields, "field")+" in all variants")
	}
}

func (e *Enum) openness() string {
	if e.NonExhaustive == nil {
		return "exhaustive"
	}
	return "nonexhaustive"
}

// storage checks that an enum that may grow keeps enough room for what it has.
func (c *checker) storage(order int, t *Type) {
	if s := t.Enum.NonExhaustive; t.Size < s.Size || t.Align < s.Align {
		c.problem(order, "storage", fmt.Sprintf("at least %d bytes aligned to %d", s.Size, s.Align),
			fmt.Sprintf("%d bytes aligned to %d", t.Size, t.Align))
	}
}
