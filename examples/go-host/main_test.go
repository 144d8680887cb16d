package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/loadr-plugins/loadr/internal/testplugin"
	"github.com/loadr-plugins/loadr/loader"
)

func TestBothWaysOfHosting(t *testing.T) {
	target, ok := loader.HostTarget()
	if !ok {
		t.Skip("this machine's target is not known")
	}
	library := testplugin.Echo(t, target)
	worker := filepath.Join(t.TempDir(), "loadr-worker")
	build := exec.Command("go", "build", "-buildvcs=false", "-o", worker, "../../cmd/loadr-worker")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for name, program := range map[string]string{"in this process": "", "in a worker": worker} {
		var out bytes.Buffer
		if err := run(t.Context(), &out, program, library, "hello"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !strings.HasPrefix(out.String(), "interface c, needs [") ||
			!strings.HasSuffix(out.String(), "\nc-echo 0.1.0\n200 OK\nhello\n") {
			t.Errorf("%s: found %q", name, out.String())
		}
	}
}
