package registry_test

import (
	"context"
	"encoding/base64"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"

	"github.com/loadr-plugins/loadr/internal/testregistry"
	"github.com/loadr-plugins/loadr/registry"
	"github.com/loadr-plugins/loadr/registry/directory"
	"github.com/loadr-plugins/loadr/registry/server"
)

func TestLogin(t *testing.T) {
	for name, option := range map[string]testregistry.Option{"tokens": testregistry.Tokens("ann", "secret"), "basic": testregistry.Basic("ann", "secret")} {
		t.Run(name, func(t *testing.T) {
			host := testregistry.New(t, option).Host()
			store := credentials.NewMemoryStore()
			client := newClient(t, registry.Options{Credentials: store})
			_, err := client.Versions(t.Context(), repoIn(host))
			expectError[*registry.AuthError](t, "without a login", err)
			err = client.Login(t.Context(), host, "ann", "wrong")
			expectError[*registry.AuthError](t, "login with a wrong secret", err)
			if kept, _ := store.Get(t.Context(), host); kept != auth.EmptyCredential {
				t.Error("a refused login was kept")
			}
			if err := client.Login(t.Context(), host, "ann", "secret"); err != nil {
				t.Fatal(err)
			}
			if _, err := client.Push(t.Context(), repoIn(host), testregistry.Pack(t, testregistry.Spec{})); err != nil {
				t.Errorf("push after login: %v", err)
			}
			if err := client.Logout(t.Context(), host); err != nil {
				t.Fatal(err)
			}
			_, err = newClient(t, registry.Options{Credentials: store}).Versions(t.Context(), repoIn(host))
			expectError[*registry.AuthError](t, "after logout", err)
			if err := client.Logout(t.Context(), host); err != nil {
				t.Errorf("second logout: %v", err)
			}
		})
	}
}

func TestLoginWhereNothingAnswers(t *testing.T) {
	client := newClient(t, registry.Options{Credentials: credentials.NewMemoryStore()}).Impatient()
	err := client.Login(t.Context(), "127.0.0.1:1", "ann", "secret")
	expectError[*registry.UnavailableError](t, "login", err)
	if err := client.Login(t.Context(), registry.Local, "ann", "secret"); err == nil || !strings.Contains(err.Error(), "no login") {
		t.Errorf("login to the directory registry: %v", err)
	}
	if err := client.Login(t.Context(), "https://registry.example/", "ann", "secret"); err == nil {
		t.Error("a URL was taken for a host")
	}
}

// TestDockerConfiguration keeps logins where docker does: in its file, and in the helper that it names.
func TestDockerConfiguration(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("DOCKER_CONFIG", dir)
	host := testregistry.New(t, testregistry.Basic("ann", "secret")).Host()
	client := newClient(t, registry.Options{})
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(`{"auths":{"other.example":{"auth":"eDp5"}},"HttpHeaders":{"a":"b"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := client.Login(t.Context(), host, "ann", "secret"); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{base64.StdEncoding.EncodeToString([]byte("ann:secret")), "other.example", "HttpHeaders"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("docker's configuration lacks %q:\n%s", want, text)
		}
	}
	_, err = newClient(t, registry.Options{}).Versions(t.Context(), repoIn(host))
	expectError[*registry.NotFoundError](t, "logged in, nothing there", err)
}

func TestDockerHelper(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the helper of this test is a shell script")
	}
	dir := t.TempDir()
	t.Setenv("DOCKER_CONFIG", dir)
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	host := testregistry.New(t, testregistry.Basic("ann", "secret")).Host()
	script := "#!/bin/sh\ncase $1 in get) echo '{\"ServerURL\":\"x\",\"Username\":\"ann\",\"Secret\":\"secret\"}';; store) cat > " + filepath.Join(dir, "stored") + ";; esac\n"
	for path, content := range map[string]string{"docker-credential-test": script, "config.json": `{"credHelpers":{"` + host + `":"test"}}`} {
		if err := os.WriteFile(filepath.Join(dir, path), []byte(content), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	client := newClient(t, registry.Options{})
	_, err := client.Versions(t.Context(), repoIn(host))
	expectError[*registry.NotFoundError](t, "with the helper's login", err)
	if err := client.Login(t.Context(), host, "ann", "secret"); err != nil {
		t.Fatal(err)
	}
	if stored, err := os.ReadFile(filepath.Join(dir, "stored")); err != nil || !strings.Contains(string(stored), `"ann"`) {
		t.Errorf("the helper was handed %q, %v", stored, err)
	}
	if text, _ := os.ReadFile(filepath.Join(dir, "config.json")); strings.Contains(string(text), "c2VjcmV0") {
		t.Error("the secret is in docker's file although there is a helper")
	}
}

// TestEmbeddedServer publishes over the network with the write token, and through the socket without it.
func TestEmbeddedServer(t *testing.T) {
	dir := t.TempDir()
	status := serve(t, server.Options{Root: dir, Addr: "127.0.0.1:0", Note: "a server"})
	remote := repoIn(status.Addr)
	store := credentials.NewMemoryStore()
	client := newClient(t, registry.Options{Dir: dir, Credentials: store, NoWait: true})
	_, err := client.Push(t.Context(), remote, testregistry.Pack(t, testregistry.Spec{}))
	expectError[*registry.AuthError](t, "push without the token", err)
	err = client.Login(t.Context(), status.Addr, directory.User, "wrong")
	expectError[*registry.AuthError](t, "login with a wrong token", err)
	token, err := os.ReadFile(status.TokenFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Login(t.Context(), status.Addr, directory.User, strings.TrimSpace(string(token))); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Push(t.Context(), remote, testregistry.Pack(t, testregistry.Spec{})); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Push(t.Context(), repoIn(registry.Local), testregistry.Pack(t, testregistry.Spec{Version: "1.1.0"})); err != nil {
		t.Errorf("push to the directory while a server holds it: %v", err)
	}
	for _, repo := range []registry.Repository{remote, repoIn(registry.Local)} {
		versions, err := newClient(t, registry.Options{Dir: dir}).Versions(context.Background(), repo)
		if err != nil || len(versions) != 2 {
			t.Errorf("%s: versions %v, %v", repo, versions, err)
		}
	}
}
