package testplugin

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// header is what every source may include.
const header = "loadr_plugin.h"

// library is one thing to build. The name is that of the resulting file. Where there is a linker, the compiler makes an
// object file only and the linker does the rest.
type library struct {
	name      string
	source    string
	flags     []string
	linker    compiler
	linkFlags []string
}

// build gives the path of the built library, from the cache where it is there.
func build(t testing.TB, cc compiler, lib library) string {
	t.Helper()
	headerText, err := os.ReadFile(filepath.Join(Root(t), "sdk", "c", header))
	if err != nil {
		t.Fatalf("testplugin: %v", err)
	}
	dir := filepath.Join(cacheDir(t), key(cc, lib, headerText))
	path := filepath.Join(dir, lib.name)
	if _, err := os.Stat(path); err == nil {
		return path
	}
	if err := buildInto(t, dir, cc, lib, headerText); err != nil {
		t.Fatalf("testplugin: %s: %v", lib.name, err)
	}
	return path
}

// buildInto compiles in a temporary folder and renames it to dir, so that dir is whole or absent. When another process
// was quicker its result stays: both are the same.
func buildInto(t testing.TB, dir string, cc compiler, lib library, headerText []byte) error {
	work, err := os.MkdirTemp(filepath.Dir(dir), "build-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if err := compile(t, work, cc, lib, headerText); err != nil {
		return err
	}
	err = os.Rename(work, dir)
	if _, statErr := os.Stat(filepath.Join(dir, lib.name)); statErr == nil {
		return nil
	}
	return err
}

func compile(t testing.TB, work string, cc compiler, lib library, headerText []byte) error {
	if err := os.WriteFile(filepath.Join(work, "plugin.c"), []byte(lib.source), 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(work, header), headerText, 0o600); err != nil {
		return err
	}
	if lib.linker.command == nil {
		return run(t, work, cc.command, lib.flags, "-o", lib.name, "plugin.c")
	}
	if err := run(t, work, cc.command, lib.flags, "-c", "-o", "plugin.o", "plugin.c"); err != nil {
		return err
	}
	return run(t, work, lib.linker.command, lib.linkFlags, "-o", lib.name, "plugin.o")
}

// run runs a command in the folder work. Its messages are in the error.
func run(t testing.TB, work string, command, flags []string, rest ...string) error {
	args := slices.Concat(command[1:], flags, rest)
	cmd := exec.CommandContext(t.Context(), command[0], args...)
	cmd.Dir = work
	var messages bytes.Buffer
	cmd.Stdout, cmd.Stderr = &messages, &messages
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%v: %w\n%s", cmd.Args, err, messages.String())
	}
	return nil
}

// key names everything that the bytes of the library depend on.
func key(cc compiler, lib library, headerText []byte) string {
	hash := sha256.New()
	fmt.Fprintf(hash, "%q %q", cc.command, cc.identity)
	fmt.Fprintf(hash, "%q %q %q %q", lib.linker.command, lib.linker.identity, lib.linkFlags, headerText)
	fmt.Fprintf(hash, "%q %q %q", lib.name, lib.flags, lib.source)
	return hex.EncodeToString(hash.Sum(nil)[:12])
}

func cacheDir(t testing.TB) string {
	t.Helper()
	user, err := os.UserCacheDir()
	if err != nil {
		user = os.TempDir() // a build user without a home
	}
	dir := filepath.Join(user, "loadr-testplugin")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatalf("testplugin: %v", err)
	}
	return dir
}
