//go:build (linux || darwin || windows) && arm64

#include "textflag.h"

// AAPCS64, the same on all three systems for what is called here. Go's runtime calls this on the system stack in the C
// convention: R0 is the *frame, whose offsets call.go states. A result of more than 16 bytes is written to where R8 points,
// which takes the place of no argument; so one trampoline serves functions with and without a result. The text is passed
// by the address of a copy that the callee may overwrite, and the frame's own is that copy.

// fn(self, &text), R8 = &out. It jumps: the callee returns to the runtime.
TEXT withResult(SB), NOSPLIT|NOFRAME, $0-0
	MOVD R0, R9
	MOVD 0(R9), R10
	ADD  $48, R9, R8
	MOVD 8(R9), R0
	ADD  $16, R9, R1
	JMP  (R10)

// result = fn(a, b, c), with a *wordCall in R0. The assembler saves the link register and R29.
TEXT words(SB), NOSPLIT, $16-0
	MOVD R0, 8(RSP)
	MOVD 0(R0), R9
	MOVD 16(R0), R1
	MOVD 24(R0), R2
	MOVD 8(R0), R0
	BL   (R9)
	MOVD 8(RSP), R9
	MOVD R0, 32(R9)
	RET

DATA ·withResult(SB)/8, $withResult(SB)
GLOBL ·withResult(SB), NOPTR|RODATA, $8
DATA ·withoutResult(SB)/8, $withResult(SB)
GLOBL ·withoutResult(SB), NOPTR|RODATA, $8
DATA ·words(SB)/8, $words(SB)
GLOBL ·words(SB), NOPTR|RODATA, $8
