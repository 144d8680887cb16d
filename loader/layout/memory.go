package layout

// Memory is a library as it lies in memory, or would: pointers hold addresses of the same Memory. A file's image and the
// memory of this process are two of them.
type Memory interface {
	// Read gives n bytes from address, with relocations applied. They are valid until the next call of any method and must
	// not be written to. The error says which bytes are not there.
	Read(address, n uint64) ([]byte, error)

	// Result gives what the function at address returns: abi_stable hands out a type's layout by a function without
	// arguments that returns its address. A file's image recognises the machine code of such a function; an error of
	// *ShapeError says that it did not.
	Result(function uint64) (uint64, error)
}
