package binfile

import "debug/elf"

// lookup finds a symbol as dlsym does: by the hash table, so that what is found here is what a program gets.
func (e *elfImage) lookup(name string) (Symbol, bool, error) {
	if table, ok := e.dynamic[elf.DT_GNU_HASH]; ok {
		return e.lookupGNU(table, name)
	}
	if table, ok := e.dynamic[elf.DT_HASH]; ok {
		return e.lookupSysV(table, name)
	}
	return Symbol{}, false, nil
}

// lookupGNU uses DT_GNU_HASH: header, bloom filter, buckets, and for each symbol from `first` on its hash, whose lowest
// bit marks the end of a bucket. The filter only saves time, so it is passed over.
func (e *elfImage) lookupGNU(table uint64, name string) (Symbol, bool, error) {
	const part = "hash table"
	buf, err := e.memory.read(part, table, 16)
	if err != nil {
		return Symbol{}, false, err
	}
	buckets, first, bloom := e.order.Uint32(buf), e.order.Uint32(buf[4:]), e.order.Uint32(buf[8:])
	if buckets == 0 {
		return Symbol{}, false, nil
	}
	bucketsAt := table + 16 + uint64(bloom)*e.word()
	chainAt := bucketsAt + 4*uint64(buckets)
	hash := gnuHash(name)
	index, err := e.uint32(part, bucketsAt+4*uint64(hash%buckets))
	if err != nil || index == 0 {
		return Symbol{}, false, err
	}
	if index < first {
		return Symbol{}, false, e.damage(part, "symbol %d before the first one (%d)", index, first)
	}
	for range maxChain {
		link, err := e.uint32(part, chainAt+4*uint64(index-first))
		if err != nil {
			return Symbol{}, false, err
		}
		if link|1 == hash|1 {
			if symbol, found, err := e.symbolNamed(uint64(index), name); found || err != nil {
				return symbol, found, err
			}
		}
		if link&1 != 0 {
			return Symbol{}, false, nil
		}
		index++
	}
	return Symbol{}, false, e.damage(part, "more than %d symbols in a bucket", maxChain)
}

// lookupSysV uses DT_HASH: two counts, the buckets, and for each symbol the next one of its bucket.
func (e *elfImage) lookupSysV(table uint64, name string) (Symbol, bool, error) {
	const part = "hash table"
	buckets, err := e.uint32(part, table)
	if err != nil || buckets == 0 {
		return Symbol{}, false, err
	}
	bucketsAt := table + 8
	chainAt := bucketsAt + 4*uint64(buckets)
	index, err := e.uint32(part, bucketsAt+4*uint64(sysvHash(name)%buckets))
	for range maxChain {
		if err != nil || index == 0 {
			return Symbol{}, false, err
		}
		if symbol, found, err := e.symbolNamed(uint64(index), name); found || err != nil {
			return symbol, found, err
		}
		index, err = e.uint32(part, chainAt+4*uint64(index))
	}
	return Symbol{}, false, e.damage(part, "more than %d symbols in a bucket", maxChain)
}

// symbolNamed gives the symbol with this index if it has this name and is defined here.
func (e *elfImage) symbolNamed(index uint64, name string) (Symbol, bool, error) {
	const part = "symbol table"
	size := uint64(elf.Sym32Size)
	if e.wide {
		size = elf.Sym64Size
	}
	buf, err := e.memory.read(part, e.dynamic[elf.DT_SYMTAB]+index*size, size)
	if err != nil {
		return Symbol{}, false, err
	}
	s := e.symbol(buf)
	order, err := e.compare(part, e.dynamic[elf.DT_STRTAB]+uint64(s.Name), name)
	if err != nil || order != 0 || !offered(s) {
		return Symbol{}, false, err
	}
	return Symbol{Address: s.Value, Size: s.Size}, true, nil
}

func (e *elfImage) symbol(buf []byte) elf.Sym64 {
	if e.wide {
		return decode[elf.Sym64](e.source, buf)
	}
	s := decode[elf.Sym32](e.source, buf)
	return elf.Sym64{Name: s.Name, Info: s.Info, Other: s.Other, Shndx: s.Shndx,
		Value: uint64(s.Value), Size: uint64(s.Size)}
}

// offered says whether other images can see the symbol.
func offered(s elf.Sym64) bool {
	const gnuUnique = elf.STB_LOOS // STB_GNU_UNIQUE
	bind := elf.ST_BIND(s.Info)
	global := bind == elf.STB_GLOBAL || bind == elf.STB_WEAK || bind == gnuUnique
	return global && elf.SectionIndex(s.Shndx) != elf.SHN_UNDEF && s.Value != 0
}

func gnuHash(name string) uint32 {
	hash := uint32(5381)
	for _, c := range []byte(name) {
		hash = hash*33 + uint32(c)
	}
	return hash
}

func sysvHash(name string) uint32 {
	var hash uint32
	for _, c := range []byte(name) {
		hash = hash<<4 + uint32(c)
		hash = (hash ^ hash>>24&0xf0) & 0x0fffffff
	}
	return hash
}
