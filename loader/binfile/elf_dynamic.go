package binfile

import (
	"debug/elf"
	"encoding/binary"
	"strings"
)

// readDynamic reads the dynamic section where the loader finds it: at its address, up to the first DT_NULL.
func (e *elfImage) readDynamic(p program) error {
	const part = "dynamic section"
	entry := 2 * e.word()
	count := p.size / entry
	if count > maxDynamic {
		return e.damage(part, "%d entries, more than %d", count, maxDynamic)
	}
	buf, err := e.memory.read(part, p.address, count*entry)
	if err != nil {
		return err
	}
	for ; len(buf) > 0; buf = buf[entry:] {
		tag, value := elf.DynTag(e.number(buf)), e.number(buf[e.word():])
		switch tag {
		case elf.DT_NULL:
			return nil
		case elf.DT_NEEDED:
			e.needed = append(e.needed, value)
		default:
			e.dynamic[tag] = value
		}
	}
	return e.damage(part, "no end mark")
}

// word is the size of an address in bytes.
func (e *elfImage) word() uint64 {
	if e.wide {
		return 8
	}
	return 4
}

// number reads an address-sized number.
func (e *elfImage) number(buf []byte) uint64 {
	if e.wide {
		return e.order.Uint64(buf)
	}
	return uint64(e.order.Uint32(buf))
}

// isLibrary tells a library from a program. A position-independent program is of the libraries' type, but marked;
// loaders refuse to open it.
func (e *elfImage) isLibrary() bool {
	pie := elf.DynFlag1(e.dynamic[elf.DT_FLAGS_1])&elf.DF_1_PIE != 0
	return e.kind == elf.ET_DYN && !pie && len(e.dynamic) > 0
}

func (e *elfImage) needs() ([]string, error) {
	if len(e.needed) > maxNeeds {
		return nil, e.damage("needed libraries", "%d of them, more than %d", len(e.needed), maxNeeds)
	}
	names := make([]string, 0, len(e.needed))
	for _, offset := range e.needed {
		name, err := e.string("needed library", offset)
		if err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, nil
}

// string reads a text of the dynamic string table.
func (e *elfImage) string(part string, offset uint64) (string, error) {
	table, ok := e.dynamic[elf.DT_STRTAB]
	if !ok {
		return "", e.damage(part, "no string table")
	}
	return e.text(part, table+offset)
}

// constructors counts DT_INIT and the entries of DT_INIT_ARRAY. DT_PREINIT_ARRAY is for programs only.
func (e *elfImage) constructors() (int, error) {
	const part = "initializers"
	size := e.dynamic[elf.DT_INIT_ARRAYSZ]
	if size > maxConstructors*e.word() {
		return 0, e.damage(part, "%d bytes of them, more than %d", size, maxConstructors*e.word())
	}
	if size > 0 && !e.contains(e.dynamic[elf.DT_INIT_ARRAY], size) {
		return 0, e.damage(part, "%d bytes at address %#x lie outside of the image", size, e.dynamic[elf.DT_INIT_ARRAY])
	}
	count := int(size / e.word())
	if e.dynamic[elf.DT_INIT] != 0 {
		count++
	}
	return count, nil
}

// elfMachine is what distinguishes machines that can't run each other's code.
type elfMachine struct {
	machine elf.Machine
	wide    bool
	order   binary.ByteOrder
}

// elfMachines has the machines with a word in target triples. Other combinations, such as 32-bit pointers on x86-64 or
// a big-endian arm, are different machines.
var elfMachines = map[elfMachine]string{
	{elf.EM_386, false, binary.LittleEndian}:      "i686",
	{elf.EM_AARCH64, true, binary.LittleEndian}:   "aarch64",
	{elf.EM_ARM, false, binary.LittleEndian}:      "armv7",
	{elf.EM_LOONGARCH, true, binary.LittleEndian}: "loongarch64",
	{elf.EM_PPC64, true, binary.BigEndian}:        "powerpc64",
	{elf.EM_PPC64, true, binary.LittleEndian}:     "powerpc64le",
	{elf.EM_RISCV, true, binary.LittleEndian}:     "riscv64gc",
	{elf.EM_S390, true, binary.BigEndian}:         "s390x",
	{elf.EM_X86_64, true, binary.LittleEndian}:    "x86_64",
}

// softFloat is EF_ARM_ABI_FLOAT_SOFT: arguments are passed otherwise than in the hard-float targets.
const softFloat = 0x200

func (e *elfImage) machineName() string {
	if e.machine == elf.EM_ARM && e.flags&softFloat != 0 {
		return "arm-softfloat"
	}
	if name, ok := elfMachines[elfMachine{e.machine, e.wide, e.order}]; ok {
		return name
	}
	name := strings.ToLower(strings.TrimPrefix(e.machine.String(), "EM_"))
	if e.order == binary.BigEndian {
		name += "-bigendian"
	}
	if !e.wide {
		name += "-32bit"
	}
	return name
}
