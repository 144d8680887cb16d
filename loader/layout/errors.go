package layout

import "fmt"

// GraphError says that a description of types is damaged, beyond every bound of docs/spec/layout.md, or of a kind that this
// package doesn't know. It wraps the Memory's error where that is the reason.
type GraphError struct {
	Path    string `json:"path"` // how the type was reached: names of types and fields from the root
	Problem string `json:"problem"`
	Err     error  `json:"-"`
}

func (e *GraphError) Error() string { return fmt.Sprintf("type layout: %s: %s", e.Path, e.Problem) }

// Unwrap gives the Memory's error, or nil.
func (e *GraphError) Unwrap() error { return e.Err }

// ShapeError says that the machine code of a function is not of a form whose result can be known without running it.
type ShapeError struct {
	Function uint64 `json:"function"` // address
	Code     []byte `json:"code"`     // its first bytes
}

func (e *ShapeError) Error() string {
	return fmt.Sprintf("function at %#x: expected code that only returns an address, found % x", e.Function, e.Code)
}

// TextError says where a text is not one of docs/spec/layout.md.
type TextError struct {
	Line    int    `json:"line"` // counted from 1
	Problem string `json:"problem"`
}

func (e *TextError) Error() string {
	return fmt.Sprintf("layout text, line %d: %s", e.Line, e.Problem)
}
