package native

import (
	"fmt"
	"unsafe"
)

// rString is abi_stable's RString, an RVec<u8> of 32 bytes: its bytes belong to the allocator of the library that made
// it, whose functions are reached through its vtable. An empty one that has allocated nothing has the buffer 1.
type rString struct {
	buf, len, cap uintptr
	vtable        uintptr // a prefix reference
}

// stringVTable is the part of RVec's vtable that is used here: a prefix type, that is a word with one bit for each field
// that is there, a word, and from byte 16 on the functions type_id, destructor, grow_capacity_to and shrink_to_fit.
type stringVTable struct {
	destruct uintptr // fn(*RVec)
	grow     uintptr // fn(*RVec, capacity usize, exactness i32); exactness 0 is exact
}

// readStringVTable reads a vtable. The problem, if any, says why it is none.
func readStringVTable(address uintptr) (v stringVTable, problem string) {
	if address == 0 {
		return v, "a null vtable"
	}
	p := prefix(address)
	v = stringVTable{p.function(1, 8), p.function(2, 16)}
	if v.destruct == 0 || v.grow == 0 {
		return v, "a vtable without destructor or grow_capacity_to"
	}
	return v, ""
}

// view gives the text's bytes without copying; they are valid until it is handed over or destroyed. The problem, if any,
// says why it is none: more than limit bytes (which also keeps a wild length from being read), or no string at all.
func (s *rString) view(limit int) (text []byte, problem string) {
	switch {
	case s.vtable == 0:
		return nil, "found a string without a vtable"
	case s.len > s.cap:
		return nil, fmt.Sprintf("found a string of %d bytes in a buffer of %d", s.len, s.cap)
	case s.len > uintptr(limit):
		return nil, fmt.Sprintf("found %d bytes, more than the limit of %d", s.len, limit)
	case s.buf == 0:
		return nil, "found a string without a buffer"
	}
	return bytesAt(s.buf, s.len), ""
}

// sound says whether the words can be a string's.
func (s *rString) sound() bool { return s.vtable != 0 && s.buf != 0 && s.len <= s.cap }

// fill makes a string hold text. The string is one of the library's, or a zero one, which gets the vtable given. The library
// is called only when the buffer is too small.
func (s *rString) fill(vtable uintptr, text []byte) {
	if s.vtable == 0 {
		*s = rString{buf: 1, vtable: vtable}
	}
	s.len = 0 // what it held need not be copied into a larger buffer
	if need := uintptr(len(text)); s.cap < need {
		grow := prefix(s.vtable).function(2, 16)
		callWords(grow, unsafe.Pointer(s), roundUp(need), nil)
	}
	copy(bytesAt(s.buf, uintptr(len(text))), text)
	s.len = uintptr(len(text))
}

// roundUp leaves some room, so that requests of slightly different sizes do not grow the same buffer again and again.
func roundUp(n uintptr) uintptr { return (n + 63) &^ 63 }

// destroy gives the string back to the library that made it, once. One that never was is left alone.
func (s *rString) destroy() {
	if s.vtable != 0 {
		if v, problem := readStringVTable(s.vtable); problem == "" {
			callWords(v.destruct, unsafe.Pointer(s), 0, nil)
		}
	}
	*s = rString{}
}

// prefix is the address of a prefix type: field-present bits, a pointer to its layout, and its value from byte 16 on.
type prefix uintptr

// has says whether the type's declared field i, counted from 0 and with those of no size, is there.
func (p prefix) has(i uint) bool { return *at[uint64](uintptr(p))>>i&1 != 0 }

// field gives the address of the value at an offset.
func (p prefix) field(offset uintptr) uintptr { return uintptr(p) + 16 + offset }

// function reads the field i, a function or a pointer at an offset; 0 when it is not there.
func (p prefix) function(i uint, offset uintptr) uintptr {
	if !p.has(i) {
		return 0
	}
	return word(p.field(offset))
}
