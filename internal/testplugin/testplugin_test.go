package testplugin

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/loadr-plugins/loadr/manifest"
)

const source = `#include "loadr_plugin.h"
uint32_t loadr_plugin_abi_version(void) { return LOADR_PLUGIN_ABI_VERSION; }
`

var magics = map[manifest.Format]string{manifest.ELF: "\x7fELF", manifest.MachO: "\xcf\xfa\xed\xfe", manifest.PE: "MZ"}

func TestEveryTargetCompiles(t *testing.T) {
	for _, target := range manifest.Targets() {
		if target == manifest.Neutral {
			continue
		}
		t.Run(string(target), func(t *testing.T) {
			path := C(t, target, source)
			if got, want := filepath.Base(path), FileName(target, "plugin"); got != want {
				t.Errorf("file name %s, want %s", got, want)
			}
			if text := read(t, path); !bytes.HasPrefix(text, []byte(magics[target.Format()])) {
				t.Errorf("starts with %x, want %x", text[:4], magics[target.Format()])
			}
		})
	}
}

func TestEchoCompiles(t *testing.T) {
	if text := read(t, Echo(t, "x86_64-unknown-linux-gnu")); !bytes.Contains(text, []byte("loadr_plugin_execute")) {
		t.Error("the library does not mention loadr_plugin_execute")
	}
}

func TestAppleLinks(t *testing.T) {
	text := read(t, Apple(t, "aarch64-apple-darwin", source, "-fixup_chains"))
	if !bytes.HasPrefix(text, []byte(magics[manifest.MachO])) || !bytes.Contains(text, []byte("loadr_plugin_abi_version")) {
		t.Error("not a Mach-O library with the function in it")
	}
}

func TestBrokenSourceIsReported(t *testing.T) {
	recorder := &recorder{TB: t}
	done := make(chan struct{})
	go func() { // Fatalf of the recorder ends its goroutine
		defer close(done)
		C(recorder, "x86_64-unknown-linux-gnu", "int broken(")
	}()
	<-done
	if !strings.Contains(recorder.fatal, "plugin.c:1") {
		t.Errorf("message %q does not carry the compiler's", recorder.fatal)
	}
}

// recorder keeps the message of the failure that it stands in for.
type recorder struct {
	testing.TB
	fatal string
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.fatal = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func TestSameRequestSameFile(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	const target = "x86_64-unknown-linux-gnu"
	var group sync.WaitGroup
	paths := make([]string, 4)
	for i := range paths {
		group.Go(func() { paths[i] = C(t, target, source) })
	}
	group.Wait()
	for _, path := range paths {
		if path != paths[0] {
			t.Errorf("two paths for one library: %s, %s", path, paths[0])
		}
	}
	if other := C(t, target, source, "-DOTHER"); other == paths[0] {
		t.Error("other flags gave the same file")
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(filepath.Dir(paths[0])), "build-*")); left != nil {
		t.Errorf("left behind: %v", left)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
