package abistable

import (
	"encoding/binary"
	"encoding/hex"
	"strings"
	"testing"
)

// machine code, as an assembler makes it for the text beside it.
func code(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func words(list ...uint32) []byte {
	var b []byte
	for _, w := range list {
		b = binary.LittleEndian.AppendUint32(b, w)
	}
	return b
}

func TestGetterX86(t *testing.T) {
	const at = 0x10000
	for name, test := range map[string]struct {
		code string
		want uint64
		ok   bool
	}{
		"release":           {"48 8d 05 f9 0f 00 00 c3 cccc", at + 7 + 0xff9, true},
		"backwards":         {"48 8d 05 f9 ff ff ff c3", at, true},
		"endbr64":           {"f3 0f 1e fa 48 8d 05 00 01 00 00 c3", at + 11 + 0x100, true},
		"frame":             {"55 48 89 e5 48 8d 05 00 01 00 00 5d c3", at + 11 + 0x100, true},
		"endbr64 and frame": {"f3 0f 1e fa 55 48 89 e5 48 8d 05 00 01 00 00 5d c3", at + 15 + 0x100, true},
		"no pop":            {"55 48 89 e5 48 8d 05 00 01 00 00 c3", 0, false},
		"pop only":          {"48 8d 05 00 01 00 00 5d c3", 0, false},
		"no ret":            {"48 8d 05 00 01 00 00 90", 0, false},
		"a jump":            {"e9 00 01 00 00", 0, false},
		"into rdi":          {"48 8d 3d 00 01 00 00 c3", 0, false},
		"mov from memory":   {"48 8b 05 00 01 00 00 c3", 0, false},
		"cut in the offset": {"48 8d 05 00 01", 0, false},
		"cut before ret":    {"48 8d 05 00 01 00 00", 0, false},
		"nothing":           {"", 0, false},
	} {
		got, ok := getter("x86_64", at, code(t, test.code))
		if ok != test.ok || ok && got != test.want {
			t.Errorf("%s: %#x, %v, want %#x, %v", name, got, ok, test.want, test.ok)
		}
	}
}

func TestGetterARM(t *testing.T) {
	const at = 0x10ff8 // so that instructions lie on two pages
	const (
		adrp1  = 0xb0000000 // adrp x0, one page on
		adrpX8 = 0xb0000008 // adrp x8, one page on
		back   = 0xf0ffffe0 // adrp x0, one page back
		add    = 0x910c4000 // add x0, x0, #0x310
		addX8  = 0x910c4100 // add x0, x8, #0x310
		shift  = 0x914c4000 // add x0, x0, #0x310, lsl #12
		adr    = 0x10000080 // adr x0, +16
		adrX8  = 0x10000088 // adr x8, +16
		pac    = 0xd503233f // paciasp
	)
	for name, test := range map[string]struct {
		code []byte
		want uint64
		ok   bool
	}{
		"release":            {words(adrp1, add, armRet), 0x11310, true},
		"one page back":      {words(back, add, armRet), 0xf310, true},
		"other register":     {words(adrpX8, addX8, armRet), 0x11310, true},
		"bti":                {words(armBTI, adrp1, add, armRet), 0x11310, true},
		"nops":               {words(armNop, adrp1, armNop, add, armNop, armRet), 0x11310, true},
		"adr":                {words(adr, armRet), at + 16, true},
		"adr after nop":      {words(armNop, adr, armRet), at + 4 + 16, true},
		"frame":              {words(armEnter, armFrame, adrp1, add, armLeave, armRet), 0x12310, true},
		"on the next page":   {words(armNop, armNop, adrp1, add, armRet), 0x12310, true},
		"frame not left":     {words(armEnter, armFrame, adrp1, add, armRet), 0, false},
		"no frame, but left": {words(adrp1, add, armLeave, armRet), 0, false},
		"no frame pointer":   {words(armEnter, adrp1, add, armLeave, armRet), 0, false},
		"registers disagree": {words(adrpX8, add, armRet), 0, false},
		"adr into another":   {words(adrX8, armRet), 0, false},
		"shifted":            {words(adrp1, shift, armRet), 0, false},
		"signed return":      {words(pac, adrp1, add, armRet), 0, false},
		"only the page":      {words(adrp1, armRet), 0, false},
		"no ret":             {words(adrp1, add, armNop), 0, false},
		"cut":                {words(adrp1, add, armRet)[:11], 0, false},
		"nothing":            {nil, 0, false},
	} {
		got, ok := getter("aarch64", at, test.code)
		if ok != test.ok || ok && got != test.want {
			t.Errorf("%s: %#x, %v, want %#x, %v", name, got, ok, test.want, test.ok)
		}
	}
}

func TestGetterOfAnotherMachine(t *testing.T) {
	if got, ok := getter("riscv64gc", 0, words(0x10000080, armRet)); ok {
		t.Errorf("%#x", got)
	}
}

// FuzzGetter holds that any bytes are either no getter or one whose result can be told twice.
func FuzzGetter(f *testing.F) {
	f.Add(uint64(0x1000), []byte{0x48, 0x8d, 0x05, 0xf9, 0x0f, 0, 0, 0xc3})
	f.Add(uint64(0x1000), words(0xb0000000, 0x910c4000, armRet))
	f.Fuzz(func(t *testing.T, address uint64, code []byte) {
		for _, machine := range []string{"x86_64", "aarch64"} {
			result, ok := getter(machine, address, code)
			if again, okAgain := getter(machine, address, code[:min(len(code), getterSize)]); ok && len(code) <= getterSize && (result != again || !okAgain) {
				t.Errorf("%s: %#x, then %#x, %v", machine, result, again, okAgain)
			}
			if longer, okLonger := getter(machine, address, append(append([]byte(nil), code...), 0xcc, 0xcc, 0xcc, 0xcc)); ok && (!okLonger || longer != result) {
				t.Errorf("%s: what follows the code changes its result", machine)
			}
		}
	})
}
