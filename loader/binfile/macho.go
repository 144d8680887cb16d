package binfile

import (
	"bytes"
	"debug/macho"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/loadr-plugins/loadr/manifest"
)

// Load commands and values that debug/macho has no names for; from Apple's mach-o/loader.h.
const (
	loadMustUnderstand = 0x80000000 // LC_REQ_DYLD, part of some commands' numbers
	loadRoutines64     = 0x1a
	loadWeakDylib      = 0x18 | loadMustUnderstand
	loadReexportDylib  = 0x1f | loadMustUnderstand
	loadDyldInfo       = 0x22
	loadUpwardDylib    = 0x23 | loadMustUnderstand
	loadBuildVersion   = 0x32
	loadExportsTrie    = 0x33 | loadMustUnderstand
	loadChainedFixups  = 0x34 | loadMustUnderstand

	sectionType          = 0xff
	sectionInitPointers  = 0x9  // S_MOD_INIT_FUNC_POINTERS, 8 bytes each
	sectionInitOffsets   = 0x16 // S_INIT_FUNC_OFFSETS, 4 bytes each
	protectionExecutable = 4
	platformMacOS        = 1

	machoHeaderSize = 32
	segmentSize     = 72
	sectionSize     = 80
)

// machoImage is a 64-bit little-endian Mach-O file while it is read, and afterwards the symbol table of the File.
type machoImage struct {
	memory
	header    macho.FileHeader
	base      uint64 // address of the file's first byte, what exports count from
	trie      span   // of the export trie, in the file
	chains    span   // of the chained fix-ups, in the file
	bindings  [3]span
	dyldInfo  bool // there is an LC_DYLD_INFO, with bindings
	symtab    macho.SymtabCmd
	platforms []uint32
}

// lazyBindings is the table of calls in machoImage.bindings, behind those of data and of weak symbols.
const lazyBindings = 2

// span is a range of the file.
type span struct{ offset, size uint64 }

func newMachO(s source) (*File, error) {
	s.format, s.order = manifest.MachO, binary.LittleEndian
	m := &machoImage{memory: memory{source: s}}
	if err := m.readHeader(); err != nil {
		return nil, err
	}
	f := &File{Format: manifest.MachO, Machine: machoMachine(m.header.Cpu), Needs: []string{}, symbols: m}
	f.Library = m.header.Type == macho.TypeDylib || m.header.Type == macho.TypeBundle
	if err := m.readCommands(f); err != nil {
		return nil, err
	}
	f.memory = m.memory
	return f, m.checkPlatform()
}

// readHeader reads the file header, and refuses what no loadr target has.
func (m *machoImage) readHeader() error {
	head, err := m.source.read("header", 0, 4)
	if err != nil {
		return err
	}
	switch magic := m.order.Uint32(head); magic {
	case macho.Magic64:
	case 0xbebafeca, 0xbfbafeca: // universal files are big-endian
		return m.universal(magic == 0xbfbafeca)
	default:
		return &UnsupportedError{manifest.MachO, "a 64-bit little-endian image", fmt.Sprintf("magic number %#x", magic)}
	}
	buf, err := m.source.read("header", 0, machoHeaderSize)
	if err != nil {
		return err
	}
	m.header = decode[macho.FileHeader](m.source, buf)
	return m.checkType()
}

func (m *machoImage) checkType() error {
	switch m.header.Type {
	case macho.TypeDylib, macho.TypeBundle, macho.TypeExec:
		return nil
	case macho.TypeObj:
		return &UnsupportedError{manifest.MachO, "a dynamic library", "an object file (not linked yet)"}
	}
	return &UnsupportedError{manifest.MachO, "a dynamic library", fmt.Sprintf("file type %d", m.header.Type)}
}

// universal makes the error that names the slices of a universal file.
func (m *machoImage) universal(wide bool) error {
	buf, err := m.source.read("universal header", 4, 4)
	if err != nil {
		return err
	}
	count := uint64(binary.BigEndian.Uint32(buf))
	if count > maxSlices {
		return &UnknownFormatError{Guess: "a Java class"}
	}
	size := uint64(20)
	if wide {
		size = 32
	}
	if buf, err = m.source.read("universal header", 8, count*size); err != nil {
		return err
	}
	slices := make([]string, count)
	for i := range slices {
		slices[i] = machoMachine(macho.Cpu(binary.BigEndian.Uint32(buf[uint64(i)*size:])))
	}
	return &UniversalError{slices}
}

func machoMachine(cpu macho.Cpu) string {
	switch cpu {
	case macho.CpuAmd64:
		return "x86_64"
	case macho.CpuArm64:
		return "aarch64"
	case macho.Cpu386:
		return "i686"
	}
	return fmt.Sprintf("cpu-%#x", uint32(cpu))
}

