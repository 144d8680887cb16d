package layout

// fieldContext says what a list of fields is.
type fieldContext int

const (
	ownFields     fieldContext = iota
	phantomFields              // of a type, not of its value
	signature                  // a function's parameters and result
)

// resultName stands for a function's result among its parameters.
const resultName = "__returns"

// fields compares two lists in order. Only types that may grow may have more than is expected, and that holds for the
// lists of parameters of their functions too, where the name of the result then is another one.
func (c *checker) fields(order int, context fieldContext, w, g *Type, want, got []Field) {
	if n, m := len(want), len(got); n > m || n < m && !w.mayGrow() {
		c.problem(order, countRule[context], count(context, n), count(context, m))
	}
	for i := range min(len(want), len(got)) {
		wf, gf := want[i], got[i]
		c.enter(context, w, wf)
		switch {
		case wf.Name != gf.Name:
			c.problem(order, nameRule[context], c.want.named(context, wf), c.got.named(context, gf))
		case context == ownFields && !accessibleInBoth(w, g, i):
			c.outline(order, wf, gf)
		default:
			c.field(order, w, g, wf, gf)
		}
		c.leave()
	}
}

var (
	countRule = map[fieldContext]string{ownFields: "field-count", phantomFields: "field-count", signature: "parameter-count"}
	nameRule  = map[fieldContext]string{ownFields: "field-name", phantomFields: "field-name", signature: "parameter-name"}
)

func count(context fieldContext, n int) string {
	switch context {
	case phantomFields:
		return plural(n, "phantom field")
	case signature:
		return plural(n-1, "parameter")
	}
	return plural(n, "field")
}

// named describes a field whose name is not the expected one.
func (g *Graph) named(context fieldContext, f Field) string {
	switch {
	case f.Name == resultName && context == signature:
		return "the result, " + g.TypeName(f.Type)
	default:
		return f.Name + ": " + g.FieldType(f)
	}
}

// mayGrow says whether a later version may add fields.
func (t *Type) mayGrow() bool {
	return t.Kind == PrefixKind || t.Kind == EnumKind && t.Enum.NonExhaustive != nil
}

func accessibleInBoth(w, g *Type, i int) bool {
	if w.Kind != PrefixKind || g.Kind != PrefixKind {
		return true
	}
	return w.Prefix.Accessible&g.Prefix.Accessible>>i&1 == 1
}

// outline compares all that matters of a field that one side can't use.
func (c *checker) outline(order int, wf, gf Field) {
	w, g := c.want.Types[wf.Type], c.got.Types[gf.Type]
	if w.Size != g.Size {
		c.problem(order, "size", bytesOf(w.Size), bytesOf(g.Size))
	}
	if w.Align != g.Align {
		c.problem(order, "alignment", bytesOf(w.Align), bytesOf(g.Align))
	}
}

// field compares two fields of one name: lifetimes, functions, types. Functions are compared in order, as many as both have.
func (c *checker) field(order int, w, g *Type, wf, gf Field) {
	if wf.Lifetimes != gf.Lifetimes {
		c.problem(order, "field-lifetimes", orDash(wf.Lifetimes), orDash(gf.Lifetimes))
	}
	for i := range min(len(wf.Functions), len(gf.Functions)) {
		c.function(w, g, &wf.Functions[i], &gf.Functions[i])
	}
	c.pair(wf.Type, gf.Type)
}

func (c *checker) function(w, g *Type, wf, gf *Function) {
	c.order++
	order := c.order
	if wf.Lifetimes != gf.Lifetimes {
		c.problem(order, "function-lifetimes", orDash(wf.Lifetimes), orDash(gf.Lifetimes))
	}
	equal(c, order, "function-qualifiers", qualifiers(wf), qualifiers(gf))
	c.fields(order, signature, w, g, wf.signature(), gf.signature())
}

func qualifiers(f *Function) string {
	if f.Unsafe {
		return "unsafe fn"
	}
	return "fn"
}

// signature gives the parameters and the result as one list.
func (f *Function) signature() []Field {
	list := make([]Field, 0, len(f.Params)+1)
	for _, p := range f.Params {
		list = append(list, Field{Name: p.Name, Type: p.Type})
	}
	return append(list, Field{Name: resultName, Type: f.Result})
}
