//go:build windows && amd64

#include "textflag.h"

// Windows x64. Go's runtime calls these on the system stack, aligned, in the C convention: CX is the *frame, whose offsets
// call.go states. A result that is no register's size is written through a hidden first argument; the text is passed by the
// address of a copy that the callee may overwrite, and the frame's own is that copy. Functions that take fewer arguments
// never look at the rest. The 32 bytes of stack are the space that a callee may use for its four register arguments.

// fn(&out, self, &text)
TEXT withResult(SB), NOSPLIT, $32-0
	MOVQ 0(CX), AX
	MOVQ 8(CX), DX
	LEAQ 16(CX), R8
	LEAQ 48(CX), CX
	CALL AX
	RET

// fn(self, &text)
TEXT withoutResult(SB), NOSPLIT, $32-0
	MOVQ 0(CX), AX
	LEAQ 16(CX), DX
	MOVQ 8(CX), CX
	CALL AX
	RET

// result = fn(a, b, c), with a *wordCall in CX
TEXT words(SB), NOSPLIT, $48-0
	MOVQ CX, 32(SP)
	MOVQ 0(CX), AX
	MOVQ 16(CX), DX
	MOVQ 24(CX), R8
	MOVQ 8(CX), CX
	CALL AX
	MOVQ 32(SP), CX
	MOVQ AX, 32(CX)
	RET

DATA ·withResult(SB)/8, $withResult(SB)
GLOBL ·withResult(SB), NOPTR|RODATA, $8
DATA ·withoutResult(SB)/8, $withoutResult(SB)
GLOBL ·withoutResult(SB), NOPTR|RODATA, $8
DATA ·words(SB)/8, $words(SB)
GLOBL ·words(SB), NOPTR|RODATA, $8
