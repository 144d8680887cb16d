package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/olareg/olareg/config"
	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/registry/directory"
)

// running is a server in this process.
type running struct {
	Status
	stop func() error
}

func start(t *testing.T, o Options) running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan Status, 1), make(chan error, 1)
	o.Ready = func(s Status) { ready <- s }
	go func() { ended <- Serve(ctx, o) }()
	var once sync.Once
	var err error
	stop := func() error {
		once.Do(func() { cancel(); err = <-ended })
		return err
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("serve: %v", err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	select {
	case s := <-ready:
		return running{s, stop}
	case failure := <-ended:
		once.Do(func() {})
		t.Fatalf("serve: %v", failure)
		return running{}
	}
}

func ask(t *testing.T, client *http.Client, method, url, user, secret string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if user != "" {
		req.SetBasicAuth(user, secret)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func TestServeWithToken(t *testing.T) {
	root := t.TempDir()
	s := start(t, Options{Root: root, Addr: "127.0.0.1:0"})
	if s.Access != directory.ByToken {
		t.Errorf("access %q", s.Access)
	}
	info, err := os.Stat(s.TokenFile)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("token file: %v, %v", info, err)
	}
	secret, _ := os.ReadFile(s.TokenFile)
	token, base := strings.TrimSpace(string(secret)), "http://"+s.Addr+"/v2/"
	for name, c := range map[string]struct {
		method, path, user, secret string
		want                       int
	}{
		"reading is open":               {"GET", "team/other/tags/list", "", "", 404},
		"reading ignores a wrong token": {"GET", "team/other/tags/list", "x", "y", 404},
		"the root tells who may write":  {"GET", "", "", "", 401},
		"a wrong token is told":         {"GET", "", "x", "y", 401},
		"the right token is told":       {"GET", "", directory.User, token, 200},
		"writing needs the token":       {"POST", "team/echo/blobs/uploads/", "", "", 401},
		"writing needs the right token": {"POST", "team/echo/blobs/uploads/", directory.User, token[1:], 401},
		"writing with the token":        {"POST", "team/echo/blobs/uploads/", directory.User, token, 202},
		"deleting needs the token":      {"DELETE", "team/echo/manifests/latest", "", "", 401},
	} {
		if got, text := ask(t, http.DefaultClient, c.method, base+c.path, c.user, c.secret); got != c.want {
			t.Errorf("%s: status %d, expected %d: %s", name, got, c.want, text)
		}
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	again := start(t, Options{Root: root, Addr: "127.0.0.1:0"})
	if text, _ := os.ReadFile(again.TokenFile); !bytes.Equal(text, secret) {
		t.Error("the token changed with a restart")
	}
}

func TestServeSocket(t *testing.T) {
	for name, root := range map[string]string{
		"short path": t.TempDir(),
		"long path":  filepath.Join(t.TempDir(), strings.Repeat("long/", 20)),
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, Options{Root: root, Addr: "127.0.0.1:0"})
			client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return directory.DialServer(ctx, root) }}}
			defer client.CloseIdleConnections()
			if got, text := ask(t, client, "POST", "http://local/v2/team/echo/blobs/uploads/", "", ""); got != 202 {
				t.Errorf("writing through the socket: %d %s", got, text)
			}
			path, err := os.ReadFile(filepath.Join(root, directory.StateDir, directory.SocketPath))
			if err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(string(path))
			if err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("socket: %v, %v", info, err)
			}
			client.CloseIdleConnections()
			if err := s.stop(); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(string(path)); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the socket outlives the server: %v", err)
			}
			if conn, err := directory.DialServer(t.Context(), root); err == nil {
				conn.Close()
				t.Error("a stopped server answers")
			}
		})
	}
}

// TestSocketWithDeepTemporaryFolder: neither the root nor the folder for temporary files leaves room for a socket's address.
func TestSocketWithDeepTemporaryFolder(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no /tmp here")
	}
	deep := filepath.Join(t.TempDir(), strings.Repeat("long/", 20))
	if err := os.MkdirAll(deep, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", deep)
	for name, addr := range map[string]string{"published": "127.0.0.1:0", "private": ""} {
		s := start(t, Options{Root: filepath.Join(deep, name), Addr: addr})
		folder := filepath.Dir(s.Socket)
		if info, err := os.Stat(folder); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: folder of the socket: %v, %v", name, info, err)
		}
		if err := s.stop(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(folder); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: %s outlives the server", name, folder)
		}
	}
	if left, err := os.ReadDir(deep); err != nil || len(left) != 2 { // the two roots
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestServeBeyondLoopback listens on all addresses: open for reading only, until there is an authentication file.
// TestBeyondLoopback has the guard of an address that others can reach, without listening there.
func TestBeyondLoopback(t *testing.T) {
	g, err := newGuard(Options{Root: t.TempDir()}, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 5000}, newWriter(t, t.TempDir()))
	if err != nil || g.access != directory.Refused {
		t.Fatalf("access %q, %v", g.access, err)
	}
	p := place{t: t, handler: g, header: http.Header{"Authorization": {"Bearer x"}}}
	if text := p.expect(http.StatusForbidden, "POST", "/v2/team/echo/blobs/uploads/", "", ""); !strings.Contains(text, "authentication") {
		t.Error(text)
	}
	p.expect(http.StatusNotFound, "GET", "/v2/team/echo/tags/list", "", "")
}

