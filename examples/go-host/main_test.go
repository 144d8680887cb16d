package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/loadr-plugins/loadr/internal/testplugin"
	"github.com/loadr-plugins/loadr/loader"
	"github.com/loadr-plugins/loadr/loader/plugin"
	"github.com/loadr-plugins/loadr/manifest"
)

// ways are the two of hosting: the worker program to use, by what it is called.
func ways(t *testing.T) map[string]string {
	worker := filepath.Join(t.TempDir(), "loadr-worker")
	build := exec.Command("go", "build", "-buildvcs=false", "-o", worker, "../../cmd/loadr-worker")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return map[string]string{"in this process": "", "in a worker": worker}
}

func hostTarget(t *testing.T) manifest.Target {
	target, ok := loader.HostTarget()
	if !ok {
		t.Skip("this machine's target is not known")
	}
	return target
}

func TestBothWaysOfHosting(t *testing.T) {
	target := hostTarget(t)
	lines := filepath.Join(t.TempDir(), "lines")
	examples := map[string]struct {
		library func(t *testing.T) string
		host    host
		want    string // of standard output
	}{
		"c-echo": {
			library: func(t *testing.T) string { return testplugin.Echo(t, target) }, host: host{config: "{}", text: "hello"},
			want: `^interface c: fits\nc-echo 0\.1\.0 makes protocol\n200 OK\nhello\n$`,
		},
		"echo-proto": {
			library: rust(target, "echo-proto"), host: host{config: `{"reverse":false}`, text: "hello"},
			want: `^interface native: fits\necho-proto 0\.1\.0 makes protocol\n200 OK\nhello\n$`,
		},
		"snapshot-output": {
			library: rust(target, "snapshot-output"), host: host{config: fmt.Sprintf(`{"path":%q}`, lines)},
			want: `^interface native: fits\nsnapshot-output 0\.1\.0 makes output\noutput snapshot-output: recorded\n$`,
		},
		"token-service": {
			library: rust(target, "token-service"), host: host{config: "{}"},
			want: `^interface native: fits\ntoken-service 0\.1\.0 makes service\nservice token-service: started: .*http://127\.0\.0\.1:\d+/`,
		},
	}
	for way, worker := range ways(t) {
		for name, example := range examples {
			t.Run(way+"/"+name, func(t *testing.T) {
				var out bytes.Buffer
				h := example.host
				h.out, h.worker, h.library = &out, worker, example.library(t)
				if err := h.run(t.Context()); err != nil {
					t.Fatal(err)
				}
				if !regexp.MustCompile(example.want).Match(out.Bytes()) {
					t.Errorf("expected %s, found %s", example.want, out.Bytes())
				}
			})
		}
	}
}

func rust(target manifest.Target, example string) func(t *testing.T) string {
	return func(t *testing.T) string {
		return testplugin.Rust(t, target, "examples/"+example, testplugin.RustOptions{})
	}
}

// TestRefusedConfiguration: what a plugin answers is the same in both places.
func TestRefusedConfiguration(t *testing.T) {
	library := rust(hostTarget(t), "snapshot-output")(t)
	for way, worker := range ways(t) {
		h := host{out: &bytes.Buffer{}, worker: worker, library: library, config: "{}"}
		err := h.run(t.Context())
		var failure *plugin.FailureError
		if !errors.As(err, &failure) || failure.Call != "start" || failure.Text != "config.path: expected the file to write to" {
			t.Errorf("%s: found %v", way, err)
		}
	}
}
