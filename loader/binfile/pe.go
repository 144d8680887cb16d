package binfile

import (
	"debug/pe"
	"encoding/binary"
	"fmt"

	"github.com/loadr-plugins/loadr/manifest"
)

const (
	dosHeaderSize   = 64
	fileHeaderSize  = 20
	optionalSize    = 112 // of the 64-bit optional header before its data directories
	optionalMagic64 = 0x20b
	sectionHeader   = 40
	importSize      = 20
	tlsSize         = 40
	page            = 4096
)

// peImage is a 64-bit PE file while it is read, and afterwards the symbol table of the File. Addresses of its memory
// are relative to the start of the image (RVA).
type peImage struct {
	memory
	header      pe.FileHeader
	entry       uint32
	base        uint64 // pointers in the file hold base+RVA
	directories []pe.DataDirectory
}

func newPE(s source) (*File, error) {
	s.format, s.order = manifest.PE, binary.LittleEndian
	p := &peImage{memory: memory{source: s}}
	if err := p.readHeaders(); err != nil {
		return nil, err
	}
	f := &File{Format: manifest.PE, Machine: peMachine(p.header.Machine), symbols: p, memory: p.memory}
	f.Library = p.header.Characteristics&pe.IMAGE_FILE_DLL != 0
	var err error
	if f.Needs, err = p.needs(); err != nil {
		return nil, err
	}
	f.Constructors, err = p.constructors()
	return f, err
}

// readHeaders follows the DOS header to the PE headers and lays out the memory.
func (p *peImage) readHeaders() error {
	const part = "header"
	dos, err := p.source.read(part, 0, dosHeaderSize)
	if err != nil {
		return err
	}
	at := uint64(p.order.Uint32(dos[60:]))
	buf, err := p.source.read(part, at, 4+fileHeaderSize)
	if err != nil {
		return err
	}
	if string(buf[:4]) != "PE\x00\x00" {
		return &UnsupportedError{manifest.PE, "signature PE", fmt.Sprintf("%q: a program for DOS or Windows 3", buf[:4])}
	}
	p.header = decode[pe.FileHeader](p.source, buf[4:])
	at += 4 + fileHeaderSize
	if err := p.readOptional(at); err != nil {
		return err
	}
	return p.readSections(at + uint64(p.header.SizeOfOptionalHeader))
}

// readOptional reads the optional header, which is none, and its data directories.
func (p *peImage) readOptional(at uint64) error {
	const part = "optional header"
	buf, err := p.source.read(part, at, uint64(p.header.SizeOfOptionalHeader))
	if err != nil {
		return err
	}
	if len(buf) < 2 || p.order.Uint16(buf) != optionalMagic64 {
		return &UnsupportedError{manifest.PE, "a 64-bit image", "a 32-bit one for " + peMachine(p.header.Machine)}
	}
	if len(buf) < optionalSize {
		return p.damage(part, "%d bytes, expected %d", len(buf), optionalSize)
	}
	p.entry, p.base = p.order.Uint32(buf[16:]), p.order.Uint64(buf[24:])
	headers, count := uint64(p.order.Uint32(buf[60:])), p.order.Uint32(buf[108:])
	for rest := buf[optionalSize:]; len(rest) >= 8 && len(p.directories) < int(min(count, 16)); rest = rest[8:] {
		p.directories = append(p.directories, decode[pe.DataDirectory](p.source, rest))
	}
	headers = min(headers, p.size)
	return p.add("headers", segment{0, headers, 0, headers, false})
}

func (p *peImage) readSections(at uint64) error {
	const part = "section headers"
	if p.header.NumberOfSections > maxSegments {
		return p.damage(part, "%d of them, more than %d", p.header.NumberOfSections, maxSegments)
	}
	buf, err := p.source.read(part, at, uint64(p.header.NumberOfSections)*sectionHeader)
	if err != nil {
		return err
	}
	for ; len(buf) > 0; buf = buf[sectionHeader:] {
		if err := p.section(decode[pe.SectionHeader32](p.source, buf)); err != nil {
			return err
		}
	}
	return nil
}

// section adds a section to the memory: whole pages of it, as Windows does, and of the file no more than fits.
func (p *peImage) section(s pe.SectionHeader32) error {
	size, raw := uint64(s.VirtualSize), uint64(s.SizeOfRawData)
	if size == 0 {
		size = raw
	}
	size = (size + page - 1) / page * page
	return p.add("section", segment{uint64(s.VirtualAddress), size, uint64(s.PointerToRawData), min(raw, size),
		s.Characteristics&pe.IMAGE_SCN_MEM_EXECUTE != 0})
}

// directory gives a data directory; a missing one is empty.
func (p *peImage) directory(index int) pe.DataDirectory {
	if index < len(p.directories) {
		return p.directories[index]
	}
	return pe.DataDirectory{}
}

// needs lists the import table up to its end mark, an entry without a name or without a place for the addresses.
func (p *peImage) needs() ([]string, error) {
	const part = "import table"
	names := []string{}
	at := uint64(p.directory(pe.IMAGE_DIRECTORY_ENTRY_IMPORT).VirtualAddress)
	for ; at != 0; at += importSize {
		buf, err := p.memory.read(part, at, importSize)
		if err != nil {
			return nil, err
		}
		name, addresses := p.order.Uint32(buf[12:]), p.order.Uint32(buf[16:])
		if name == 0 || addresses == 0 {
			break
		}
		text, err := p.text(part, uint64(name))
		if err != nil {
			return nil, err
		}
		if names = append(names, text); len(names) > maxNeeds {
			return nil, p.damage(part, "more than %d libraries", maxNeeds)
		}
	}
	return names, nil
}

// constructors counts the entry point and the TLS callbacks, a table of pointers up to a null.
func (p *peImage) constructors() (count int, err error) {
	const part = "TLS callbacks"
	if p.entry != 0 {
		count++
	}
	directory := p.directory(pe.IMAGE_DIRECTORY_ENTRY_TLS)
	if directory.VirtualAddress == 0 || directory.Size == 0 {
		return count, nil
	}
	buf, err := p.memory.read(part, uint64(directory.VirtualAddress), tlsSize)
	if err != nil {
		return 0, err
	}
	callbacks := p.order.Uint64(buf[24:])
	if callbacks == 0 {
		return count, nil
	}
	for range maxCallbacks {
		if buf, err = p.memory.read(part, callbacks-p.base, 8); err != nil {
			return 0, err
		}
		if p.order.Uint64(buf) == 0 {
			return count, nil
		}
		count++
		callbacks += 8
	}
	return 0, p.damage(part, "more than %d", maxCallbacks)
}

func peMachine(machine uint16) string {
	switch machine {
	case pe.IMAGE_FILE_MACHINE_AMD64:
		return "x86_64"
	case pe.IMAGE_FILE_MACHINE_ARM64:
		return "aarch64"
	case pe.IMAGE_FILE_MACHINE_I386:
		return "i686"
	case pe.IMAGE_FILE_MACHINE_ARMNT:
		return "armv7"
	}
	return fmt.Sprintf("machine-%#x", machine)
}
