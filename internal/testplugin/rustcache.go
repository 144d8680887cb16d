package testplugin

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// key names everything that the library of a crate depends on: the tools, the options, the files of the crate and of the
// crates that it names by path. Crates of the registry are fixed by their versions.
func (r rust) key(t testing.TB, crate string, o RustOptions) string {
	t.Helper()
	sum := sha256.New()
	fmt.Fprintf(sum, "%q %q %q %q %q", r.target, r.identity, o.Profile, o.Features, o.Env)
	if err := hashCrate(sum, crate, map[string]bool{}); err != nil {
		t.Fatalf("testplugin: %v", err)
	}
	return hex.EncodeToString(sum.Sum(nil)[:12])
}

// pathDependency matches `path = "..."`; matches that are no crate are passed over.
var pathDependency = regexp.MustCompile(`path\s*=\s*"([^"]+)"`)

func hashCrate(sum hash.Hash, dir string, seen map[string]bool) error {
	if seen[dir] {
		return nil
	}
	seen[dir] = true
	if err := hashFiles(sum, dir, len(seen) > 1); err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(dir, "Cargo.toml"))
	if err != nil {
		return err
	}
	for _, match := range pathDependency.FindAllSubmatch(text, -1) {
		other := string(match[1])
		if !filepath.IsAbs(other) {
			other = filepath.Join(dir, other)
		}
		if _, err := os.Stat(filepath.Join(other, "Cargo.toml")); err != nil {
			continue
		}
		if err := hashCrate(sum, other, seen); err != nil {
			return err
		}
	}
	return nil
}

// besides are files, by name or extension, that lie in a crate's folder and that no library depends on.
var besides = []string{".go", ".md", ".sh", "LICENSE", "plugin.toml", "rustfmt.toml"}

func hashFiles(sum hash.Hash, dir string, dependency bool) error {
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == "target" || path != dir && strings.HasPrefix(entry.Name(), ".")) {
			return filepath.SkipDir
		}
		if entry.Name() == "Cargo.lock" && dependency { // only the lock of the crate that is built counts
			return nil
		}
		if !entry.Type().IsRegular() || slices.Contains(besides, entry.Name()) || slices.Contains(besides, filepath.Ext(path)) {
			return nil
		}
		text, err := os.ReadFile(path)
		fmt.Fprintf(sum, "%q %d\n%s", path, len(text), text)
		return err
	})
}

// keep copies a library into dir under its own name; dir is whole or absent.
func keep(library, dir string) (string, error) {
	work, err := os.MkdirTemp(filepath.Dir(dir), "build-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	text, err := os.ReadFile(library)
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(work, filepath.Base(library)), text, 0o700); err != nil {
		return "", err
	}
	return filepath.Join(dir, filepath.Base(library)), os.Rename(work, dir)
}

// onlyFile gives the path of the one file in dir; empty when there is no such folder.
func onlyFile(dir string) string {
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		return ""
	}
	return filepath.Join(dir, entries[0].Name())
}

const oneFileManifest = `[package]
name = "example-%s"
version = "0.1.0"
edition = "2021"
publish = false

[lib]
crate-type = ["cdylib"]

[dependencies]
loadr-plugin-sdk = { path = %q }

[workspace]
`

// oneFileCrate writes a crate around a source text and gives its folder. Its name comes from what is in it. The versions that
// it is built with are those of examples/echo-proto, whose place in the alphabetic Cargo.lock its own name shares.
func oneFileCrate(root, cache, source string) (string, error) {
	sum := sha256.Sum256([]byte(source))
	name := hex.EncodeToString(sum[:8])
	cargo := fmt.Sprintf(oneFileManifest, name, filepath.Join(root, "sdk", "rust"))
	text, err := os.ReadFile(filepath.Join(root, "examples", "echo-proto", "Cargo.lock"))
	if err != nil {
		return "", err
	}
	locked := strings.Replace(string(text), `"echo-proto"`, `"example-`+name+`"`, 1)
	sum = sha256.Sum256([]byte(cargo + locked))
	dir := filepath.Join(cache, "crate-"+hex.EncodeToString(sum[:8]))
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	work, err := os.MkdirTemp(cache, "build-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	if err := os.Mkdir(filepath.Join(work, "src"), 0o700); err != nil {
		return "", err
	}
	for name, text := range map[string]string{"Cargo.toml": cargo, "Cargo.lock": locked, "src/lib.rs": source} {
		if err := os.WriteFile(filepath.Join(work, name), []byte(text), 0o600); err != nil {
			return "", err
		}
	}
	err = os.Rename(work, dir)
	if _, statErr := os.Stat(dir); statErr == nil {
		return dir, nil // another process was quicker: both are the same
	}
	return "", err
}
