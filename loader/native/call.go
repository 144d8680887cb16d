//go:build (linux || darwin || windows) && (amd64 || arm64)

package native

import (
	"unsafe"

	_ "github.com/ebitengine/purego" // sets the runtime up for calls of C functions where cgo is off
)

// hostsRust says whether this package knows how Rust's functions are called here.
const hostsRust = true

// A frame is one call of a function of an abi_stable library:
//
//	extern "C" fn(self, text: RString) -> R
//
// with R a struct of 24 to 40 bytes or nothing, and self and text there or not. The trampolines in call_*.s spread it over
// registers and stack as the platform wants it, and read it at these offsets:
//
//	 0  fn    the function
//	 8  self  an object's data, its box's pointer
//	16  text  32 bytes, handed over: the callee owns it after the call
//	48  out   where the result is written
//
// It holds no pointers of Go's. It lies on the heap, as it is recycled, and does not move.
type frame struct {
	fn   uintptr
	self uintptr
	text rString
	out  [5]uintptr
}

// A wordCall is one call of a function whose arguments and result each fit a register:
//
//	fn(a, b, c) -> result
//
// The trampolines read it at these offsets, and functions that take fewer arguments never look at the rest:
//
//	 0  fn
//	 8  a
//	16  b
//	24  c
//	32  result
//
// a and c may be pointers into Go's memory, which the struct keeps from being freed, or any other word.
type wordCall struct {
	fn     uintptr
	a      unsafe.Pointer
	b      uintptr
	c      unsafe.Pointer
	result uintptr
}

// These fail to compile when the offsets that the assembly relies on are not the struct's.
const (
	_ = -(unsafe.Offsetof(frame{}.self) ^ 8)
	_ = -(unsafe.Offsetof(frame{}.text) ^ 16)
	_ = -(unsafe.Offsetof(frame{}.out) ^ 48)
	_ = -(unsafe.Sizeof(rString{}) ^ 32)
	_ = -(unsafe.Offsetof(wordCall{}.a) ^ 8)
	_ = -(unsafe.Offsetof(wordCall{}.b) ^ 16)
	_ = -(unsafe.Offsetof(wordCall{}.c) ^ 24)
	_ = -(unsafe.Offsetof(wordCall{}.result) ^ 32)
)

// The addresses of the trampolines.
var withResult, withoutResult, words uintptr

// callForResult calls fn and has its result in out. Only the bytes that the function writes are the result's: a tag is the
// lowest byte of its word.
func (f *frame) callForResult(fn uintptr) {
	f.fn = fn
	cgocall(withResult, unsafe.Pointer(f))
}

// call calls fn, which returns nothing.
func (f *frame) call(fn uintptr) {
	f.fn = fn
	cgocall(withoutResult, unsafe.Pointer(f))
}

// call calls fn.
func (w *wordCall) call(fn uintptr) {
	w.fn = fn
	cgocall(words, unsafe.Pointer(w))
}

// cgocall runs a C function with one argument on the system stack, as a call of cgo does; the scheduler gives the
// goroutine's processor to others while it blocks. arg must lie on the heap. purego relies on the same function; going past
// purego.SyscallN, which moves 32 words for any call, takes a half off the cost of a call.
//
//go:linkname cgocall runtime.cgocall
func cgocall(fn uintptr, arg unsafe.Pointer) int32
