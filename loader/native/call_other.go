//go:build !((linux || darwin || windows) && (amd64 || arm64))

package native

import (
	"unsafe"

	"github.com/ebitengine/purego"
)

// hostsRust says whether this package knows how Rust's functions are called here.
const hostsRust = false

// frame is never used here.
type frame struct {
	self uintptr
	text rString
	out  [5]uintptr
}

func (f *frame) callForResult(uintptr) { panic("native: not hosted on this platform") }
func (f *frame) call(uintptr)          { panic("native: not hosted on this platform") }

// wordCall is one call of a function whose arguments and result each fit a register.
type wordCall struct {
	a      unsafe.Pointer
	b      uintptr
	c      unsafe.Pointer
	result uintptr
}

// call calls fn.
func (w *wordCall) call(fn uintptr) {
	w.result, _, _ = purego.SyscallN(fn, uintptr(w.a), w.b, uintptr(w.c))
}
