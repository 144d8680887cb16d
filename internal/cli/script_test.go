//go:build unix

package cli_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/crypto/bcrypt"

	"github.com/loadr-plugins/loadr/internal/testregistry"
)

// bin is the folder of the two programs as they are released: built without cgo, lying beside each other.
var bin string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "loadr-cli-test-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		bin = dir
		build := exec.Command("go", "build", "-o", dir, "../../cmd/...")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "building the programs: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// place is the registry that a script's short names mean.
type place struct {
	// namespace is the value of LOADR_REGISTRY; empty: the default, a directory of the script's own.
	namespace string
	// setup prepares the script's environment further; may be nil.
	setup func(*testscript.Env) error
}

// runScripts runs testdata/DIR/*.txt, each in a home of its own.
func runScripts(t *testing.T, dir string, libs libraries, at place) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", dir),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               func(env *testscript.Env) error { return setup(env, libs, at) },
		Cmds:                commands,
		Condition:           libs.condition,
	})
}

// setup gives a script its own home, registry, cache and credentials. MARK is the file that a marking plugin writes when
// it is opened.
func setup(env *testscript.Env, libs libraries, at place) error {
	home := filepath.Join(env.WorkDir, "home")
	for key, value := range map[string]string{
		"PATH":               bin + string(filepath.ListSeparator) + os.Getenv("PATH"),
		"BIN":                bin,
		"HOME":               home,
		"XDG_CACHE_HOME":     filepath.Join(home, ".cache"),
		"XDG_CONFIG_HOME":    filepath.Join(home, ".config"),
		"XDG_DATA_HOME":      filepath.Join(home, ".local", "share"),
		"LOADR_REGISTRY_DIR": filepath.Join(env.WorkDir, "registry"),
		"LOADR_CACHE_DIR":    filepath.Join(env.WorkDir, "cache"),
		"DOCKER_CONFIG":      filepath.Join(env.WorkDir, "docker"),
		"MARK":               filepath.Join(env.WorkDir, "mark"),
		"LIBS":               libs.dir,
		"EXAMPLES":           libs.examples,
		"HOST":               string(libs.host),
		"NS":                 "local/plugins",
	} {
		env.Setenv(key, value)
	}
	if at.namespace != "" {
		env.Setenv("LOADR_REGISTRY", at.namespace)
		env.Setenv("NS", at.namespace)
	}
	if err := os.MkdirAll(home, 0o700); err != nil {
		return err
	}
	env.Values[spawnedKey{}], env.Values[stallKey{}], env.Values[serverKey{}] = map[string]*process{}, &stalling{}, &server{}
	if at.setup != nil {
		return at.setup(env)
	}
	return nil
}

func TestScripts(t *testing.T) {
	runScripts(t, "script", buildLibraries(t), place{})
}

// TestAnyRegistry runs the same scripts against the directory registry, the embedded server and Debian's docker-registry.
func TestAnyRegistry(t *testing.T) {
	libs := buildLibraries(t)
	t.Run("directory", func(t *testing.T) { runScripts(t, "any", libs, place{}) })
	t.Run("served", func(t *testing.T) {
		s := startServer(t)
		runScripts(t, "any", libs, place{setup: func(env *testscript.Env) error { return s.login(env) }})
	})
	t.Run("docker-registry", func(t *testing.T) {
		host := testregistry.Debian(t)
		runScripts(t, "any", libs, place{setup: func(env *testscript.Env) error { return ownNamespace(env, host) }})
	})
}

// ownNamespace keeps scripts that share a registry apart.
func ownNamespace(env *testscript.Env, host string) error {
	namespace := host + "/" + strings.ToLower(strings.TrimPrefix(filepath.Base(env.WorkDir), "script-"))
	env.Setenv("LOADR_REGISTRY", namespace)
	env.Setenv("NS", namespace)
	return nil
}

// TestPrivateRegistry runs the scripts on a docker-registry that asks for a name and a password.
func TestPrivateRegistry(t *testing.T) {
	libs := buildLibraries(t)
	hash, err := bcrypt.GenerateFromPassword([]byte("open sesame"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "htpasswd")
	if err := os.WriteFile(file, fmt.Appendf(nil, "tester:%s\n", hash), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("REGISTRY_AUTH_HTPASSWD_REALM", "test")
	t.Setenv("REGISTRY_AUTH_HTPASSWD_PATH", file)
	host := testregistry.Debian(t)
	runScripts(t, "htpasswd", libs, place{setup: func(env *testscript.Env) error {
		env.Setenv("PRIVATE", host)
		return ownNamespace(env, host)
	}})
}
