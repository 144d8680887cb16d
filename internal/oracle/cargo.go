package oracle

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/loadr-plugins/loadr/internal/testplugin"
	"github.com/loadr-plugins/loadr/manifest"
)

// newest is the version of abi_stable that most libraries are made with.
const newest = "0.11.3"

// crates are the compiled dependencies of a library.
type crates struct {
	rlibs   map[string]string // by crate name: abi_stable, loadr_plugin_sdk
	folders []string          // where the dependencies of those lie, for the target and for this machine
}

// compiled has the crates of each Build that this process has asked for.
var compiled sync.Map // string: func() (crates, error)

// cratesFor compiles abi_stable, and for the newest version the SDK, as the build says. cargo does it once per machine.
func cratesFor(t testing.TB, b Build) crates {
	t.Helper()
	root, cache, host := testplugin.Root(t), cacheDir(t), hostTarget(t)
	once, _ := compiled.LoadOrStore(b.dependencies(), sync.OnceValues(func() (crates, error) {
		return compileCrates(root, cache, host, b)
	}))
	found, err := once.(func() (crates, error))()
	var offline *offlineError
	switch {
	case errors.As(err, &offline):
		t.Skipf("oracle: %v", err)
	case err != nil:
		t.Fatalf("oracle: %v", err)
	}
	return found
}

// dependencies is text that differs when the dependencies do.
func (b Build) dependencies() string { return fmt.Sprintf("%q %q %q", b.version(), b.Profile, b.Flags) }

func (b Build) version() string { return cmp.Or(b.ABIStable, newest) }

// macros is the version of abi_stable_derive. There is none for every version of abi_stable.
func (b Build) macros() string {
	if strings.HasPrefix(b.version(), "0.11.") && b.version() != newest {
		return "0.11.0"
	}
	return b.version()
}

func compileCrates(root, cache string, host manifest.Target, b Build) (crates, error) {
	project, err := writeProject(root, cache, b)
	if err != nil {
		return crates{}, err
	}
	shared := filepath.Join(cache, "cargo")
	cmd := exec.Command("cargo", "build", "--quiet", "--release", "--target", string(host), "--target-dir", shared,
		"--message-format", "json")
	cmd.Dir = project
	cmd.Env = append(cleanEnvironment(), b.environment()...)
	var messages, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &messages, &errs
	if err := cmd.Run(); err != nil {
		return crates{}, cargoError(err, errs.String())
	}
	rlibs, err := artifacts(&messages)
	release := filepath.Join("release", "deps")
	return crates{rlibs, []string{filepath.Join(shared, string(host), release), filepath.Join(shared, release)}}, err
}

// writeProject writes the package that has the wanted crates as its dependencies. Its name is a hash, so it is whole or absent.
func writeProject(root, cache string, b Build) (string, error) {
	text := fmt.Sprintf(`[package]
name = "dependencies"
version = "0.0.0"
edition = "2021"

[workspace]

[dependencies]
abi_stable = { version = "=%[1]s", default-features = false }
abi_stable_derive = "=%[2]s"
`, b.version(), b.macros())
	if b.version() == newest {
		text += fmt.Sprintf("loadr-plugin-sdk = { path = %q }\n", filepath.Join(root, "sdk", "rust"))
	}
	sum := sha256.Sum256([]byte(text))
	return writeFolder(cache, "project-"+hex.EncodeToString(sum[:8]), map[string]string{"Cargo.toml": text, "src/lib.rs": ""})
}

// writeFolder writes a folder of files whole. One that is there stays.
func writeFolder(parent, name string, files map[string]string) (string, error) {
	work, err := os.MkdirTemp(parent, "build-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	for file, text := range files {
		path := filepath.Join(work, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return "", err
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return "", err
		}
	}
	return settle(work, filepath.Join(parent, name))
}

// settle renames a finished folder to its place. When another process was quicker, its result stays: both are the same.
func settle(work, dir string) (string, error) {
	err := os.Rename(work, dir)
	if _, statErr := os.Stat(dir); statErr == nil {
		return dir, nil
	}
	return "", err
}

func (b Build) environment() []string {
	env := []string{"CARGO_ENCODED_RUSTFLAGS=" + strings.Join(b.Flags, "\x1f")}
	for _, option := range b.Profile {
		name, value, _ := strings.Cut(option, "=")
		name = strings.TrimSuffix(name, "info") // cargo says debug for debuginfo
		env = append(env, "CARGO_PROFILE_RELEASE_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_"))+"="+value)
	}
	return env
}

// artifacts reads from cargo's messages where the crates lie.
func artifacts(messages io.Reader) (map[string]string, error) {
	found := map[string]string{}
	for dec := json.NewDecoder(messages); ; {
		var message struct {
			Reason    string
			Target    struct{ Name string }
			Filenames []string
		}
		if err := dec.Decode(&message); errors.Is(err, io.EOF) {
			return found, nil
		} else if err != nil {
			return nil, fmt.Errorf("messages of cargo: %w", err)
		}
		for _, file := range message.Filenames {
			if message.Reason == "compiler-artifact" && filepath.Ext(file) == ".rlib" {
				found[message.Target.Name] = file
			}
		}
	}
}

// offlineError says that cargo could not get the crates.
type offlineError struct{ messages string }

func (e *offlineError) Error() string {
	return "abi_stable can't be had: run once online\n" + e.messages
}

func cargoError(err error, messages string) error {
	for _, sign := range []string{"failed to download", "Unable to update registry", "spurious network error"} {
		if strings.Contains(messages, sign) {
			return &offlineError{messages}
		}
	}
	return fmt.Errorf("cargo: %w\n%s", err, messages)
}

// cleanEnvironment leaves out what would change the result without being in the key.
func cleanEnvironment() []string {
	return slices.DeleteFunc(os.Environ(), func(word string) bool {
		name, _, _ := strings.Cut(word, "=")
		kept := name == "CARGO_HOME" || strings.HasPrefix(name, "CARGO_HTTP_") || strings.HasPrefix(name, "CARGO_NET_")
		return name == "RUSTFLAGS" || strings.HasPrefix(name, "CARGO_") && !kept
	})
}

// compilerVersion is what `rustc -vV` says; empty where cargo or rustc is missing.
var compilerVersion = sync.OnceValue(func() string {
	if exec.Command("cargo", "--version").Run() != nil {
		return ""
	}
	out, _ := exec.Command("rustc", "-vV").Output()
	return string(out)
})

func hostTarget(t testing.TB) manifest.Target {
	t.Helper()
	_, rest, found := strings.Cut(compilerVersion(), "host: ")
	if !found {
		t.Skip("oracle: no cargo: install Rust (https://rustup.rs)")
	}
	triple, _, _ := strings.Cut(rest, "\n")
	return manifest.Target(triple)
}

func cacheDir(t testing.TB) string {
	t.Helper()
	user, err := os.UserCacheDir()
	if err != nil {
		user = os.TempDir() // a build user without a home
	}
	dir := filepath.Join(user, "loadr-oracle")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatalf("oracle: %v", err)
	}
	return dir
}
