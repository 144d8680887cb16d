package layout

// Graph has a root type, the first, and all that it mentions, each once, in the order of docs/spec/layout.md. It does not
// change after it was made, so many goroutines may use it.
type Graph struct {
	Types []*Type `json:"types"`
}

// Type is one type of the interface. What the check doesn't look at is marked "shown".
type Type struct {
	ID             int         `json:"id"` // its place in Graph.Types, by which others mention it
	Name           string      `json:"name"`
	Package        string      `json:"package"`                   // that declares the type
	Class          string      `json:"class"`                     // of the package's version: "1", "0.11", "?" for no version
	PackageVersion string      `json:"package_version,omitempty"` // shown; empty in a graph that was parsed
	Module         string      `json:"module,omitempty"`          // shown: path of the module; empty in a graph that was parsed
	Line           uint32      `json:"line,omitempty"`            // shown: where in the source; 0: unknown
	Size           uint64      `json:"size"`                      // bytes
	Align          uint64      `json:"align"`                     // bytes
	NonZero        bool        `json:"nonzero"`                   // an Option of it takes no more room
	Repr           string      `json:"repr"`                      // c, transparent, u8, c+u8, primitive, option-nonzero, packed-N
	Lifetimes      int         `json:"lifetimes,omitempty"`       // how many lifetime parameters
	TypeParams     []int       `json:"type_params,omitempty"`     // not compared, but part of the name
	ConstParams    []Const     `json:"const_params,omitempty"`
	Phantom        []Field     `json:"phantom,omitempty"` // compared like fields, but nothing of the type's value
	Extra          *ExtraCheck `json:"extra_check,omitempty"`
	Tag            bool        `json:"tag,omitempty"` // it has a tag, whose content is not read
	Kind           Kind        `json:"kind"`
	Primitive      string      `json:"primitive,omitempty"` // of a Primitive: u32, shared-ref, ...
	Enum           *Enum       `json:"enum,omitempty"`      // of an EnumKind
	Prefix         *Prefix     `json:"prefix,omitempty"`    // of a PrefixKind
	Fields         []Field     `json:"fields,omitempty"`    // an enum's are those of all variants
}

// Kind says what a type is.
type Kind string

// The kinds. A prefix type is a module or a vtable, to which later versions may add fields.
const (
	PrimitiveKind Kind = "primitive"
	OpaqueKind    Kind = "opaque"
	StructKind    Kind = "struct"
	UnionKind     Kind = "union"
	EnumKind      Kind = "enum"
	PrefixKind    Kind = "prefix"
)

// Const is the value of a const parameter.
type Const struct {
	Kind  string `json:"kind"`  // the value's type: usize, bool, ...
	Value string `json:"value"` // decimal, true or false
}

// ExtraCheck is a check that a type brings along. Only abi_stable's RequiredTraits is known, by its bits: those of auto
// traits must be equal, those of other traits may be more. docs/spec/layout.md names the bits.
type ExtraCheck struct {
	Known bool   `json:"known"` // false: of another package, so what it checks is unknown
	Auto  uint16 `json:"auto"`
	Other uint64 `json:"other"`
}

// Enum is what an enum has beside its fields.
type Enum struct {
	Discriminants string    `json:"discriminants"`           // integer type of the discriminants
	NonExhaustive *Storage  `json:"nonexhaustive,omitempty"` // nil: no variants may be added later
	Variants      []Variant `json:"variants"`
}

// Storage is the size and alignment of an enum that may get more variants, without the room kept for them.
type Storage struct {
	Size  uint64 `json:"size"`  // bytes
	Align uint64 `json:"align"` // bytes
}

// Variant is one variant of an enum.
type Variant struct {
	Name         string `json:"name"`
	Discriminant string `json:"discriminant"` // decimal
	Fields       int    `json:"fields"`       // how many of the type's fields, in order, are this variant's
}

// Prefix is what a prefix type has beside its fields. Bit i of a set is field i.
type Prefix struct {
	Fields      int    `json:"fields"`      // those before the first that may be missing
	Conditional uint64 `json:"conditional"` // accessible only under a condition
	Accessible  uint64 `json:"accessible"`
}

// Field is one field of a type. The functions are all function pointers within its type, in order.
type Field struct {
	Name       string     `json:"name"`
	Type       int        `json:"type"`
	Lifetimes  string     `json:"lifetimes,omitempty"` // such as "'0,'none"; empty for none
	Functions  []Function `json:"functions,omitempty"`
	IsFunction bool       `json:"is_function,omitempty"` // shown: the field itself is a function pointer
}

// Function is the signature of a function pointer.
type Function struct {
	Name      string  `json:"name,omitempty"` // shown; empty in a graph that was parsed
	Unsafe    bool    `json:"unsafe,omitempty"`
	Lifetimes string  `json:"lifetimes,omitempty"` // of parameters and result
	Params    []Param `json:"params"`
	Result    int     `json:"result"` // the type "()" for none
}

// Param is one parameter.
type Param struct {
	Name string `json:"name"` // param_0 and so on where the source gives none
	Type int    `json:"type"`
}
