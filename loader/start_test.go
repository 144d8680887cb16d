package loader_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"
	"go.uber.org/goleak"

	"github.com/loadr-plugins/loadr/internal/testplugin"
	"github.com/loadr-plugins/loadr/loader"
	"github.com/loadr-plugins/loadr/loader/plugin"
	"github.com/loadr-plugins/loadr/manifest"
)

// asParent makes the test program start a worker and wait, so that a test can kill it and look what becomes of the
// worker. Its value is the folder of the worker program and the library's path.
const asParent = "LOADR_TEST_PARENT"

func TestMain(m *testing.M) {
	if value := os.Getenv(asParent); value != "" {
		parent(value)
		return
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(programDir)
		os.Exit(code)
	}))
}

func parent(value string) {
	worker, library, _ := strings.Cut(value, "\n")
	text, err := os.ReadFile(library)
	if err != nil {
		panic(err)
	}
	p, err := loader.Start(context.Background(), loader.StartOptions{
		Worker: worker, Path: library, Digest: digest.FromBytes(text),
	})
	if err != nil {
		panic(err)
	}
	fmt.Println(p.Pid())
	protocol, err := p.Protocol(context.Background())
	if err != nil {
		panic(err)
	}
	_ = protocol.Execute(context.Background(), []byte(`{"do":"spin"}`), func([]byte) error { return nil })
}

// programDir is where workerProgram builds, once it has.
var programDir string

// workerProgram builds loadr-worker once.
var workerProgram = sync.OnceValues(func() (path string, err error) {
	if programDir, err = os.MkdirTemp("", "loadr-worker-test-"); err != nil {
		return "", err
	}
	path = filepath.Join(programDir, "loadr-worker")
	cmd := exec.Command("go", "build", "-buildvcs=false", "-o", path, "../cmd/loadr-worker")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return path, nil
})

// trouble gives options for the plugin that misbehaves on demand.
func trouble(t testing.TB, flags ...string) loader.StartOptions {
	t.Helper()
	source, err := os.ReadFile("native/testdata/trouble.c")
	if err != nil {
		t.Fatal(err)
	}
	target, ok := loader.HostTarget()
	if !ok {
		t.Skip("this machine's target is not known")
	}
	return options(t, testplugin.C(t, target, string(source), flags...))
}

func options(t testing.TB, library string) loader.StartOptions {
	t.Helper()
	program, err := workerProgram()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(library)
	if err != nil {
		t.Fatal(err)
	}
	return loader.StartOptions{Worker: program, Path: library, Digest: digest.FromBytes(text), Name: "trouble"}
}

// started is a worker with a protocol that it has made.
type started struct {
	*loader.Process
	protocol plugin.Protocol
}

func (s *started) Execute(ctx context.Context, request []byte, use func([]byte) error) error {
	return s.protocol.Execute(ctx, request, use)
}

// startLibrary ends the worker with the test, and fails the test when it leaves files behind.
func startLibrary(t testing.TB, o loader.StartOptions) *loader.Process {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	p, err := loader.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		checkNothingLeft(t)
	})
	return p
}

