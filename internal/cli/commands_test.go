//go:build unix

package cli_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// commands are what scripts have besides testscript's own.
var commands = map[string]func(*testscript.TestScript, bool, []string){
	"exits":     cmdExits,
	"json":      cmdJSON,
	"mkplugin":  cmdMkplugin,
	"mkexample": cmdMkexample,
	"mkarchive": cmdMkarchive,
	"files":     cmdFiles,
	"edit":      cmdEdit,
	"save":      cmdSave,
	"same":      cmdSame,
	"spawn":     cmdSpawn,
	"signal":    cmdSignal,
	"ended":     cmdEnded,
	"serve":     cmdServe,
	"slow":      cmdSlow,
	"stall":     cmdStall,
	"stalled":   cmdStalled,
}

// exits N PROGRAM ARGS... runs a program and asserts its exit code; stdout and stderr are there as after exec.
func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	want := number(ts, neg, args, 2, "exits N PROGRAM [ARGS...]")
	checkExit(ts, ts.Exec(args[1], args[2:]...), want)
}

func checkExit(ts *testscript.TestScript, err error, want int) {
	got, exit := 0, (*exec.ExitError)(nil)
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code: expected %d, found %d", want, got)
	}
}

// number checks the shape of a command's arguments and gives the first, a number.
func number(ts *testscript.TestScript, neg bool, args []string, least int, usage string) int {
	if neg || len(args) < least {
		ts.Fatalf("usage: %s", usage)
	}
	n, err := strconv.Atoi(args[0])
	if err != nil {
		ts.Fatalf("usage: %s", usage)
	}
	return n
}

// mkplugin DIR NAME VERSION TARGET=VARIANT... writes a plugin: its libraries, and a plugin.toml that names them. A DIR
// that is there keeps its other files.
func cmdMkplugin(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 4 {
		ts.Fatalf("usage: mkplugin DIR NAME VERSION TARGET=VARIANT...")
	}
	dir, toml := ts.MkAbs(args[0]), &strings.Builder{}
	fmt.Fprintf(toml, "[plugin]\nname = %q\nversion = %q\nkind = \"protocol\"\ntype = \"native\"\nentry = \"libplugin.so\"\n", args[1], args[2])
	fmt.Fprintf(toml, "description = \"A plugin of a test\"\nschemes = [\"test\"]\nlicense = \"Apache-2.0\"\n\n[build.targets]\n")
	for _, word := range args[3:] {
		target, variant, _ := strings.Cut(word, "=")
		found, err := filepath.Glob(filepath.Join(ts.Getenv("LIBS"), target, variant, "*"))
		if err != nil || len(found) != 1 {
			ts.Fatalf("no library %s/%s", target, variant)
		}
		rel := filepath.Join("build", target, filepath.Base(found[0]))
		copyFile(ts, found[0], filepath.Join(dir, rel))
		fmt.Fprintf(toml, "%q = %q\n", target, rel)
	}
	ts.Check(os.WriteFile(filepath.Join(dir, "plugin.toml"), []byte(toml.String()), 0o644))
}

func copyFile(ts *testscript.TestScript, from, to string) {
	ts.Check(os.MkdirAll(filepath.Dir(to), 0o755))
	text, err := os.ReadFile(from)
	ts.Check(err)
	ts.Check(os.WriteFile(to, text, 0o644))
}

// edit FILE OLD NEW replaces the only place where FILE has OLD.
func cmdEdit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: edit FILE OLD NEW")
	}
	text := ts.ReadFile(args[0])
	unquote := strings.NewReplacer(`\n`, "\n", `\t`, "\t").Replace
	before, after := unquote(args[1]), unquote(args[2])
	if strings.Count(text, before) != 1 {
		ts.Fatalf("%s has %q %d times, expected once", args[0], before, strings.Count(text, before))
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.Replace(text, before, after, 1)), 0o644))
}

// save FILE VAR puts a file's text, or stdout or stderr, without space around it, into an environment variable.
func cmdSave(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: save FILE VAR")
	}
	ts.Setenv(args[1], strings.TrimSpace(ts.ReadFile(args[0])))
}

// same DIR DIR asserts that two folders hold the same files with the same bytes.
func cmdSame(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: same DIR DIR")
	}
	out, err := exec.Command("diff", "-r", ts.MkAbs(args[0]), ts.MkAbs(args[1])).CombinedOutput()
	if equal := err == nil; equal == neg {
		ts.Fatalf("same %s %s: %v\n%s", args[0], args[1], err, out)
	}
}
