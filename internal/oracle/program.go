package oracle

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/loadr-plugins/loadr/internal/testplugin"
)

// Dump gives the canonical text of the layout of a library, by its path, or of a host, by its name. It is nil for a
// library that has no layout.
func Dump(t testing.TB, library string) []byte {
	t.Helper()
	text, err := ask(t, "dump", library)
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 3 {
		return nil
	}
	if err != nil {
		t.Fatalf("oracle: dump of %s: %v", library, err)
	}
	return text
}

// Verdict says whether a Rust host of the given name loads the library, and abi_stable's reasons where it doesn't. The
// host has loaded the earlier ones before, all of which it accepts.
func Verdict(t testing.TB, host, library string, earlier ...string) (fits bool, reasons string) {
	t.Helper()
	text, err := ask(t, slices.Concat([]string{"verdict", host}, earlier, []string{library})...)
	if err != nil {
		t.Fatalf("oracle: verdict of host %s on %s: %v", host, library, err)
	}
	word, reasons, _ := strings.Cut(string(text), "\n")
	return word == "fits", reasons
}

// ask runs the oracle. abi_stable remembers what it has seen in a process, so each question has its own.
func ask(t testing.TB, question ...string) ([]byte, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program(t), question...)
	cmd.Env = append(os.Environ(), "LLVM_PROFILE_FILE="+os.DevNull) // a library that counts writes its counts here
	var messages bytes.Buffer
	cmd.Stderr = &messages
	text, err := cmd.Output()
	if err != nil && messages.Len() > 0 {
		t.Logf("oracle %v: %s", question, messages.String())
	}
	return text, err
}

// program builds the oracle and gives its path.
func program(t testing.TB) string {
	t.Helper()
	next := nextLibrary()
	c := compilation{
		file:  "oracle",
		kind:  "bin",
		crate: "oracle",
		texts: map[string]string{"oracle.rs": read(t, "internal/oracle/testdata/oracle.rs"), "text.rs": read(t, "internal/oracle/testdata/text.rs")},
		flags: []string{"-Copt-level=1"},
		uses:  []string{"loadr_plugin_sdk"},
		also:  sdkSource(t),
		externs: map[string]string{
			"host_next": next.host(t, "host_next"),
			"host_rich": Library{Rich: true}.host(t, "host_rich"),
		},
	}
	if strings.Contains(string(hostTarget(t)), "windows") {
		c.file += ".exe"
	}
	return compile(t, Build{}, c)
}

// host compiles the library's interface as a crate for the oracle.
func (l Library) host(t testing.TB, crate string) string {
	t.Helper()
	text, err := l.source(t, false)
	if err != nil {
		t.Fatalf("oracle: %v", err)
	}
	return compile(t, l.Build, compilation{
		file:  "lib" + crate + ".rlib",
		kind:  "rlib",
		crate: crate,
		texts: map[string]string{crate + ".rs": text},
		flags: l.Build.flags(),
		env:   l.environment(),
	})
}

// sdkSource is what the SDK's crate is made of.
func sdkSource(t testing.TB) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(testplugin.Root(t), "sdk", "rust", "src", "*.rs"))
	if err != nil {
		t.Fatalf("oracle: %v", err)
	}
	text := read(t, "sdk/rust/Cargo.toml") + read(t, "sdk/rust/build.rs")
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatalf("oracle: %v", err)
		}
		text += string(source)
	}
	return text
}

func read(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(testplugin.Root(t), filepath.FromSlash(path)))
	if err != nil {
		t.Fatalf("oracle: %v", err)
	}
	return string(text)
}
