package native

import (
	"sync"
	"unsafe"
)

// This file reads memory that is not Go's, and calls functions in it. An address of it is a uintptr everywhere else in this package, so that no tool
// and no reader takes it for a pointer into Go's heap.

// pointer gives an address of a library's for use as one. Reading the word as a pointer, instead of converting it, tells the
// tools that it never was a Go pointer.
func pointer(address uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&address)) }

// at gives the value at an address of a library's. The memory must be there, as long as the result is used.
func at[T any](address uintptr) *T { return (*T)(pointer(address)) }

// word reads a pointer-sized integer.
func word(address uintptr) uintptr { return *at[uintptr](address) }

// bytesAt gives n bytes at an address of a library's; n may be 0 with any address.
func bytesAt(address, n uintptr) []byte {
	if n == 0 {
		return nil
	}
	return unsafe.Slice(at[byte](address), int(n))
}

// wordCalls recycles calls, which must lie on the heap.
var wordCalls = sync.Pool{New: func() any { return new(wordCall) }}

// callWords calls a function of a library with up to three arguments, each of which fits a register.
func callWords(fn uintptr, a unsafe.Pointer, b uintptr, c unsafe.Pointer) (result uintptr) {
	w := wordCalls.Get().(*wordCall)
	w.a, w.b, w.c = a, b, c
	w.call(fn)
	result = w.result
	w.a, w.c = nil, nil
	wordCalls.Put(w)
	return result
}
