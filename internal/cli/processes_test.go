//go:build unix

package cli_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// patience is how long a script waits for another process.
const patience = 30 * time.Second

// process is a program in the background.
type process struct {
	cmd      *exec.Cmd
	out, err bytes.Buffer
}

// spawn NAME PROGRAM ARGS... starts a program in the background, which the end of the script ends.
func cmdSpawn(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: spawn NAME PROGRAM [ARGS...]")
	}
	path := args[1]
	if !strings.Contains(path, "/") {
		path = filepath.Join(bin, path)
	}
	p := &process{cmd: exec.Command(path, args[2:]...)}
	p.cmd.Dir, p.cmd.Env = ts.MkAbs("."), environ(ts)
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.err
	ts.Check(p.cmd.Start())
	ts.Value(spawnedKey{}).(map[string]*process)[args[0]] = p
	ts.Defer(func() {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	})
}

type spawnedKey struct{}

// environ is the script's environment for a program that testscript does not start itself.
func environ(ts *testscript.TestScript) (env []string) {
	for _, name := range []string{
		"PATH", "HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "LOADR_REGISTRY", "LOADR_REGISTRY_DIR", "LOADR_CACHE_DIR",
		"LOADR_PLUGINS_DIR", "DOCKER_CONFIG", "TMPDIR", "MARK",
	} {
		if value := ts.Getenv(name); value != "" {
			env = append(env, name+"="+value)
		}
	}
	return env
}

func spawned(ts *testscript.TestScript, name string) *process {
	p := ts.Value(spawnedKey{}).(map[string]*process)[name]
	if p == nil {
		ts.Fatalf("no process %s", name)
	}
	return p
}

// signal NAME INT|TERM sends a signal to a program in the background.
func cmdSignal(ts *testscript.TestScript, neg bool, args []string) {
	signals := map[string]os.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM}
	if neg || len(args) != 2 || signals[args[1]] == nil {
		ts.Fatalf("usage: signal NAME INT|TERM")
	}
	ts.Check(spawned(ts, args[0]).cmd.Process.Signal(signals[args[1]]))
}

// ended N NAME waits for a program in the background and asserts its exit code; stdout and stderr are then its own.
func cmdEnded(ts *testscript.TestScript, neg bool, args []string) {
	want := number(ts, neg, args, 2, "ended N NAME")
	p := spawned(ts, args[1])
	timer := time.AfterFunc(patience, func() { _ = p.cmd.Process.Kill() })
	err := p.cmd.Wait()
	if !timer.Stop() {
		ts.Fatalf("%s did not end by itself; stderr: %s", args[1], p.err.String())
	}
	_, _ = io.Copy(ts.Stdout(), &p.out)
	_, _ = io.Copy(ts.Stderr(), &p.err)
	checkExit(ts, err, want)
}

// stall starts a web server that takes requests and never answers, at $STALL.
func cmdStall(ts *testscript.TestScript, _ bool, _ []string) {
	asked, over := make(chan struct{}), make(chan struct{})
	var once sync.Once
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		once.Do(func() { close(asked) })
		<-over
	}))
	ts.Defer(func() {
		close(over)
		server.CloseClientConnections()
		server.Close()
	})
	ts.Setenv("STALL", server.Listener.Addr().String())
	ts.Value(stallKey{}).(*stalling).asked = asked
}

type stallKey struct{}

type stalling struct{ asked chan struct{} }

// stalled waits until somebody asks the server of stall.
func cmdStalled(ts *testscript.TestScript, _ bool, _ []string) {
	select {
	case <-ts.Value(stallKey{}).(*stalling).asked:
	case <-time.After(patience):
		ts.Fatalf("nobody asked the stalling server")
	}
}

// slow puts a server in front of the one of serve, at $SLOW, whose blobs take half a second.
func cmdSlow(ts *testscript.TestScript, _ bool, _ []string) {
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: ts.Getenv("SERVER")})
	proxy.ModifyResponse = func(r *http.Response) error {
		if strings.Contains(r.Request.URL.Path, "/blobs/") {
			r.Body = &slowBody{r.Body, time.Now().Add(500 * time.Millisecond)}
		}
		return nil
	}
	server := httptest.NewServer(proxy)
	ts.Defer(server.Close)
	ts.Setenv("SLOW", server.Listener.Addr().String())
}

// slowBody gives a few bytes at once and the rest when its time has come.
type slowBody struct {
	io.ReadCloser
	until time.Time
}

func (b *slowBody) Read(p []byte) (int, error) {
	if time.Now().Before(b.until) {
		time.Sleep(50 * time.Millisecond)
		p = p[:min(len(p), 100)]
	}
	return b.ReadCloser.Read(p)
}

// server is a running "loadr registry serve".
type server struct {
	host  string // host:port
	token string // path of the file with the write token
	stop  func() error
}

// serving starts the embedded server over a directory, on a free port.
func serving(env []string) (*server, error) {
	cmd := exec.Command(filepath.Join(bin, "loadr"), "registry", "serve", "--addr", "127.0.0.1:0", "--json")
	var complaints bytes.Buffer
	cmd.Env, cmd.Stderr = env, &complaints
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	var ready struct {
		Address   string `json:"address"`
		TokenFile string `json:"token_file"`
	}
	if err := json.NewDecoder(out).Decode(&ready); err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return nil, fmt.Errorf("loadr registry serve: %w: %s", err, complaints.String())
	}
	stop := func() error {
		_ = cmd.Process.Signal(os.Interrupt)
		if err := cmd.Wait(); err != nil {
			return fmt.Errorf("loadr registry serve: %w: %s", err, complaints.String())
		}
		return nil
	}
	return &server{host: ready.Address, token: ready.TokenFile, stop: sync.OnceValue(stop)}, nil
}

// serve starts the embedded server over the script's registry directory: its address is then in $SERVER and the path of
// its write token in $TOKEN. "serve stop" interrupts it.
func cmdServe(ts *testscript.TestScript, neg bool, args []string) {
	running := ts.Value(serverKey{}).(*server)
	if len(args) == 1 && args[0] == "stop" {
		ts.Check(running.stop())
		return
	}
	if neg || len(args) > 0 {
		ts.Fatalf("usage: serve [stop]")
	}
	s, err := serving(environ(ts))
	ts.Check(err)
	*running = *s
	ts.Defer(func() { ts.Check(s.stop()) })
	ts.Setenv("SERVER", s.host)
	ts.Setenv("TOKEN", s.token)
}

type serverKey struct{}

// startServer starts the embedded server for a whole test.
func startServer(t *testing.T) *server {
	t.Helper()
	dir := t.TempDir()
	s, err := serving([]string{"HOME=" + dir, "LOADR_REGISTRY_DIR=" + filepath.Join(dir, "registry")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// login gives a script a namespace of its own on the server, and the right to write there.
func (s *server) login(env *testscript.Env) error {
	if err := ownNamespace(env, s.host); err != nil {
		return err
	}
	token, err := os.Open(s.token)
	if err != nil {
		return err
	}
	defer token.Close()
	cmd := exec.Command(filepath.Join(bin, "loadr"), "registry", "login", s.host, "--username", "loadr", "--password-stdin")
	cmd.Env, cmd.Stdin = env.Vars, token
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("login: %w: %s", err, out)
	}
	return nil
}
