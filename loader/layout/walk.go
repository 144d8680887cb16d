package layout

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
)

// Walk reads the type layout at address root and all that it reaches. It asks mem for the result of a getter function
// for each type that is mentioned, and runs nothing itself. The error is a *GraphError, which wraps mem's own.
func Walk(mem Memory, root uint64) (*Graph, error) {
	w := &walker{mem: mem, ids: map[uint64]int{}, getters: map[uint64]uint64{}}
	w.id(root)
	for i := 0; i < len(w.found) && w.err == nil; i++ { // found grows meanwhile
		w.current = i
		w.step = ""
		if address := w.found[i].address; address == unitAddress {
			w.types = append(w.types, unitType())
		} else {
			w.types = append(w.types, w.typeLayout(address))
		}
	}
	if w.err != nil {
		return nil, w.err
	}
	return canonical(w.types), nil
}

// walker reads breadth-first. After the first error all reads give zeros, so that the code that decodes a structure need
// not ask after each word; loops over counts that were read are bounded by the budgets.
type walker struct {
	mem     Memory
	ids     map[uint64]int    // of a type layout's address: its place in found
	found   []found           // types mentioned, in the order of discovery
	getters map[uint64]uint64 // results
	types   []*Type           // those of found that are read
	current int               // the type being read
	step    string            // the part of it being read
	items   int
	names   int
	err     error
}

// found says where a type layout is and how it was reached.
type found struct {
	address uint64
	from    int
	step    string
}

// fail keeps the first error.
func (w *walker) fail(cause error, format string, args ...any) {
	if w.err == nil {
		w.err = &GraphError{Path: w.path(), Problem: fmt.Sprintf(format, args...), Err: cause}
	}
}

// pathSteps is how much of a long path an error shows.
const pathSteps = 12

// path says how the part being read was reached.
func (w *walker) path() string {
	var steps []string
	step := w.step
	for i := w.current; ; i = w.found[i].from {
		if step != "" {
			steps = append(steps, step)
		}
		if i == 0 {
			steps = append(steps, "root")
			break
		}
		if len(steps) == pathSteps {
			steps = append(steps, "..")
			break
		}
		step = w.found[i].step
	}
	for i, j := 0, len(steps)-1; i < j; i, j = i+1, j-1 {
		steps[i], steps[j] = steps[j], steps[i]
	}
	return strings.Join(steps, ".")
}

// spend takes n items, each a byte or more of the library, from the budget.
func (w *walker) spend(n int) bool {
	w.items += n
	if w.items > maxItems {
		w.fail(nil, "more than %d fields, variants, functions and parameters", maxItems)
	}
	return w.err == nil
}

// record is a structure as it lies in memory, little-endian.
type record []byte

func (r record) u8(at int) uint8   { return r[at] }
func (r record) u16(at int) uint16 { return binary.LittleEndian.Uint16(r[at:]) }
func (r record) u32(at int) uint32 { return binary.LittleEndian.Uint32(r[at:]) }
func (r record) u64(at int) uint64 { return binary.LittleEndian.Uint64(r[at:]) }

// read gives a copy of n bytes, zeros after an error. n is the size of a structure or within a budget.
func (w *walker) read(what string, address uint64, n int) record {
	if w.err == nil && n > 0 {
		b, err := w.mem.Read(address, uint64(n))
		if err == nil && len(b) == n {
			return bytes.Clone(b)
		}
		w.fail(err, "%s: cannot read %d bytes at %#x%s", what, n, address, because(err))
	}
	return make(record, n)
}

func because(err error) string {
	if err == nil {
		return ""
	}
	return ": " + err.Error()
}

// id gives the number of the type layout at address, which is read later.
func (w *walker) id(address uint64) int {
	id, known := w.ids[address]
	if known || w.err != nil {
		return id
	}
	if len(w.found) == maxTypes {
		w.fail(nil, "more than %d types", maxTypes)
		return 0
	}
	id = len(w.found)
	w.ids[address] = id
	w.found = append(w.found, found{address, w.current, w.step})
	return id
}

// vars is abi_stable's SharedVars: what a type's other parts point into by index.
type vars struct {
	strings, lifetimes, getters, consts uint64 // addresses of arrays
	stringsLen, lifetimesLen            int    // bytes
	gettersLen, constsLen               int
}

// vars reads a SharedVars of 32 bytes and its MonoSharedVars of 24.
func (w *walker) vars(address uint64) vars {
	shared := w.read("shared vars", address, 32)
	mono := w.read("shared vars", shared.u64(0), 24)
	return vars{
		strings: mono.u64(0), stringsLen: int(mono.u16(16)),
		lifetimes: mono.u64(8), lifetimesLen: int(mono.u16(18)),
		getters: shared.u64(8), gettersLen: int(shared.u16(24)),
		consts: shared.u64(16), constsLen: int(shared.u16(26)),
	}
}

// mention gives the number of the type that the getter at this index returns.
func (w *walker) mention(v vars, index int) int {
	if index >= v.gettersLen {
		w.fail(nil, "type index %d of %d", index, v.gettersLen)
		return 0
	}
	getter := w.read("type index", v.getters+8*uint64(index), 8).u64(0)
	address, known := w.getters[getter]
	if !known && w.err == nil {
		var err error
		if address, err = w.mem.Result(getter); err != nil {
			w.fail(err, "type index %d: %v", index, err)
			return 0
		}
		w.getters[getter] = address
	}
	return w.id(address)
}
