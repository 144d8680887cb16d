package binfile

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/loadr-plugins/loadr/internal/testplugin"
	"github.com/loadr-plugins/loadr/manifest"
)

const rootModule = "_1as_0lib_1header_0root_bmodule_bloader"

// tableSize is the number of pointers in a table, enough for a dozen pages and several blocks.
const tableSize = 6000

// tables is a library with tables of pointers: to an exported array, to a hidden one, and, where the format can do that,
// at odd addresses, so that they lie across blocks.
func tables() string {
	var exported, hidden, odd strings.Builder
	for i := range tableSize {
		fmt.Fprintf(&exported, "&values[%d],", element(i))
		fmt.Fprintf(&hidden, "&inner[%d],", element(i))
		fmt.Fprintf(&odd, "{1, &inner[%d]},", element(i))
	}
	return fmt.Sprintf(`int puts(const char *);
#ifdef _WIN32
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif
EXPORT int values[%[1]d] = {1};
static int inner[%[1]d] = {1};
EXPORT int zeros[%[1]d];
EXPORT int a_function(int x) { return puts("hello") + inner[x]; }
EXPORT int *const exported[] = {%[2]s};
EXPORT int *const hidden[] = {%[3]s};
EXPORT int (*functions[])(int) = {a_function};
EXPORT const char *texts[] = {"hello, world"};
#ifndef __APPLE__
EXPORT struct __attribute__((packed)) { char c; int *p; } odd[] = {%[4]s};
#endif
#ifndef _WIN32
EXPORT int (*other[])(const char *) = {puts};
EXPORT __attribute__((weak)) int weak_value = 3;
EXPORT int *weak[] = {&weak_value};
#endif
`, tableSize, &exported, &hidden, &odd)
}

// element is the element of the array that a pointer of the table leads to.
func element(i int) int { return i * 7919 % tableSize }

func TestPointersOfEveryFormat(t *testing.T) {
	const windowsARM = "aarch64-pc-windows-gnullvm"
	chains := []string{"-fixup_chains"}
	for name, path := range map[string]string{
		"linux amd64":          testplugin.C(t, linuxAMD64, tables()),
		"linux amd64, zig":     testplugin.Zig(t, linuxAMD64, "x86_64-linux-gnu.2.28", tables(), "-s"),
		"linux amd64, musl":    testplugin.Zig(t, linuxAMD64, "x86_64-linux-musl", tables(), "-s"),
		"linux arm64":          testplugin.Zig(t, "aarch64-unknown-linux-gnu", "aarch64-linux-gnu.2.28", tables(), "-s"),
		"windows amd64":        testplugin.Zig(t, windows64, "x86_64-windows-gnu", tables()),
		"windows arm64":        testplugin.Zig(t, windowsARM, "aarch64-windows-gnu", tables()),
		"darwin amd64":         testplugin.Zig(t, "x86_64-apple-darwin", "x86_64-macos", tables()),
		"darwin arm64":         testplugin.Zig(t, darwinARM, "aarch64-macos", tables()),
		"darwin amd64, chains": testplugin.Apple(t, "x86_64-apple-darwin", tables(), chains...),
		"darwin arm64, chains": testplugin.Apple(t, darwinARM, tables(), chains...),
	} {
		t.Run(name, func(t *testing.T) { checkTables(t, open(t, path)) })
	}
}

func checkTables(t *testing.T, f *File) {
	t.Helper()
	m := imageOf(t, f)
	at := func(name string) uint64 { return mustFind(t, f, name).Address }
	values, inner := at("values"), wordAt(t, m, at("hidden")) // element(0) is 0
	for _, i := range rand.Perm(tableSize) {
		offset := uint64(4 * element(i))
		if word := wordAt(t, m, at("exported")+8*uint64(i)); word != values+offset {
			t.Fatalf("exported[%d] is %#x, want %#x", i, word, values+offset)
		}
		if word := wordAt(t, m, at("hidden")+8*uint64(i)); word != inner+offset {
			t.Fatalf("hidden[%d] is %#x, want %#x", i, word, inner+offset)
		}
	}
	if inner == 0 || wordAt(t, m, inner)&0xffffffff != 1 {
		t.Errorf("the hidden array is not at %#x", inner)
	}
	if word := wordAt(t, m, at("functions")); word != at("a_function") || !m.Executable(word) || m.Executable(values) {
		t.Errorf("functions[0] is %#x, executable %v", word, m.Executable(word))
	}
	if text, err := m.Read(wordAt(t, m, at("texts")), 13); err != nil || string(text) != "hello, world\x00" {
		t.Errorf("texts[0] is %q, %v", text, err)
	}
	checkLarge(t, f, m)
	checkOdd(t, f, m)
	checkForeign(t, f, m)
}

