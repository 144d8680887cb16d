package binfile

import (
	"cmp"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/loadr-plugins/loadr/manifest"
)

const relaSize = 24

// elfRelocations are the tables DT_RELA and DT_JMPREL, both sorted by address. DT_RELR needs no work: it adds the load
// address to words, and that is 0 here. For the same reason it is not looked at.
type elfRelocations struct {
	image     *elfImage
	relatives []elfRelative
	symbolics []elf.Rela64 // those that depend on a symbol, or can't be known
}

// elfRelative is a word that gets a value plus the load address.
type elfRelative struct{ address, value uint64 }

// elfAction is what a loader does for a type of relocation.
type elfAction int

const (
	elfUnknown  elfAction = iota
	elfNone               // nothing
	elfAddend             // the word is the addend
	elfSymbol             // the word is the symbol's value plus the addend
	elfRuntime            // the word is known at run time only: thread-local storage, indirect functions
	elfRuntime2           // two such words
)

// elfActions has the types that occur in libraries, by machine.
var elfActions = map[elf.Machine]map[uint32]elfAction{
	elf.EM_X86_64: {
		uint32(elf.R_X86_64_NONE):      elfNone,
		uint32(elf.R_X86_64_RELATIVE):  elfAddend,
		uint32(elf.R_X86_64_64):        elfSymbol,
		uint32(elf.R_X86_64_GLOB_DAT):  elfSymbol,
		uint32(elf.R_X86_64_JMP_SLOT):  elfSymbol,
		uint32(elf.R_X86_64_DTPMOD64):  elfRuntime,
		uint32(elf.R_X86_64_DTPOFF64):  elfRuntime,
		uint32(elf.R_X86_64_TPOFF64):   elfRuntime,
		uint32(elf.R_X86_64_IRELATIVE): elfRuntime,
		uint32(elf.R_X86_64_TLSDESC):   elfRuntime2,
	},
	elf.EM_AARCH64: {
		uint32(elf.R_AARCH64_NONE):         elfNone,
		uint32(elf.R_AARCH64_NULL):         elfNone,
		uint32(elf.R_AARCH64_RELATIVE):     elfAddend,
		uint32(elf.R_AARCH64_ABS64):        elfSymbol,
		uint32(elf.R_AARCH64_GLOB_DAT):     elfSymbol,
		uint32(elf.R_AARCH64_JUMP_SLOT):    elfSymbol,
		uint32(elf.R_AARCH64_TLS_DTPMOD64): elfRuntime,
		uint32(elf.R_AARCH64_TLS_DTPREL64): elfRuntime,
		uint32(elf.R_AARCH64_TLS_TPREL64):  elfRuntime,
		uint32(elf.R_AARCH64_IRELATIVE):    elfRuntime,
		uint32(elf.R_AARCH64_TLSDESC):      elfRuntime2,
	},
}

func (e *elfImage) relocations() (relocations, error) {
	const part = "relocations"
	if e.dynamic[elf.DT_RELSZ] != 0 {
		found := "DT_REL, which " + e.machineName() + " does not use"
		return nil, &UnsupportedError{manifest.ELF, "relocations with addends (DT_RELA)", found}
	}
	tables, err := e.relocationTables()
	if err != nil {
		return nil, err
	}
	count := (tables[0].size + tables[1].size) / relaSize
	if count > maxRelocations {
		return nil, e.damage(part, "%d of them, more than %d", count, maxRelocations)
	}
	r := &elfRelocations{image: e}
	for _, table := range tables {
		if err := r.read(table); err != nil {
			return nil, err
		}
	}
	r.sort()
	return r, e.checkPlaces(part, r.places)
}

// relocationTables gives the places of both tables in the file. The one for calls may be a part of the other.
func (e *elfImage) relocationTables() (tables [2]span, err error) {
	const part = "relocations"
	if entry := e.dynamic[elf.DT_RELAENT]; entry != relaSize && e.dynamic[elf.DT_RELASZ] != 0 {
		return tables, e.damage(part, "expected entries of %d bytes, found %d", relaSize, entry)
	}
	if kind := elf.DynTag(e.dynamic[elf.DT_PLTREL]); kind != elf.DT_RELA && e.dynamic[elf.DT_PLTRELSZ] != 0 {
		return tables, e.damage(part, "expected a table of calls of kind DT_RELA, found %v", kind)
	}
	for i, tags := range [][2]elf.DynTag{{elf.DT_RELA, elf.DT_RELASZ}, {elf.DT_JMPREL, elf.DT_PLTRELSZ}} {
		size := e.dynamic[tags[1]]
		if size == 0 {
			continue
		}
		if size%relaSize != 0 {
			return tables, e.damage(part, "%d bytes are no whole number of entries", size)
		}
		offset, err := e.stored(part, e.dynamic[tags[0]], size)
		if err != nil {
			return tables, err
		}
		tables[i] = span{offset, size}
	}
	all, calls := tables[0], tables[1]
	if calls.offset >= all.offset && calls.offset+calls.size <= all.offset+all.size {
		tables[1] = span{}
	}
	return tables, nil
}

