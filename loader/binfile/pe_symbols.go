package binfile

import "debug/pe"

// peExports is the part of the export directory that matters here. Names are sorted by their bytes; the ordinal beside
// a name is an index into the functions.
type peExports struct {
	functionCount, nameCount   uint64
	functions, names, ordinals uint64 // addresses of the tables
}

// lookup finds an export by binary search, as GetProcAddress does.
func (p *peImage) lookup(name string) (Symbol, bool, error) {
	const part = "export table"
	directory := p.directory(pe.IMAGE_DIRECTORY_ENTRY_EXPORT)
	if directory.VirtualAddress == 0 || directory.Size == 0 {
		return Symbol{}, false, nil
	}
	exports, err := p.exports(directory)
	if err != nil {
		return Symbol{}, false, err
	}
	for low, high := uint64(0), exports.nameCount; low < high; {
		middle := low + (high-low)/2
		at, err := p.uint32(part, exports.names+4*middle)
		if err != nil {
			return Symbol{}, false, err
		}
		order, err := p.compare(part, uint64(at), name)
		switch {
		case err != nil:
			return Symbol{}, false, err
		case order == 0:
			return p.export(directory, exports, middle)
		case order < 0:
			low = middle + 1
		default:
			high = middle
		}
	}
	return Symbol{}, false, nil
}

func (p *peImage) exports(directory pe.DataDirectory) (peExports, error) {
	buf, err := p.memory.read("export table", uint64(directory.VirtualAddress), 40)
	if err != nil {
		return peExports{}, err
	}
	field := func(offset int) uint64 { return uint64(p.order.Uint32(buf[offset:])) }
	return peExports{field(20), field(24), field(28), field(32), field(36)}, nil
}

// export gives the symbol of the name with this index. An address inside of the export directory itself is the text of
// a forwarder: "OTHER.name".
func (p *peImage) export(directory pe.DataDirectory, exports peExports, index uint64) (Symbol, bool, error) {
	const part = "export table"
	buf, err := p.memory.read(part, exports.ordinals+2*index, 2)
	if err != nil {
		return Symbol{}, false, err
	}
	ordinal := uint64(p.order.Uint16(buf))
	if ordinal >= exports.functionCount {
		return Symbol{}, false, p.damage(part, "ordinal %d of %d functions", ordinal, exports.functionCount)
	}
	address, err := p.uint32(part, exports.functions+4*ordinal)
	if err != nil || address == 0 {
		return Symbol{}, false, err
	}
	if address >= directory.VirtualAddress && address-directory.VirtualAddress < directory.Size {
		address = 0
	}
	return Symbol{Address: uint64(address)}, true, nil
}