func start(t testing.TB, o loader.StartOptions) *started {
	t.Helper()
	p := startLibrary(t, o)
	protocol, err := p.Protocol(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return &started{p, protocol}
}

func checkNothingLeft(t testing.TB) {
	t.Helper()
	if left, _ := os.ReadDir(os.TempDir()); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// executor is what a protocol and a started one have in common.
type executor interface {
	Execute(ctx context.Context, request []byte, use func([]byte) error) error
}

func ask(ctx context.Context, p executor, request string) (reply string, err error) {
	err = p.Execute(ctx, []byte(request), func(text []byte) error {
		reply = string(text)
		return nil
	})
	return reply, err
}

func mustAnswer(t testing.TB, p executor, request string) string {
	t.Helper()
	reply, err := ask(t.Context(), p, request)
	if err != nil {
		t.Fatal(err)
	}
	return reply
}

func TestStartAndCall(t *testing.T) {
	p := start(t, trouble(t))
	if got := p.Info(); got.Name != "trouble" || got.Version != "0.1.0" {
		t.Errorf("found %+v", got)
	}
	var wg sync.WaitGroup
	for g := range 50 {
		wg.Go(func() {
			for n := range 50 {
				request := fmt.Sprintf(`{"g":%d,"n":%d}`, g, n)
				if got, err := ask(context.Background(), p, request); err != nil || got != request {
					t.Errorf("sent %s, found %s, %v", request, got, err)
				}
			}
		})
	}
	wg.Wait()
	var s struct {
		HandedOut int `json:"handed_out"`
		CameBack  int `json:"came_back"`
		PID       int `json:"pid"`
	}
	if err := json.Unmarshal([]byte(mustAnswer(t, p, `{"do":"stats"}`)), &s); err != nil {
		t.Fatal(err)
	}
	if s.PID != p.Pid() || s.PID == os.Getpid() {
		t.Errorf("the plugin runs in process %d", s.PID)
	}
	if s.HandedOut != 2501 || s.CameBack != 2501 {
		t.Errorf("expected every buffer back once, found %+v", s)
	}
}

func TestOutputDoesNotDisturb(t *testing.T) {
	var out bytes.Buffer
	o := trouble(t, "-DINFO_PRINTS", "-DCONSTRUCTOR=")
	o.Stderr = &out
	p := start(t, o)
	for range 3 {
		if got := mustAnswer(t, p, `{"do":"print"}`); got != `{"do":"print"}` {
			t.Errorf("found %s", got)
		}
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	want := "a line from the constructor\na line from info\n" +
		strings.Repeat("on standard output\non standard error\n{\"status\":1}\n", 3)
	if out.String() != want || p.LastWords() != want {
		t.Errorf("expected %q, found %q and %q", want, out.String(), p.LastWords())
	}
}

func TestOpenErrorsCross(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	_, err := loader.Start(t.Context(), trouble(t, "-DVERSION=3"))
	var version *plugin.VersionError
	if !errors.As(err, &version) || version.Found != 3 {
		t.Errorf("version: found %v", err)
	}
	_, err = loader.Start(t.Context(), trouble(t, "-DNO_EXECUTE"))
	var symbol *plugin.MissingSymbolError
	if !errors.As(err, &symbol) || symbol.Symbol != "loadr_plugin_execute" {
		t.Errorf("symbol: found %v", err)
	}
	o := trouble(t)
	o.Digest = digest.FromString("other bytes")
	_, err = loader.Start(t.Context(), o)
	var wrong *plugin.DigestError
	if !errors.As(err, &wrong) || wrong.Want != o.Digest || wrong.Path != o.Path {
		t.Errorf("digest: found %v", err)
	}
	o = trouble(t)
	o.Family = manifest.FamilyComponent
	_, err = loader.Start(t.Context(), o)
	var family *plugin.FamilyError
	if !errors.As(err, &family) {
		t.Errorf("family: found %v", err)
	}
	checkNothingLeft(t)
}

func TestWorkerErrors(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	for name, change := range map[string]func(*loader.StartOptions){
		"absent":                   func(o *loader.StartOptions) { o.Worker = filepath.Join(t.TempDir(), "no") },
		"a folder":                 func(o *loader.StartOptions) { o.Worker = t.TempDir() },
		"absent beside this":       func(o *loader.StartOptions) { o.Worker = "" },
		"not a program":            func(o *loader.StartOptions) { o.Worker = o.Path },
		"another program":          func(o *loader.StartOptions) { o.Worker = must(exec.LookPath("true")) },
		"a program that says much": func(o *loader.StartOptions) { o.Worker = must(exec.LookPath("echo")) },
		"another build":            func(o *loader.StartOptions) { o.Build = "9.9.9" },
	} {
		o := trouble(t)
		change(&o)
		_, err := loader.Start(t.Context(), o)
		var worker *plugin.WorkerError
		if !errors.As(err, &worker) || worker.Hint() == "" {
			t.Errorf("%s: found %v", name, err)
		}
	}
	checkNothingLeft(t)
}

func must(path string, err error) string {
	if err != nil {
		panic(err)
	}
	return path
}

func TestEnvironment(t *testing.T) {
	t.Setenv("TROUBLE", "inherited")
	for name, tt := range map[string]struct {
		env  []string
		want string
	}{
		"inherited": {nil, `{"value":"inherited","home":true}`},
		"none":      {[]string{}, `{"value":"","home":false}`},
		"given":     {[]string{"TROUBLE=given"}, `{"value":"given","home":false}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("HOME", t.TempDir())
			o := trouble(t)
			o.Env = tt.env
			if got := mustAnswer(t, start(t, o), `{"do":"environment"}`); got != tt.want {
				t.Errorf("found %s", got)
			}
		})
	}
}

func TestCloseTwiceAndCallsAfterIt(t *testing.T) {
	p := start(t, trouble(t))
	for range 2 {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	var closed *plugin.ClosedError
	if _, err := ask(t.Context(), p, `{}`); !errors.As(err, &closed) {
		t.Errorf("found %v", err)
	}
}

// The package manager must not be able to open a library: only the worker, and Go programs that ask for it, link purego.
func TestOnlyTheWorkerLinksPurego(t *testing.T) {
	for _, tt := range []struct {
		name string
		want bool
	}{{"./loader", false}, {"./loader/worker", false}, {"./loader/plugin", false}, {"./cmd/loadr", false},
		{"./loader/native", true}, {"./cmd/loadr-worker", true}} {
		cmd := exec.Command("go", "list", "-deps", tt.name)
		cmd.Dir = testplugin.Root(t)
		out, err := cmd.Output()
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if got := slices.Contains(strings.Fields(string(out)), "github.com/ebitengine/purego"); got != tt.want {
			t.Errorf("%s: links purego: %v", tt.name, got)
		}
	}
}
