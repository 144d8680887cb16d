package native

import "unsafe"

// This file reads memory that is not Go's. An address of it is a uintptr everywhere else in this package, so that no tool
// and no reader takes it for a pointer into Go's heap.

// at gives the value at an address of a library's. Reading the word as a pointer, instead of converting it, tells the tools
// that it never was a Go pointer. The memory must be there, as long as the result is used.
func at[T any](address uintptr) *T { return *(**T)(unsafe.Pointer(&address)) }

// word reads a pointer-sized integer.
func word(address uintptr) uintptr { return *at[uintptr](address) }

// bytesAt gives n bytes at an address of a library's; n may be 0 with any address.
func bytesAt(address, n uintptr) []byte {
	if n == 0 {
		return nil
	}
	return unsafe.Slice(at[byte](address), int(n))
}
