package registry_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.uber.org/goleak"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"

	"github.com/loadr-plugins/loadr/registry"
	"github.com/loadr-plugins/loadr/registry/directory"
	"github.com/loadr-plugins/loadr/registry/server"
)

func TestMain(m *testing.M) {
	// No test may see the logins of whoever runs it.
	dir, err := os.MkdirTemp("", "docker-config-")
	if err != nil {
		panic(err)
	}
	os.Setenv("DOCKER_CONFIG", dir)
	if code, ok := asChild(); ok {
		os.Exit(code)
	}
	code := m.Run()
	os.RemoveAll(dir)
	http.DefaultClient.CloseIdleConnections()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func credentialsFor(host, user, secret string) credentials.Store {
	store := credentials.NewMemoryStore()
	// A store in memory cannot fail.
	_ = store.Put(context.Background(), host, auth.Credential{Username: user, Password: secret})
	return store
}

func readAll(t *testing.T, c *registry.Client, repo registry.Repository, desc v1.Descriptor) []byte {
	t.Helper()
	content, err := tryRead(t.Context(), c, repo, desc)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func tryRead(ctx context.Context, c *registry.Client, repo registry.Repository, desc v1.Descriptor) ([]byte, error) {
	stream, err := c.Fetch(ctx, repo, desc)
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	return io.ReadAll(stream)
}

func expectError[E error](t *testing.T, what string, err error) E {
	t.Helper()
	var e E
	if !errors.As(err, &e) {
		t.Errorf("%s: error %T %v, expected a %T", what, err, err, e)
	}
	return e
}

// serve runs the embedded server until the test ends and gives its status.
func serve(t *testing.T, o server.Options) server.Status {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan server.Status, 1), make(chan error, 1)
	o.Ready = func(s server.Status) { ready <- s }
	go func() { ended <- server.Serve(ctx, o) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	select {
	case s := <-ready:
		return s
	case err := <-ended:
		ended <- nil
		t.Fatalf("serve ended: %v", err)
		return server.Status{}
	}
}

// serveCounted serves dir and puts a counting proxy in place of the server's socket.
func serveCounted(t *testing.T, dir string) (count func() int64) {
	t.Helper()
	status := serve(t, server.Options{Root: dir, Addr: "127.0.0.1:0"})
	token, err := os.ReadFile(status.TokenFile)
	if err != nil {
		t.Fatal(err)
	}
	var requests atomic.Int64
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: status.Addr})
	counting := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		r.SetBasicAuth(directory.User, string(token[:64]))
		proxy.ServeHTTP(w, r)
	})
	socket := filepath.Join(t.TempDir(), "s")
	listener := listenUnix(t, socket)
	front := &http.Server{Handler: counting}
	go func() { _ = front.Serve(listener) }()
	t.Cleanup(func() { front.Close() })
	if err := os.WriteFile(filepath.Join(dir, ".loadr", "serve.path"), []byte(socket), 0o600); err != nil {
		t.Fatal(err)
	}
	return requests.Load
}

// holdLock is another process that writes dir.
func holdLock(t *testing.T, dir string) (release func()) {
	t.Helper()
	w, err := server.OpenWriter(context.Background(), dir, server.WriterOptions{Note: "a test"})
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}
}
