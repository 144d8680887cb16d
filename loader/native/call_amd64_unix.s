//go:build (linux || darwin) && amd64

#include "textflag.h"

// System V. Go's runtime calls these on the system stack, aligned, in the C convention: DI is the *frame, whose offsets
// call.go states. A result of more than 16 bytes is written through a hidden first argument; the text, a struct of 32 bytes,
// is copied onto the stack; functions that take fewer arguments never look at the rest. Registers that a callee may not
// change are not touched (BP is saved by the assembler).

// fn(&out, self, text)
TEXT withResult(SB), NOSPLIT, $32-0
	MOVUPS 16(DI), X0
	MOVUPS 32(DI), X1
	MOVUPS X0, 0(SP)
	MOVUPS X1, 16(SP)
	MOVQ   0(DI), AX
	MOVQ   8(DI), SI
	LEAQ   48(DI), DI
	CALL   AX
	RET

// fn(self, text)
TEXT withoutResult(SB), NOSPLIT, $32-0
	MOVUPS 16(DI), X0
	MOVUPS 32(DI), X1
	MOVUPS X0, 0(SP)
	MOVUPS X1, 16(SP)
	MOVQ   0(DI), AX
	MOVQ   8(DI), DI
	CALL   AX
	RET

// result = fn(a, b, c), with a *wordCall in DI
TEXT words(SB), NOSPLIT, $16-0
	MOVQ DI, 0(SP)
	MOVQ 0(DI), AX
	MOVQ 16(DI), SI
	MOVQ 24(DI), DX
	MOVQ 8(DI), DI
	CALL AX
	MOVQ 0(SP), CX
	MOVQ AX, 32(CX)
	RET

DATA ·withResult(SB)/8, $withResult(SB)
GLOBL ·withResult(SB), NOPTR|RODATA, $8
DATA ·withoutResult(SB)/8, $withoutResult(SB)
GLOBL ·withoutResult(SB), NOPTR|RODATA, $8
DATA ·words(SB)/8, $words(SB)
GLOBL ·words(SB), NOPTR|RODATA, $8