// read takes in a table, in pieces that keep its time near that of reading the file.
func (r *elfRelocations) read(table span) error {
	buf := make([]byte, min(table.size, maxPiece/relaSize*relaSize))
	for table.size > 0 {
		piece := buf[:min(table.size, uint64(len(buf)))]
		if err := r.image.source.fill("relocations", table.offset, piece); err != nil {
			return err
		}
		table.offset += uint64(len(piece))
		table.size -= uint64(len(piece))
		for ; len(piece) > 0; piece = piece[relaSize:] {
			if err := r.add(piece); err != nil {
				return err
			}
		}
		// Now that entries proved to be some, there is memory for the rest.
		r.relatives = slices.Grow(r.relatives, int(table.size/relaSize))
	}
	return nil
}

// add takes in an entry.
func (r *elfRelocations) add(entry []byte) error {
	const part = "relocations"
	order := binary.LittleEndian // of both machines
	rela := elf.Rela64{Off: order.Uint64(entry), Info: order.Uint64(entry[8:]), Addend: int64(order.Uint64(entry[16:]))}
	switch r.action(rela) {
	case elfAddend:
		r.relatives = append(r.relatives, elfRelative{rela.Off, uint64(rela.Addend)})
	case elfNone:
	case elfUnknown:
		return r.image.damage(part, "type %d at address %#x does not occur in libraries", uint32(rela.Info), rela.Off)
	default:
		if len(r.symbolics) == maxReferences {
			return r.image.damage(part, "more than %d that name a symbol", maxReferences)
		}
		r.symbolics = append(r.symbolics, rela)
	}
	return nil
}

// action is asked for every entry; nearly all are relative.
func (r *elfRelocations) action(rela elf.Rela64) elfAction {
	kind, machine := uint32(rela.Info), r.image.machine
	if machine == elf.EM_X86_64 && kind == uint32(elf.R_X86_64_RELATIVE) ||
		machine == elf.EM_AARCH64 && kind == uint32(elf.R_AARCH64_RELATIVE) {
		return elfAddend
	}
	return elfActions[machine][kind]
}

// sort is seldom needed for the long list: linkers sort it for the loader's sake.
func (r *elfRelocations) sort() {
	byAddress := func(a, b elfRelative) int { return cmp.Compare(a.address, b.address) }
	if !slices.IsSortedFunc(r.relatives, byAddress) {
		slices.SortFunc(r.relatives, byAddress)
	}
	slices.SortFunc(r.symbolics, func(a, b elf.Rela64) int { return cmp.Compare(a.Off, b.Off) })
}

// places goes through both lists as one.
func (r *elfRelocations) places(yield func(address, size uint64) bool) {
	relatives, symbolics := r.relatives, r.symbolics
	for len(relatives) > 0 || len(symbolics) > 0 {
		var address, size uint64
		if len(symbolics) == 0 || len(relatives) > 0 && relatives[0].address <= symbolics[0].Off {
			address, size, relatives = relatives[0].address, 8, relatives[1:]
		} else {
			address, size, symbolics = symbolics[0].Off, r.size(symbolics[0]), symbolics[1:]
		}
		if !yield(address, size) {
			return
		}
	}
}

func (r *elfRelocations) size(rela elf.Rela64) uint64 {
	if r.action(rela) == elfRuntime2 {
		return 16
	}
	return 8
}

func (r *elfRelocations) apply(w *window) error {
	first, _ := slices.BinarySearchFunc(r.relatives, w.address, func(e elfRelative, at uint64) int {
		return cmp.Compare(e.address, at)
	})
	for _, e := range r.relatives[first:] {
		if e.address >= w.end {
			break
		}
		w.put(e.address, e.value)
	}
	// Places end in the order in which they begin.
	first, _ = slices.BinarySearchFunc(r.symbolics, w.address, func(e elf.Rela64, at uint64) int {
		return cmp.Compare(e.Off+r.size(e), at+1)
	})
	for i, e := range r.symbolics[first:] {
		if e.Off >= w.end {
			break
		}
		w.pending = append(w.pending, pending{e.Off, r.size(e), uint64(first + i)})
	}
	return nil
}

// resolve uses the image's own symbols.
func (r *elfRelocations) resolve(p pending) (uint64, error) {
	const part = "memory"
	e, rela := r.image, r.symbolics[p.table]
	if r.action(rela) != elfSymbol {
		return 0, e.damage(part, "the word at address %#x is known at run time only (relocation type %d)",
			p.address, uint32(rela.Info))
	}
	buf, err := e.memory.read("symbol table", e.dynamic[elf.DT_SYMTAB]+rela.Info>>32*elf.Sym64Size, elf.Sym64Size)
	if err != nil {
		return 0, err
	}
	s := e.symbol(buf)
	switch kind := elf.ST_TYPE(s.Info); {
	case elf.SectionIndex(s.Shndx) == elf.SHN_UNDEF:
		return 0, e.damage(part, "the word at address %#x is the address of %s, which the image does not define",
			p.address, e.symbolName(s))
	case kind == elf.STT_GNU_IFUNC || kind == elf.STT_TLS:
		return 0, e.damage(part, "the word at address %#x is known at run time only (symbol %s, %v)",
			p.address, e.symbolName(s), kind)
	}
	return s.Value + uint64(rela.Addend), nil
}

// symbolName is for messages.
func (e *elfImage) symbolName(s elf.Sym64) string {
	name, err := e.string("symbol name", uint64(s.Name))
	if err != nil {
		return fmt.Sprintf("a symbol without a name (%d)", s.Name)
	}
	return name
}
