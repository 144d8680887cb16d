//go:build unix

package cli_test

import (
	"cmp"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/loadr-plugins/loadr/internal/testplugin"
	"github.com/loadr-plugins/loadr/loader"
)

// TestNew runs what `plugin new` says: build, publish, install, call. The scripts build with the machine's own tools, whose
// homes they are told, since they have a home of their own.
func TestNew(t *testing.T) {
	host, ok := loader.HostTarget()
	if !ok {
		t.Skip("the platform of this machine is not known")
	}
	runScripts(t, "new", libraries{host: host, examples: filepath.Join(testplugin.Root(t), "examples")}, place{setup: toolHomes})
}

// toolHomes tells a script where Rust and Go keep what they have. A variable stays unset where the tool is missing; its
// scripts skip then.
func toolHomes(env *testscript.Env) error {
	for name, command := range map[string][]string{
		"RUSTUP_HOME": {"rustup", "show", "home"},
		"GOCACHE":     {"go", "env", "GOCACHE"},
		"GOMODCACHE":  {"go", "env", "GOMODCACHE"},
	} {
		if out, err := exec.Command(command[0], command[1:]...).Output(); err == nil {
			env.Setenv(name, strings.TrimSpace(string(out)))
		}
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return err
	}
	env.Setenv("CARGO_HOME", cmp.Or(os.Getenv("CARGO_HOME"), filepath.Join(home, ".cargo")))
	return nil
}
