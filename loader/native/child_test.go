package native_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/loader/native"
)

// What ends a process runs in another one: the test's own program, which does the test named in childTest instead.
const childTest, childLibrary = "LOADR_NATIVE_CHILD", "LOADR_NATIVE_LIBRARY"

// inChild runs the named part of a test with the library in a process of its own.
func inChild(t *testing.T, part string, library native.Options, env ...string) (out string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestChild$", "-test.v")
	cmd.Env = append(os.Environ(), append(env, childTest+"="+part, childLibrary+"="+library.Path)...)
	text, err := cmd.CombinedOutput()
	return string(text), err
}

// children are the parts that run in a process of their own.
var children = map[string]func(t *testing.T, lib *native.Library){
	"panic": func(t *testing.T, lib *native.Library) { sendAndReturn(t, lib, `{"do":"panic"}`) },
	"exit":  func(t *testing.T, lib *native.Library) { sendAndReturn(t, lib, `{"do":"exit"}`) },
}

func sendAndReturn(t *testing.T, lib *native.Library, request string) {
	_, err := send(context.Background(), protocolOf(t, lib), request)
	fmt.Println("the call has returned", err)
}

func TestChild(t *testing.T) {
	part, ok := children[os.Getenv(childTest)]
	if !ok {
		t.Skip("for other tests, which start it")
	}
	path := os.Getenv(childLibrary)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	part(t, openLibrary(t, native.Options{Path: path, Digest: digest.FromBytes(text), Name: "trouble", TempDir: t.TempDir()}))
}

// A panic can't cross into Go: Rust aborts, and takes the process along with the plugin's words. There is no way to
// survive it here, which is why there is a worker.
func TestRustPanicEndsTheProcess(t *testing.T) {
	out, err := inChild(t, "panic", rustTrouble(t))
	var exit *exec.ExitError
	if !errors.As(err, &exit) || !strings.Contains(out, "as the request wants it") || strings.Contains(out, "the call has returned") {
		t.Errorf("found %v\n%s", err, out)
	}
}

func TestRustExitEndsTheProcess(t *testing.T) {
	out, err := inChild(t, "exit", rustTrouble(t))
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 7 || strings.Contains(out, "the call has returned") {
		t.Errorf("found %v\n%s", err, out)
	}
}
