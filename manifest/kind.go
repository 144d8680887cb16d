package manifest

import "slices"

// Kind says what a plugin extends in a test plan.
type Kind string

// The kinds. Native libraries provide the first three, WebAssembly components the last two.
const (
	Protocol  Kind = "protocol"
	Output    Kind = "output"
	Service   Kind = "service"
	Extractor Kind = "extractor"
	Assertion Kind = "assertion"
)

// Type says what the entry file is.
type Type string

// The types.
const (
	Native Type = "native"
	Wasm   Type = "wasm"
)

// Types lists every type, in the order in which messages name them.
func Types() []Type { return []Type{Native, Wasm} }

// Kinds lists the kinds that the engine can load from an entry of type t; nil for an unknown type.
func (t Type) Kinds() []Kind {
	switch t {
	case Native:
		return []Kind{Protocol, Output, Service}
	case Wasm:
		return []Kind{Extractor, Assertion}
	}
	return nil
}

// Kinds lists every kind, in the order in which messages name them.
func Kinds() []Kind { return slices.Concat(Native.Kinds(), Wasm.Kinds()) }