// checkLarge reads whole tables, across blocks.
func checkLarge(t *testing.T, f *File, m *Image) {
	t.Helper()
	table, err := m.Read(mustFind(t, f, "exported").Address, 8*tableSize)
	if err != nil || len(table) != 8*tableSize {
		t.Fatalf("%d bytes, %v", len(table), err)
	}
	for i := range tableSize {
		want := mustFind(t, f, "values").Address + uint64(4*element(i))
		if word := binary.LittleEndian.Uint64(table[8*i:]); word != want {
			t.Fatalf("in one piece: exported[%d] is %#x, want %#x", i, word, want)
		}
	}
	zeros, err := m.Read(mustFind(t, f, "zeros").Address, 4*tableSize)
	if err != nil || len(zeros) != 4*tableSize || strings.Trim(string(zeros), "\x00") != "" {
		t.Errorf("what the file does not have: %d bytes, not all zero, %v", len(zeros), err)
	}
}

// checkOdd reads every pointer at an odd address, and its halves.
func checkOdd(t *testing.T, f *File, m *Image) {
	t.Helper()
	if f.Format == manifest.MachO {
		return
	}
	inner, odd := wordAt(t, m, mustFind(t, f, "hidden").Address), mustFind(t, f, "odd").Address
	for i := range uint64(tableSize) {
		want := inner + uint64(4*element(int(i)))
		if word := wordAt(t, m, odd+9*i+1); word != want {
			t.Fatalf("odd[%d] is %#x, want %#x", i, word, want)
		}
		low, err := m.Read(odd+9*i, 5)
		if err != nil || low[0] != 1 || binary.LittleEndian.Uint32(low[1:]) != uint32(want) {
			t.Fatalf("first half of odd[%d]: %x, %v, want %#x", i, low, err, want)
		}
		high, err := m.Read(odd+9*i+5, 4)
		if err != nil || binary.LittleEndian.Uint32(high) != uint32(want>>32) {
			t.Fatalf("second half of odd[%d]: %x, %v, want %#x", i, high, err, want)
		}
	}
}

// checkForeign reads what is another library's.
func checkForeign(t *testing.T, f *File, m *Image) {
	t.Helper()
	if f.Format == manifest.PE {
		imports := m.tables.(*peRelocations).imports
		if len(imports) == 0 {
			t.Fatal("no imports")
		}
		_, err := m.Read(imports[0].address+imports[0].size-1, 1)
		expect(t, "import", err, "are addresses of symbols of ")
		return
	}
	other := mustFind(t, f, "other").Address
	for _, part := range [][2]uint64{{0, 8}, {7, 1}, {0, 1}} {
		_, err := m.Read(other+part[0], part[1])
		expect(t, "word of another library's symbol", err, "is the address of ")
		expect(t, "word of another library's symbol", err, "puts, which ")
	}
	weak, err := m.Read(mustFind(t, f, "weak").Address, 8)
	if f.Format == manifest.MachO {
		expect(t, "weak symbol", err, "weak_value, which may be another library's")
	} else if err != nil || binary.LittleEndian.Uint64(weak) != mustFind(t, f, "weak_value").Address {
		t.Errorf("weak[0] is %x, %v", weak, err)
	}
}

func imageOf(t testing.TB, f *File) *Image {
	t.Helper()
	image, err := f.Image()
	if err != nil {
		t.Fatal(err)
	}
	return image
}

// wordAt reads a word that there must be.
func wordAt(t testing.TB, m *Image, address uint64) uint64 {
	t.Helper()
	b, err := m.Read(address, 8)
	if err != nil {
		t.Fatal(err)
	}
	return binary.LittleEndian.Uint64(b)
}

func TestReadsOutsideOfTheImage(t *testing.T) {
	for format, image := range samples(t) {
		m := imageOf(t, fromBytes(t, image))
		s := m.memory.segments[0]
		for _, place := range [][2]uint64{{1<<64 - 1, 1}, {1<<64 - 1, 1<<64 - 1}, {s.address + s.size, 1}, {s.address + 1, s.size},
			{s.address, 1<<64 - 1}, {s.address + 1, 1<<64 - 1}} {
			_, err := m.Read(place[0], place[1])
			if last := m.memory.segments; len(last) > 1 && place[0] == last[1].address {
				continue // the next segment begins at once
			}
			expect(t, fmt.Sprint(format, place), err, "lie outside of the image")
		}
		if b, err := m.Read(1<<64-1, 0); len(b) != 0 || err != nil {
			t.Errorf("no bytes: %x, %v", b, err)
		}
	}
}

func TestImageOfOtherMachines(t *testing.T) {
	f := open(t, testplugin.Zig(t, "riscv64gc-unknown-linux-gnu", "riscv64-linux-musl", hello))
	_, err := f.Image()
	expect(t, "riscv64", err, "expected an image for x86_64 or aarch64, found one for riscv64gc")
}
