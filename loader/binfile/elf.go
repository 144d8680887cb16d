package binfile

import (
	"debug/elf"
	"encoding/binary"
	"strings"

	"github.com/loadr-plugins/loadr/manifest"
)

// elfImage is an ELF file while it is read, and afterwards the symbol table of the File. The rules are those of the
// System V gABI with the extensions of GNU, as glibc's and musl's loaders follow them.
type elfImage struct {
	memory
	wide     bool // 64-bit
	kind     elf.Type
	machine  elf.Machine
	flags    uint32
	programs programTable
	dynamic  map[elf.DynTag]uint64 // the last entry of each tag counts
	needed   []uint64              // DT_NEEDED, offsets into the string table
}

// programTable is where the program headers are.
type programTable struct{ offset, entrySize, count uint64 }

// program is the part of a program header that matters here, of either width.
type program struct {
	kind                        elf.ProgType
	flags                       elf.ProgFlag
	offset, address, file, size uint64
}

func newELF(s source) (*File, error) {
	s.format = manifest.ELF
	e := &elfImage{memory: memory{source: s}, dynamic: map[elf.DynTag]uint64{}}
	if err := e.readHeader(); err != nil {
		return nil, err
	}
	f := &File{Format: manifest.ELF, Machine: e.machineName(), symbols: e}
	if err := e.readPrograms(f); err != nil {
		return nil, err
	}
	f.memory = e.memory
	f.Library = e.isLibrary()
	return f, e.readFacts(f)
}

// readFacts fills in what the dynamic section says.
func (e *elfImage) readFacts(f *File) (err error) {
	if f.Needs, err = e.needs(); err != nil {
		return err
	}
	if f.Versions, err = e.versionNeeds(); err != nil {
		return err
	}
	if f.Defines, err = e.versionDefinitions(); err != nil {
		return err
	}
	f.Constructors, err = e.constructors()
	return err
}

// readHeader reads the file header; it sets the byte order and width for everything after it.
func (e *elfImage) readHeader() error {
	ident, err := e.source.read("header", 0, elf.EI_NIDENT)
	if err != nil {
		return err
	}
	switch elf.Data(ident[elf.EI_DATA]) {
	case elf.ELFDATA2LSB:
		e.order = binary.LittleEndian
	case elf.ELFDATA2MSB:
		e.order = binary.BigEndian
	default:
		return e.damage("header", "unknown byte order %d", ident[elf.EI_DATA])
	}
	switch elf.Class(ident[elf.EI_CLASS]) {
	case elf.ELFCLASS64:
		return e.readHeader64()
	case elf.ELFCLASS32:
		return e.readHeader32()
	}
	return e.damage("header", "unknown class %d", ident[elf.EI_CLASS])
}

func (e *elfImage) readHeader64() error {
	buf, err := e.source.read("header", 0, 64)
	if err != nil {
		return err
	}
	h := decode[elf.Header64](e.source, buf)
	e.wide, e.kind, e.machine, e.flags = true, elf.Type(h.Type), elf.Machine(h.Machine), h.Flags
	return e.setPrograms(programTable{h.Phoff, uint64(h.Phentsize), uint64(h.Phnum)}, 56)
}

func (e *elfImage) readHeader32() error {
	buf, err := e.source.read("header", 0, 52)
	if err != nil {
		return err
	}
	h := decode[elf.Header32](e.source, buf)
	e.kind, e.machine, e.flags = elf.Type(h.Type), elf.Machine(h.Machine), h.Flags
	return e.setPrograms(programTable{uint64(h.Phoff), uint64(h.Phentsize), uint64(h.Phnum)}, 32)
}

// setPrograms checks the size of a program header as loaders do. Object and core files end here.
func (e *elfImage) setPrograms(table programTable, entrySize uint64) error {
	if e.kind != elf.ET_DYN && e.kind != elf.ET_EXEC {
		return &UnsupportedError{manifest.ELF, "a dynamic library", elfKind(e.kind)}
	}
	if table.entrySize != entrySize {
		return e.damage("program headers", "expected entries of %d bytes, found %d", entrySize, table.entrySize)
	}
	if table.count > maxSegments {
		return e.damage("program headers", "%d of them, more than %d", table.count, maxSegments)
	}
	e.programs = table
	return nil
}

func elfKind(kind elf.Type) string {
	switch kind {
	case elf.ET_REL:
		return "an object file (not linked yet)"
	case elf.ET_CORE:
		return "a core dump"
	}
	return "type " + kind.String()
}

// readPrograms lays out the memory and reads the two headers that name something: the interpreter and the dynamic
// section. A static program has no dynamic section.
func (e *elfImage) readPrograms(f *File) error {
	programs, err := e.programHeaders()
	if err != nil {
		return err
	}
	for _, p := range programs {
		if p.kind == elf.PT_LOAD {
			loaded := segment{p.address, p.size, p.offset, p.file, p.flags&elf.PF_X != 0}
			if err := e.add("segment", loaded); err != nil {
				return err
			}
		}
	}
	for _, p := range programs {
		switch p.kind {
		case elf.PT_INTERP:
			f.Interpreter, err = e.interpreter(p)
		case elf.PT_DYNAMIC:
			err = e.readDynamic(p)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (e *elfImage) programHeaders() ([]program, error) {
	t := e.programs
	buf, err := e.source.read("program headers", t.offset, t.count*t.entrySize)
	if err != nil {
		return nil, err
	}
	programs := make([]program, t.count)
	for i := range programs {
		programs[i] = e.program(buf[uint64(i)*t.entrySize:])
	}
	return programs, nil
}

func (e *elfImage) program(buf []byte) program {
	if e.wide {
		p := decode[elf.Prog64](e.source, buf)
		return program{elf.ProgType(p.Type), elf.ProgFlag(p.Flags), p.Off, p.Vaddr, p.Filesz, p.Memsz}
	}
	p := decode[elf.Prog32](e.source, buf)
	return program{elf.ProgType(p.Type), elf.ProgFlag(p.Flags),
		uint64(p.Off), uint64(p.Vaddr), uint64(p.Filesz), uint64(p.Memsz)}
}

func (e *elfImage) interpreter(p program) (string, error) {
	buf, err := e.source.read("interpreter", p.offset, min(p.file, maxText))
	if err != nil {
		return "", err
	}
	return e.printable("interpreter", []byte(strings.TrimRight(string(buf), "\x00")))
}
