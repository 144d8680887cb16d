package binfile

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/loadr-plugins/loadr/internal/testplugin"
	"github.com/loadr-plugins/loadr/manifest"
)

// The tests of this file compare images with the memory of a process of this machine.

// dump opens a library and prints its address and, for every word that is read-only after relocation, place and value.
const dump = `#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
static int visit(struct dl_phdr_info *info, size_t size, void *map) {
  ElfW(Addr) base = ((struct link_map *)map)->l_addr;
  if (info->dlpi_addr != base) return 0;
  printf("%lx 0\n", (long)base);
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *p = info->dlpi_phdr + i;
    if (p->p_type != PT_GNU_RELRO) continue;
    for (ElfW(Addr) at = (p->p_vaddr + 7) & ~7UL; at + 8 <= p->p_vaddr + p->p_memsz; at += 8)
      printf("%lx %lx\n", (long)at, *(long *)(base + at));
  }
  return 0;
}
int main(int count, char **args) {
  void *map = 0, *library = dlopen(args[1], RTLD_NOW);
  if (!library || dlinfo(library, RTLD_DI_LINKMAP, &map)) { puts(dlerror()); return 1; }
  dl_iterate_phdr(visit, map);
  return 0;
}
`

// TestRustAgainstTheLoader compares with the memory of a process that opened the library.
func TestRustAgainstTheLoader(t *testing.T) {
	target, known := manifest.TargetFor(runtime.GOOS, runtime.GOARCH, manifest.Glibc)
	if !known || runtime.GOOS != "linux" {
		t.Skip("only Linux's loader is asked")
	}
	for name, path := range map[string]string{
		"plugin":       testplugin.RustSource(t, target, rustEcho, testplugin.RustOptions{}),
		"debug build":  testplugin.RustSource(t, target, rustEcho, testplugin.RustOptions{Profile: "dev"}),
		"C":            testplugin.C(t, target, tables(), "-Wl,-z,relro,-z,now"),
		"relative, C":  testplugin.C(t, target, tables(), "-Wl,-z,relro,-z,now,-z,pack-relative-relocs"),
		"indirect, C":  testplugin.C(t, target, indirect, "-Wl,-z,relro,-z,now"),
		"bound, C":     testplugin.C(t, target, tables(), "-Wl,-z,relro,-z,now,-Bsymbolic"),
		"no combining": testplugin.C(t, target, tables(), "-Wl,-z,relro,-z,now,-z,nocombreloc"),
	} {
		t.Run(name, func(t *testing.T) { compareWithMemory(t, path) })
	}
}

// indirect has a function that is chosen when the library is opened, and a thread-local variable.
const indirect = `static int one(void) { return 1; }
static int (*choose(void))(void) { return one; }
int chosen(void) __attribute__((ifunc("choose")));
static int chosen_here(void) __attribute__((ifunc("choose")));
__thread int local;
int *get(void) { return &local; }
int (*const functions[])(void) = {one, chosen, chosen_here};
`

func compareWithMemory(t *testing.T, path string) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "dump")
	source := program + ".c"
	if err := os.WriteFile(source, []byte(dump), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("cc", "-o", program, source, "-ldl").CombinedOutput(); err != nil {
		t.Skipf("no C compiler for this machine: install gcc: %v\n%s", err, out)
	}
	words := bufio.NewScanner(strings.NewReader(tool(t, program, path)))
	m := imageOf(t, open(t, path))
	var at, live, base uint64
	moved, same, unknown := 0, 0, 0
	for words.Scan() {
		if _, err := fmt.Sscanf(words.Text(), "%x %x", &at, &live); err != nil {
			t.Fatalf("%q: %v", words.Text(), err)
		}
		if base == 0 {
			base = at
			continue
		}
		_, inside := m.memory.at(live - base)
		got, err := m.Read(at, 8)
		switch {
		case err != nil:
			unknown++
			if !strings.Contains(err.Error(), "the word at address") {
				t.Fatalf("word at %#x: %v", at, err)
			}
		case inside:
			moved++
			if word := binary.LittleEndian.Uint64(got); word != live-base {
				t.Fatalf("word at %#x is %#x, in memory it is %#x behind the start", at, word, live-base)
			}
		case !bytes.Equal(got, binary.LittleEndian.AppendUint64(nil, live)):
			t.Fatalf("word at %#x is %x, in memory %#x", at, got, live)
		default:
			same++
		}
	}
	t.Logf("%d addresses of the image, %d other words, %d unknown", moved, same, unknown)
	if moved < 3 || unknown == 0 || same == 0 {
		t.Error("too little was compared")
	}
}
