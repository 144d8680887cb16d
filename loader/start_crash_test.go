package loader_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/loadr-plugins/loadr/loader"
	"github.com/loadr-plugins/loadr/loader/plugin"
)

func TestCrashes(t *testing.T) {
	tests := map[string]plugin.CrashError{
		"segv":  {Signal: "SIGSEGV"},
		"abort": {Signal: "SIGABRT"},
		"exit":  {ExitCode: 7},
	}
	if runtime.GOOS == "windows" {
		t.Skip("signals are not what ends a process on Windows")
	}
	for do, want := range tests {
		t.Run(do, func(t *testing.T) {
			p := start(t, trouble(t))
			sleeping := make(chan error, 5)
			for range cap(sleeping) {
				go func() {
					_, err := ask(context.Background(), p, `{"do":"sleep","ms":10000}`)
					sleeping <- err
				}()
			}
			_, err := ask(t.Context(), p, `{"do":"`+do+`"}`)
			checkCrash(t, err, want)
			for range cap(sleeping) {
				checkCrash(t, <-sleeping, want)
			}
			_, err = ask(t.Context(), p, `{}`)
			checkCrash(t, err, want)
		})
	}
}

func checkCrash(t *testing.T, err error, want plugin.CrashError) {
	t.Helper()
	var crash *plugin.CrashError
	if !errors.As(err, &crash) {
		t.Fatalf("found %v", err)
	}
	if crash.Signal != want.Signal || crash.ExitCode != want.ExitCode || crash.Plugin != "trouble" {
		t.Errorf("expected %+v, found %+v", want, *crash)
	}
	if crash.LastWords != "about to misbehave\n" {
		t.Errorf("expected the plugin's last words, found %q", crash.LastWords)
	}
}

func TestCrashWhileOpening(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	for name, tt := range map[string]struct {
		constructor string
		want        plugin.CrashError
	}{
		"segv":  {"*(volatile int *)8 = 1", plugin.CrashError{Signal: "SIGSEGV"}},
		"abort": {"abort()", plugin.CrashError{Signal: "SIGABRT"}},
		"exit":  {"exit(9)", plugin.CrashError{ExitCode: 9}},
	} {
		_, err := loader.Start(t.Context(), trouble(t, "-DCONSTRUCTOR="+tt.constructor))
		var crash *plugin.CrashError
		if !errors.As(err, &crash) || crash.Signal != tt.want.Signal || crash.ExitCode != tt.want.ExitCode {
			t.Errorf("%s: found %v", name, err)
		} else if crash.LastWords != "a line from the constructor\n" {
			t.Errorf("%s: found the last words %q", name, crash.LastWords)
		}
	}
	checkNothingLeft(t)
}

func TestHungCallTimesOutAndTheWorkerCanBeClosed(t *testing.T) {
	for _, do := range []string{"hang", "spin"} {
		t.Run(do, func(t *testing.T) {
			p := start(t, trouble(t))
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			_, err := ask(ctx, p, `{"do":"`+do+`"}`)
			var timeout *plugin.TimeoutError
			if !errors.As(err, &timeout) || timeout.Plugin != "trouble" {
				t.Errorf("found %v", err)
			}
			mustAnswer(t, p, `{"others":"go on"}`)
			inFlight := make(chan error)
			go func() {
				_, err := ask(context.Background(), p, `{"do":"`+do+`"}`)
				inFlight <- err
			}()
			time.Sleep(20 * time.Millisecond)
			if do == "spin" {
				p.Kill()
			}
			closing := time.Now()
			if err := p.Close(); err != nil {
				t.Error(err)
			}
			if took := time.Since(closing); took > loader.DefaultGrace*3/4 {
				t.Errorf("the worker did not end by itself: closed after %v", took)
			}
			var closed *plugin.ClosedError
			if err := <-inFlight; !errors.As(err, &closed) {
				t.Errorf("in flight: found %v", err)
			}
			checkGone(t, p.Pid())
		})
	}
}

func TestHungConstructor(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	started := time.Now()
	_, err := loader.Start(ctx, trouble(t, "-DCONSTRUCTOR=for(;;)pause()"))
	var timeout *plugin.TimeoutError
	if !errors.As(err, &timeout) || timeout.Call != "start" {
		t.Errorf("found %v", err)
	}
	if took := time.Since(started); took > 5*time.Second {
		t.Errorf("returned after %v", took)
	}
	checkNothingLeft(t)
}

func TestProcessLeftBehindDoesNotHoldUsUp(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a plugin cannot fork on Windows")
	}
	p := start(t, trouble(t))
	mustAnswer(t, p, `{"do":"leave-behind"}`) // it has the pipes and the standard streams
	started := time.Now()
	_, err := ask(t.Context(), p, `{"do":"segv"}`)
	checkCrash(t, err, plugin.CrashError{Signal: "SIGSEGV"})
	if took := time.Since(started); took > 8*time.Second {
		t.Errorf("the crash was seen after %v", took)
	}
}

func TestWorkerEndsWithItsParent(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the test kills with a signal")
	}
	o := trouble(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), asParent+"="+o.Worker+"\n"+o.Path, "TMPDIR="+t.TempDir())
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	if !alive(pid) {
		t.Fatal("the worker does not run")
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	checkGone(t, pid)
}

func alive(pid int) bool {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err == nil { // a zombie that nobody waited for is dead
		return !strings.Contains(string(status), ") Z ")
	}
	return runtime.GOOS != "linux" && signalReaches(pid)
}

func checkGone(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); alive(pid); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("worker %d still runs", pid)
		}
	}
}
