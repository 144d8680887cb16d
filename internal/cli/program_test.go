//go:build unix

package cli_test

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// The program that people install must run on a machine that has nothing else, not even a C library.
func TestLoadrIsStatic(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has static programs")
	}
	f, err := elf.Open(filepath.Join(bin, "loadr"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("loadr has a segment %v: it needs a dynamic linker", p.Type)
		}
	}
	if needed, _ := f.ImportedLibraries(); len(needed) > 0 {
		t.Errorf("loadr needs %v", needed)
	}
}

func TestLoadrRunsInAnEmptyRoot(t *testing.T) {
	if runtime.GOOS != "linux" || os.Getuid() != 0 {
		t.Skip("only root on Linux can change the root")
	}
	root := t.TempDir()
	text, err := os.ReadFile(filepath.Join(bin, "loadr"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "loadr"), text, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"version"}, {"plugin", "init"}, {"plugin", "install", "--target", "x86_64-unknown-linux-gnu", "--json"},
		{"plugin", "list"}, {"plugin", "new", "x", "--json"},
	} {
		cmd := exec.Command("/loadr", args...)
		cmd.Dir, cmd.Env = "/", []string{"LOADR_CACHE_DIR=/cache", "LOADR_REGISTRY_DIR=/registry"}
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("loadr %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	if _, err := os.Stat(filepath.Join(root, "loadr.toml")); err != nil {
		t.Errorf("plugin init wrote no project: %v", err)
	}
}

// Opening libraries is the work of loadr-worker: loadr must not even contain the means.
func TestLoadrCannotOpenLibraries(t *testing.T) {
	const purego = "github.com/ebitengine/purego"
	if deps := dependencies(t, "../../cmd/loadr"); slices.ContainsFunc(deps, func(d string) bool { return strings.HasPrefix(d, purego) }) {
		t.Errorf("cmd/loadr depends on %s", purego)
	}
	if deps := dependencies(t, "../../cmd/loadr-worker"); !slices.Contains(deps, purego) {
		t.Errorf("cmd/loadr-worker does not depend on %s: this test looks for the wrong name", purego)
	}
}

func dependencies(t *testing.T, program string) []string {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", program)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))
}
