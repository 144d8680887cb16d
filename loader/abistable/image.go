package abistable

import (
	"fmt"

	"github.com/loadr-plugins/loadr/loader/layout"
)

// image is what this package needs of a *binfile.Image.
type image interface {
	Read(address, n uint64) ([]byte, error)
	Executable(address uint64) bool
}

// imageMemory makes a file's image a Memory: functions are not called, their code is recognised.
type imageMemory struct {
	image
	machine string
}

// codeError says that a function is not where code is.
type codeError struct{ address uint64 }

func (e *codeError) Error() string { return fmt.Sprintf("expected code at %#x, found none", e.address) }

// Result decodes a getter. A function at the end of its segment has fewer bytes behind it than the longest form.
func (m imageMemory) Result(function uint64) (uint64, error) {
	if !m.Executable(function) {
		return 0, &codeError{function}
	}
	var code []byte
	var err error
	for n := uint64(getterSize); n >= getterSize/4; n /= 2 {
		if code, err = m.Read(function, n); err == nil {
			break
		}
	}
	if err != nil {
		return 0, err
	}
	result, ok := getter(m.machine, function, code)
	if !ok {
		return 0, &layout.ShapeError{Function: function, Code: append([]byte(nil), code...)}
	}
	return result, nil
}
