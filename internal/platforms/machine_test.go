package platforms_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/loadr-plugins/loadr/internal/platforms"
	"github.com/loadr-plugins/loadr/internal/testplugin"
	"github.com/loadr-plugins/loadr/loader"
	"github.com/loadr-plugins/loadr/manifest"
)

// patience is for one program; emulation is some times slower than the machine, a fresh Wine slower still.
const patience = 3 * time.Minute

// machine is a platform and what runs its programs here.
type machine struct {
	target       manifest.Target
	system, arch string   // as Go calls them
	runner       []string // put before the program
	env          []string // added to this process's
	dir          string   // holds the programs
	host         string   // path
	worker       string   // path of what host is given as its worker
}

func (m machine) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	words := append(append([]string(nil), m.runner...), program)
	cmd := exec.CommandContext(ctx, words[0], append(words[1:], args...)...)
	cmd.Env = append(os.Environ(), m.env...)
	cmd.Dir = m.dir
	cmd.WaitDelay = time.Second
	return cmd
}

// build compiles host and worker the way they are released: without cgo.
func (m *machine) build(t *testing.T) {
	t.Helper()
	m.dir = t.TempDir()
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", m.dir+string(filepath.Separator),
		"./internal/platforms/host", "./cmd/loadr-worker")
	cmd.Dir = testplugin.Root(t)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+m.system, "GOARCH="+m.arch)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	suffix := map[string]string{"windows": ".exe"}[m.system]
	m.host, m.worker = filepath.Join(m.dir, "host"+suffix), filepath.Join(m.dir, "loadr-worker"+suffix)
}

// ask has the machine's host go through the script. Its standard streams are files: Wine's own programs, which go on in
// the background, would hold pipes open.
func (m machine) ask(t *testing.T, library string, script platforms.Script, args ...string) platforms.Answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	text, err := json.Marshal(script)
	if err != nil {
		t.Fatal(err)
	}
	in, out, errs := m.file(t, text), m.file(t, nil), m.file(t, nil)
	cmd := m.command(ctx, m.host, append(args, library)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, content(t, errs))
	}
	var answer platforms.Answer
	if err := json.Unmarshal(content(t, out), &answer); err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, content(t, out))
	}
	return answer
}

// file makes a file with that content, to be read from its beginning.
func (m machine) file(t *testing.T, content []byte) *os.File {
	t.Helper()
	file, err := os.CreateTemp(m.dir, "stream-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	if _, err := file.WriteAt(content, 0); err != nil {
		t.Fatal(err)
	}
	return file
}

func content(t *testing.T, file *os.File) []byte {
	t.Helper()
	text, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// native is this machine.
func native(t *testing.T) machine {
	t.Helper()
	target, known := loader.HostTarget()
	if !known {
		t.Skip("this machine's target is not known")
	}
	m := machine{target: target, system: runtime.GOOS, arch: runtime.GOARCH}
	m.build(t)
	return m
}

// arm64 is Linux on arm64 as qemu's user emulation runs it: the C library and the dynamic linker are those of Debian's
// cross compiler. The kernel starts no foreign programs by itself, so the worker is a script that has qemu start it.
func arm64(t *testing.T) machine {
	t.Helper()
	const root = "/usr/aarch64-linux-gnu"
	qemu, err := exec.LookPath("qemu-aarch64-static")
	if err != nil {
		t.Skip("no qemu for arm64 programs: apt-get install qemu-user-static (./scripts/tools.sh)")
	}
	if _, err := os.Stat(filepath.Join(root, "lib", "ld-linux-aarch64.so.1")); err != nil {
		t.Skip("no C library for arm64: apt-get install libc6-arm64-cross (./scripts/tools.sh)")
	}
	m := machine{
		target: "aarch64-unknown-linux-gnu", system: "linux", arch: "arm64",
		runner: []string{qemu, "-L", root},
	}
	m.build(t)
	script := filepath.Join(m.dir, "worker.sh")
	text := fmt.Sprintf("#!/bin/sh\nexec '%s' -L '%s' '%s' \"$@\"\n", qemu, root, m.worker)
	if err := os.WriteFile(script, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	m.worker = script
	return m
}
