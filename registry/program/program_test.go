package program

import (
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/loadr-plugins/loadr/registry/directory"
)

var built string // path of loadr-registry

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "loadr-registry-")
	if err != nil {
		panic(err)
	}
	built = filepath.Join(dir, "loadr-registry")
	if runtime.GOOS == "windows" {
		built += ".exe"
	}
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", built, "../../cmd/loadr-registry").CombinedOutput(); err != nil {
		panic(string(out))
	}
	code := m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		println(err.Error())
		code = 1
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

func start(t *testing.T, o Options) *Process {
	t.Helper()
	o.Program = built
	p, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// ask sends one request through the process' socket.
func ask(t *testing.T, p *Process) int {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DialContext: p.DialContext, DisableKeepAlives: true}}
	r, err := client.Get("http://registry/v2/")
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	return r.StatusCode
}

func TestWriter(t *testing.T) {
	root := filepath.Join(t.TempDir(), "root")
	p := start(t, Options{Root: root, Note: "the first"})
	if status := ask(t, p); status != http.StatusOK {
		t.Errorf("status %d", status)
	}
	_, err := Start(t.Context(), Options{Program: built, Root: root})
	var busy *directory.BusyError
	if !errors.As(err, &busy) || busy.Holder != "the first" {
		t.Errorf("a second writer: %v", err)
	}
	if conn, err := directory.DialServer(t.Context(), root); err == nil {
		conn.Close()
		t.Error("other commands can find the socket of a process that ends with this one")
	}
	if err := p.Close(); err != nil {
		t.Errorf("closing: %v", err)
	}
	if _, err := os.Stat(filepath.Dir(p.Hello.Socket)); err == nil {
		t.Error("the socket's folder was left behind")
	}
	if err := start(t, Options{Root: root}).Close(); err != nil {
		t.Errorf("after the first has gone: %v", err)
	}
}

func TestServing(t *testing.T) {
	root := t.TempDir()
	p := start(t, Options{Root: root, Addr: "127.0.0.1:0"})
	r, err := http.Get("http://" + p.Hello.Addr + "/v2/team/echo/tags/list")
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if r.StatusCode != http.StatusNotFound || p.Hello.Access != directory.ByToken || p.Hello.TokenFile == "" {
		t.Errorf("status %d, %+v", r.StatusCode, p.Hello)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Wait(ctx); err != nil {
		t.Errorf("stopping: %v", err)
	}
}

func TestItEndsWithItsStarter(t *testing.T) {
	cmd := exec.Command(built, "--root", t.TempDir())
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	input.Close() // what the system does when the starter is killed
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(30 * time.Second):
		_ = cmd.Process.Kill()
		t.Error("it is still there")
		<-ended
	}
}

func TestDeath(t *testing.T) {
	p := start(t, Options{Root: t.TempDir()})
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	var ended *Error
	if err := p.Wait(t.Context()); !errors.As(err, &ended) {
		t.Errorf("got %v", err)
	}
}

func TestProgramsThatAreNot(t *testing.T) {
	dir := t.TempDir()
	script := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for want, path := range map[string]string{
		"not found":      filepath.Join(dir, "absent"),
		"found none":     script("silent", "exit 0"),
		"expected build": script("other", `echo '{"build":"1.2.3 of something else"}'; cat >/dev/null`),
		"a full disk":    script("failing", "echo a full disk >&2; exit 3"),
	} {
		_, err := Start(t.Context(), Options{Program: path, Root: dir})
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", filepath.Base(path), err, want)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := Start(ctx, Options{Program: script("hung", "exec sleep 20"), Root: dir}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("hung: got %v", err)
	}
}

func TestAddressInUse(t *testing.T) {
	p := start(t, Options{Root: t.TempDir(), Addr: "127.0.0.1:0"})
	defer p.Close()
	_, err := Start(t.Context(), Options{Program: built, Root: t.TempDir(), Addr: p.Hello.Addr})
	if err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("got %v", err)
	}
}
