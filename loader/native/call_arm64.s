//go:build (linux || darwin || windows) && arm64

#include "textflag.h"

// AAPCS64, the same on all three systems for what is called here. Go's runtime calls this on the system stack in the C
// convention: R0 is the *frame, whose offsets call.go states. A result of more than 16 bytes is written to where R8 points,
// which takes the place of no argument; so one trampoline serves functions with and without a result. The text is passed
// by the address of a copy that the callee may overwrite, and the frame's own is that copy. It jumps: the callee returns to
// the runtime.

// fn(self, &text), R8 = &out
TEXT withResult(SB), NOSPLIT|NOFRAME, $0-0
	MOVD R0, R9
	MOVD 0(R9), R10
	ADD  $48, R9, R8
	MOVD 8(R9), R0
	ADD  $16, R9, R1
	JMP  (R10)

DATA ·withResult(SB)/8, $withResult(SB)
GLOBL ·withResult(SB), NOPTR|RODATA, $8
DATA ·withoutResult(SB)/8, $withResult(SB)
GLOBL ·withoutResult(SB), NOPTR|RODATA, $8
