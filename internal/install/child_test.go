package install_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/loadr-plugins/loadr/internal/fsx"
	"github.com/loadr-plugins/loadr/internal/install"
	"github.com/loadr-plugins/loadr/internal/testregistry"
	"github.com/loadr-plugins/loadr/registry"
)

// childVariable makes this test binary a process that works on a project, as JSON of an order.
const childVariable = "LOADR_TEST_INSTALL"

// order is what a child does.
type order struct {
	Dir, Plugins, Cache string   // the project's
	Registry            string   // folder of the directory registry
	Namespaces          []string // where it looks
	Want                []string // references to install
	Remove              []string // names to remove, where there is nothing to install
	Rollback            int      // generation to go back to, where there is neither
	Kill                int      // number of the step at which it kills itself, from 1; 0: none
	Wait                bool     // until the parent closes standard input
	Peak                bool     // report the peak of its memory
}

func (p *project) order(t testing.TB, registryDir string) order {
	t.Helper()
	return order{Dir: p.dir, Plugins: p.plugins, Cache: p.cache, Registry: registryDir, Namespaces: p.namespaces}
}

func asChild() (code int, ok bool) {
	text := os.Getenv(childVariable)
	if text == "" {
		return 0, false
	}
	var o order
	err := json.Unmarshal([]byte(text), &o)
	if err == nil {
		err = o.obey()
	}
	if err != nil {
		fmt.Println("error:", err)
		return 1, true
	}
	return 0, true
}

func (o order) obey() error {
	client := registry.New(registry.Options{Dir: o.Registry, Writer: testregistry.Writer})
	defer client.Close()
	p := &project{t: childTB{}, dir: o.Dir, plugins: o.Plugins, cache: o.Cache, client: client, namespaces: o.Namespaces, machine: machine()}
	step := killAt(o.Kill)
	p.events = everyEvent(step)
	in := p.installer()
	in.OnStep(step)
	if o.Wait {
		fmt.Println("ready")
		_, _ = os.Stdin.Read(make([]byte, 1))
	}
	var err error
	if len(o.Remove) > 0 {
		_, err = in.Remove(context.Background(), o.Remove, install.Options{})
	} else if o.Rollback > 0 {
		_, err = in.Rollback(context.Background(), o.Rollback, install.Options{})
	} else {
		_, err = in.Install(context.Background(), install.Options{Want: references(p.t, o.Want...)})
	}
	if o.Peak {
		fmt.Println("peak:", peakMemory())
	}
	return err
}

// childTB lets children use the helpers of tests. What fails ends the child.
type childTB struct{ testing.TB }

func (childTB) Helper()                           {}
func (childTB) Fatal(args ...any)                 { panic(fmt.Sprint(args...)) }
func (childTB) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

// everyEvent has step called at every one of an installer's callbacks.
func everyEvent(step func(string)) *install.Events {
	return &install.Events{
		Waiting: func(string) { step("waiting") },
		Chosen:  func(install.Choice) { step("chosen") },
		Fetching: func(string, int64) install.Progress {
			step("fetching")
			return stepping(step)
		},
	}
}

type stepping func(string)

func (s stepping) Add(int)   { s("bytes") }
func (s stepping) Done(bool) { s("fetched") }

// killAt gives a function that ends the process as kill -9 does, when it is called for the nth time.
func killAt(n int) func(string) {
	var count atomic.Int64
	return func(step string) {
		if count.Add(1) == int64(n) {
			fmt.Println("killed at:", step)
			self, _ := os.FindProcess(os.Getpid())
			_ = self.Kill()
			select {} // until the signal is there
		}
	}
}

// start runs a child to its end and gives what it printed. killed says that it did not live to its end.
func (o order) start(t testing.TB) (out string, killed bool) {
	t.Helper()
	cmd := o.command(t)
	text, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() >= 0) {
		t.Fatalf("child: %v\n%s", err, text)
	}
	return string(text), strings.Contains(string(text), "killed at:")
}

func (o order) command(t testing.TB) *exec.Cmd {
	t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	// Programs with the race detector wait a second at their end unless told otherwise.
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0", childVariable+"="+string(text))
	return cmd
}

// peakMemory is the most that this process has had in memory, in bytes; 0 where the system does not say.
func peakMemory() int64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		var kilobytes int64
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &kilobytes); err == nil {
			return kilobytes << 10
		}
	}
	return 0
}

// holdAlone takes a lock file for itself.
func holdAlone(t testing.TB, path string) (unlock func()) {
	t.Helper()
	release, err := fsx.Lock(context.Background(), path, fsx.LockOptions{Note: "a test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { release() })
	return func() { release() }
}
