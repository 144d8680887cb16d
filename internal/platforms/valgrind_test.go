package platforms_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// maxKept is how many blocks of the C heap may be in use when a program ends: its threads', the C library's, and what a
// library keeps for good. It does not depend on the number of calls.
const maxKept = 64

// TestNothingIsLost has valgrind count what stays allocated after hundreds of calls and objects: every string and object that a library
// made must have been given back to it. Go's own memory is no matter of valgrind's, which mistakes a change of stack for an
// error, so that only its account of the C heap is looked at.
func TestNothingIsLost(t *testing.T) {
	valgrind, err := exec.LookPath("valgrind")
	if err != nil {
		t.Skip("no valgrind: apt-get install valgrind (./scripts/tools.sh)")
	}
	m := native(t)
	for _, example := range []string{protocol, output, service} {
		t.Run(example, func(t *testing.T) {
			log := filepath.Join(m.dir, example+".log")
			m.runner = []string{
				valgrind, "--leak-check=full", "--show-leak-kinds=definite,indirect", "--undef-value-errors=no", "--log-file=" + log,
			}
			script := scripts(t, filepath.Join(m.dir, example+".txt"))[example]
			m.ask(t, library(t, m.target, example), script)
			checkHeap(t, log)
		})
	}
}

func checkHeap(t *testing.T, log string) {
	t.Helper()
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	allocated := count(t, text, `total heap usage: ([\d,]+) allocs`)
	if allocated < repeat {
		t.Errorf("expected valgrind to see every call's allocations, found %d", allocated)
	}
	for _, kind := range []string{"definitely", "indirectly"} {
		if lost := count(t, text, kind+` lost: ([\d,]+) bytes`); lost > 0 {
			t.Errorf("%s lost: %d bytes\n%s", kind, lost, losses(string(text)))
		}
	}
	kept := count(t, text, `in use at exit: [\d,]+ bytes in ([\d,]+) blocks`)
	if kept > maxKept {
		t.Errorf("in use at exit: expected at most %d blocks, found %d", maxKept, kept)
	}
	t.Logf("%d blocks allocated, %d in use at exit", allocated, kept)
}

// count reads the number in valgrind's words.
func count(t *testing.T, text []byte, pattern string) int {
	t.Helper()
	found := regexp.MustCompile(pattern).FindSubmatch(text)
	if found == nil {
		t.Fatalf("valgrind's log does not have %q:\n%s", pattern, text[max(0, len(text)-2000):])
	}
	n, err := strconv.Atoi(strings.ReplaceAll(string(found[1]), ",", ""))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// losses is the end of the log, from the account of the heap on.
func losses(text string) string {
	_, account, _ := strings.Cut(text, "HEAP SUMMARY")
	return account
}