const authFileText = `users:
  ann:
    cred: "%s"
acls:
  - repo: "team/*"
    access: [read, write]
    members: [ann]
  - repo: "open/*"
    access: [read]
    anonymous: true
`

func TestServeWithAuthFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "auth.yaml")
	if err := os.WriteFile(path, []byte(fmt.Sprintf(authFileText, bcrypted(t, "secret"))), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, Options{Root: t.TempDir(), Addr: "127.0.0.1:0", AuthFile: path})
	if s.Access != directory.ByFile {
		t.Errorf("access %q", s.Access)
	}
	base := "http://" + s.Addr + "/v2/"
	for name, c := range map[string]struct {
		method, path, user, secret string
		want                       int
	}{
		"nobody reads what is closed": {"GET", "team/echo/tags/list", "", "", 401},
		"anyone reads what is open":   {"GET", "open/echo/tags/list", "", "", 404},
		"nobody writes what is open":  {"POST", "open/echo/blobs/uploads/", "", "", 401},
		"ann reads":                   {"GET", "team/other/tags/list", "ann", "secret", 404},
		"ann writes":                  {"POST", "team/echo/blobs/uploads/", "ann", "secret", 202},
		"ann may not delete":          {"DELETE", "team/echo/manifests/latest", "ann", "secret", 401},
		"a wrong password":            {"GET", "team/echo/tags/list", "ann", "wrong", 401},
		"a mount of what is closed":   {"POST", "open/echo/blobs/uploads/?mount=" + digest.FromString("").String() + "&from=team/echo", "", "", 401},
	} {
		if got, text := ask(t, http.DefaultClient, c.method, base+c.path, c.user, c.secret); got != c.want {
			t.Errorf("%s: status %d, expected %d: %s", name, got, c.want, text)
		}
	}
	for name, content := range map[string]string{"missing": "", "broken": "users: ["} {
		bad := filepath.Join(t.TempDir(), "auth.yaml")
		if content != "" {
			if err := os.WriteFile(bad, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := Serve(t.Context(), Options{Root: t.TempDir(), Addr: "127.0.0.1:0", AuthFile: bad}); err == nil {
			t.Errorf("%s authentication file: served", name)
		}
	}
}

// TestGracefulStop ends the server during an upload: it is let finish.
func TestGracefulStop(t *testing.T) {
	root := t.TempDir()
	s := start(t, Options{Root: root, Addr: "127.0.0.1:0"})
	secret, _ := os.ReadFile(s.TokenFile)
	content := strings.Repeat("x", 1<<20)
	reading, writing := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+s.Addr+"/v2/team/echo/blobs/uploads/?digest="+digest.FromString(content).String(), reading)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(directory.User, strings.TrimSpace(string(secret)))
	answered := make(chan int, 1)
	go func() {
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			answered <- 0
			return
		}
		resp.Body.Close()
		answered <- resp.StatusCode
	}()
	if _, err := io.WriteString(writing, content[:len(content)/2]); err != nil {
		t.Fatal(err)
	}
	for { // until the server has taken the request
		if uploads, _ := filepath.Glob(filepath.Join(root, "team", "echo", "_uploads", "*")); len(uploads) > 0 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- s.stop() }()
	select {
	case err := <-stopped:
		t.Fatalf("stopped during an upload: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	if _, err := io.WriteString(writing, content[len(content)/2:]); err != nil {
		t.Fatal(err)
	}
	writing.Close()
	if status := <-answered; status != http.StatusCreated {
		t.Errorf("upload: status %d", status)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(root, "team", "echo", "blobs", "sha256", digest.FromString(content).Encoded())); err != nil {
		t.Error(err)
	}
}

func TestLocalIsCutOff(t *testing.T) {
	release := make(chan struct{})
	l := directory.NewLocal(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	transport := &http.Transport{DialContext: l.DialContext}
	defer transport.CloseIdleConnections()
	ended := make(chan error, 1)
	go func() {
		resp, err := (&http.Client{Transport: transport}).Get("http://local/")
		if err == nil {
			resp.Body.Close()
		}
		ended <- err
	}()
	time.Sleep(20 * time.Millisecond)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := l.Close(ctx); err != nil {
		t.Error(err)
	}
	if err := <-ended; err == nil {
		t.Error("a request that was cut off succeeded")
	}
	close(release)
	if _, err := l.DialContext(t.Context(), "", ""); !errors.Is(err, net.ErrClosed) {
		t.Errorf("dial after close: %v", err)
	}
}

func bcrypted(t *testing.T, secret string) string {
	t.Helper()
	hash, err := config.PassHashBcrypt(secret)
	if err != nil {
		t.Fatal(err)
	}
	return hash
}