// readCommands goes through the load commands, which carry all that matters here.
func (m *machoImage) readCommands(f *File) error {
	const part = "load commands"
	buf, err := m.source.read(part, machoHeaderSize, uint64(m.header.Cmdsz))
	if err != nil {
		return err
	}
	for i := range m.header.Ncmd {
		if len(buf) < 8 {
			return m.damage(part, "expected %d, found %d", m.header.Ncmd, i)
		}
		kind, size := m.order.Uint32(buf), m.order.Uint32(buf[4:])
		if size < 8 || uint64(size) > uint64(len(buf)) {
			return m.damage(part, "command %d has impossible size %d", i, size)
		}
		if err := m.command(f, kind, buf[:size]); err != nil {
			return err
		}
		buf = buf[size:]
	}
	return nil
}

func (m *machoImage) command(f *File, kind uint32, body []byte) error {
	need := map[uint32]int{ // bytes that the code below reads
		uint32(macho.LoadCmdSegment64): segmentSize, uint32(macho.LoadCmdDylib): 24, loadWeakDylib: 24,
		loadReexportDylib: 24, loadUpwardDylib: 24, uint32(macho.LoadCmdSymtab): 24, loadDyldInfo: 48,
		loadDyldInfo | loadMustUnderstand: 48, loadExportsTrie: 16, loadChainedFixups: 16, loadBuildVersion: 24,
		loadRoutines64: 72,
	}[kind]
	if len(body) < need {
		return m.damage("load commands", "command %#x has %d bytes, expected %d", kind, len(body), need)
	}
	switch kind {
	case uint32(macho.LoadCmdSegment64):
		return m.segment(f, body)
	case uint32(macho.LoadCmdDylib), loadWeakDylib, loadReexportDylib, loadUpwardDylib:
		return m.dylib(f, body)
	case uint32(macho.LoadCmdSymtab):
		m.symtab = decode[macho.SymtabCmd](m.source, body)
	case loadDyldInfo, loadDyldInfo | loadMustUnderstand:
		m.dyldInfo = true
		m.bindings = [3]span{m.span(body[16:]), m.span(body[24:]), lazyBindings: m.span(body[32:])}
		m.trie = m.span(body[40:])
	case loadExportsTrie:
		m.trie = m.span(body[8:])
	case loadChainedFixups:
		m.chains = m.span(body[8:])
	case loadBuildVersion:
		m.platforms = append(m.platforms, m.order.Uint32(body[8:]))
	case loadRoutines64:
		f.Constructors++
	}
	return nil
}

func (m *machoImage) span(buf []byte) span {
	return span{uint64(m.order.Uint32(buf)), uint64(m.order.Uint32(buf[4:]))}
}

// segment adds a segment to the memory and counts the initializers in its sections.
func (m *machoImage) segment(f *File, body []byte) error {
	const part = "segment"
	s := decode[macho.Segment64](m.source, body)
	if s.Nsect > maxSegments || uint64(len(body)) < segmentSize+uint64(s.Nsect)*sectionSize {
		return m.damage(part, "%d sections do not fit into a command of %d bytes", s.Nsect, len(body))
	}
	if s.Offset == 0 && s.Filesz > 0 {
		m.base = s.Addr
	}
	code := s.Prot&protectionExecutable != 0
	if err := m.add(part, segment{s.Addr, max(s.Memsz, s.Filesz), s.Offset, s.Filesz, code}); err != nil {
		return err
	}
	for i := range uint64(s.Nsect) {
		section := decode[macho.Section64](m.source, body[segmentSize+i*sectionSize:])
		if err := m.section(f, section); err != nil {
			return err
		}
	}
	return nil
}

func (m *machoImage) section(f *File, s macho.Section64) error {
	width := uint64(0)
	switch s.Flags & sectionType {
	case sectionInitPointers:
		width = 8
	case sectionInitOffsets:
		width = 4
	default:
		return nil
	}
	if s.Size > maxConstructors*width || !m.contains(s.Addr, s.Size) {
		return m.damage("initializers", "%d bytes at address %#x lie outside of their segment", s.Size, s.Addr)
	}
	f.Constructors += int(s.Size / width)
	return nil
}

// dylib adds a needed library. The name is a text inside of the command.
func (m *machoImage) dylib(f *File, body []byte) error {
	const part = "needed library"
	offset := uint64(m.order.Uint32(body[8:]))
	if offset > uint64(len(body)) {
		return m.damage(part, "name lies outside of its command")
	}
	name, _, _ := bytes.Cut(body[offset:], []byte{0})
	text, err := m.printable(part, name)
	if err != nil {
		return err
	}
	if len(f.Needs) == maxNeeds {
		return m.damage(part, "more than %d", maxNeeds)
	}
	f.Needs = append(f.Needs, text)
	return nil
}

// checkPlatform refuses images for Apple's other systems. Old ones do not name any.
func (m *machoImage) checkPlatform() error {
	if len(m.platforms) == 0 || slices.Contains(m.platforms, platformMacOS) {
		return nil
	}
	return &UnsupportedError{manifest.MachO, "platform macOS (1)", fmt.Sprintf("platform %d", m.platforms[0])}
}
