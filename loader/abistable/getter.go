package abistable

import (
	"bytes"
	"encoding/binary"
)

// getterSize is how many bytes of a function are looked at: the longest form recognised.
const getterSize = 32

// getter gives the address that the function at this address returns, whose code starts with these bytes. Known is what
// compilers make, with and without optimisation, of "return the address of a constant":
//
//	x86_64:  [endbr64] [push rbp; mov rbp,rsp] lea rax,[rip+rel32] [pop rbp] ret
//	aarch64: [bti c] [stp x29,x30,[sp,#-16]!; mov x29,sp] adrp xN + add x0,xN,#imm | adr x0 [ldp x29,x30,[sp],#16] ret
//
// nop may stand anywhere on aarch64. Any other code is not a getter: false.
func getter(machine string, address uint64, code []byte) (uint64, bool) {
	switch machine {
	case "x86_64":
		return getterX86(address, code)
	case "aarch64":
		return getterARM(address, code)
	}
	return 0, false
}

func getterX86(address uint64, code []byte) (uint64, bool) {
	rest := code
	skip := func(instruction ...byte) bool {
		after, ok := bytes.CutPrefix(rest, instruction)
		if ok {
			rest = after
		}
		return ok
	}
	skip(0xf3, 0x0f, 0x1e, 0xfa)                  // endbr64
	frame := skip(0x55, 0x48, 0x89, 0xe5)         // push rbp; mov rbp,rsp
	if !skip(0x48, 0x8d, 0x05) || len(rest) < 4 { // lea rax,[rip+rel32]
		return 0, false
	}
	relative := int64(int32(binary.LittleEndian.Uint32(rest)))
	rest = rest[4:]
	next := address + uint64(len(code)-len(rest))
	if frame && !skip(0x5d) { // pop rbp
		return 0, false
	}
	return next + uint64(relative), skip(0xc3) // ret
}

// Instructions of aarch64 that stand around the two that matter.
const (
	armBTI   = 0xd503245f // bti c
	armNop   = 0xd503201f // nop
	armEnter = 0xa9bf7bfd // stp x29,x30,[sp,#-16]!
	armFrame = 0x910003fd // mov x29,sp
	armLeave = 0xa8c17bfd // ldp x29,x30,[sp],#16
	armRet   = 0xd65f03c0 // ret
)

func getterARM(address uint64, code []byte) (uint64, bool) {
	c := armCode{address: address, code: code}
	c.skip(armBTI)
	frame := c.skip(armEnter) && c.skip(armFrame)
	result, ok := c.load()
	if frame && !c.skip(armLeave) {
		return 0, false
	}
	return result, ok && c.skip(armRet)
}

// armCode is code whose next instruction is that at address.
type armCode struct {
	address uint64
	code    []byte
}

// next takes one instruction that is not a nop; 0, which is none, at the end.
func (c *armCode) next() (instruction uint32, address uint64) {
	for len(c.code) >= 4 {
		instruction, address = binary.LittleEndian.Uint32(c.code), c.address
		c.address, c.code = c.address+4, c.code[4:]
		if instruction != armNop {
			return instruction, address
		}
	}
	return 0, 0
}

// skip takes the instruction if it comes next.
func (c *armCode) skip(want uint32) bool {
	before := *c
	if got, _ := c.next(); got == want {
		return true
	}
	*c = before
	return false
}

// load takes the instructions that put an address into x0.
func (c *armCode) load() (uint64, bool) {
	instruction, at := c.next()
	register, relative := instruction&31, armRelative(instruction)
	switch instruction & 0x9f000000 {
	case 0x10000000: // adr
		return at + relative, register == 0
	case 0x90000000: // adrp: of the page
		page := at&^0xfff + relative<<12
		instruction, _ = c.next()
		if instruction&0xffc003ff == 0x91000000|register<<5 { // add x0,register,#imm12
			return page + uint64(instruction>>10&0xfff), true
		}
	}
	return 0, false
}

// armRelative gives the signed 21 bits of adr and adrp: two low ones in 29..30, the others in 5..23.
func armRelative(instruction uint32) uint64 {
	bits := int32(instruction>>5&0x7ffff)<<2 | int32(instruction>>29&3)
	return uint64(int64(bits << 11 >> 11))
}
