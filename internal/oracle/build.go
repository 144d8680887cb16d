package oracle

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/loadr-plugins/loadr/internal/testplugin"
)

// Path builds the library for this machine and gives its path, from the cache where it is there. The test is skipped
// where cargo or the crates are missing. The file is shared: copy it before changing it. Safe for concurrent use.
func (l Library) Path(t testing.TB) string {
	t.Helper()
	text, err := l.source(t, true)
	if err != nil {
		t.Fatalf("oracle: %v", err)
	}
	flags := slices.Concat(l.Build.flags(), l.Build.Last)
	if l.Build.Strip {
		flags = append(flags, "-Cstrip=symbols")
	}
	return compile(t, l.Build, compilation{
		file:  testplugin.FileName(hostTarget(t), l.crate()),
		kind:  "cdylib",
		crate: l.crate(),
		texts: map[string]string{l.crate() + ".rs": text},
		flags: flags,
		env:   l.environment(),
	})
}

// source gives the edited text of the interface, with or without what makes a library of it.
func (l Library) source(t testing.TB, export bool) (string, error) {
	t.Helper()
	iface, exported := filepath.Join("sdk", "rust", "src", "interface.rs"), "export.rs"
	if l.Rich {
		iface, exported = filepath.Join("internal", "oracle", "testdata", "rich.rs"), "export_rich.rs"
	}
	root := testplugin.Root(t)
	first, err := os.ReadFile(filepath.Join(root, iface))
	if err != nil {
		return "", err
	}
	second, err := os.ReadFile(filepath.Join(root, "internal", "oracle", "testdata", exported))
	if err != nil {
		return "", err
	}
	const seam = "// seam\n"
	text, err := l.edit(withoutComments(string(first)) + seam + withoutComments(string(second)))
	if !export {
		text, _, _ = strings.Cut(text, seam)
	}
	return text, err
}

// withoutComments leaves out lines that are comments: edits need not know them, and nothing is built anew for a word.
func withoutComments(text string) string {
	var kept strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(strings.TrimSpace(line), "//") {
			kept.WriteString(line)
		}
	}
	return kept.String()
}

func (l Library) crate() string { return cmp.Or(l.Crate, "family") }

// environment has what abi_stable's macros ask cargo for.
func (l Library) environment() []string {
	name, version := cmp.Or(l.Package, "loadr-plugin-api"), cmp.Or(l.Version, "1.0.0")
	return []string{"CARGO_PKG_NAME=" + name, "CARGO_PKG_VERSION=" + version}
}

func (b Build) flags() []string {
	flags := []string{"-Copt-level=3"}
	for _, option := range b.Profile {
		flags = append(flags, "-C"+option)
	}
	return append(flags, b.Flags...)
}

// compilation is one call of rustc.
type compilation struct {
	file    string            // the result
	kind    string            // crate type
	crate   string            // name; the text of that name is the first
	texts   map[string]string // by file name
	flags   []string
	env     []string
	externs map[string]string // crates beside abi_stable: where they lie
	uses    []string          // crates of the Build beside abi_stable
	also    string            // what else the result depends on
}

// key names everything that the result depends on.
func (c compilation) key(b Build) string {
	sum := sha256.New()
	fmt.Fprintf(sum, "%s %s %q %q %q %q", compilerVersion(), b.dependencies(), c.file, c.kind, c.crate, c.flags)
	fmt.Fprintf(sum, "%q %q %q %q %q", c.env, c.externs, c.uses, c.also, c.texts) // maps are printed in order
	return hex.EncodeToString(sum.Sum(nil)[:12])
}

// compile calls rustc, unless the result is in the cache.
func compile(t testing.TB, b Build, c compilation) string {
	t.Helper()
	hostTarget(t) // skips
	cache := cacheDir(t)
	dir := filepath.Join(cache, c.key(b))
	path := filepath.Join(dir, c.file)
	if _, err := os.Stat(path); err == nil {
		return path
	}
	work, err := os.MkdirTemp(cache, "build-")
	if err != nil {
		t.Fatalf("oracle: %v", err)
	}
	defer os.RemoveAll(work)
	if err := c.run(t, work, b); err != nil {
		t.Fatalf("oracle: %v", err)
	}
	if _, err := settle(work, dir); err != nil {
		t.Fatalf("oracle: %v", err)
	}
	return path
}

// run calls rustc in the folder work.
func (c compilation) run(t testing.TB, work string, b Build) error {
	for name, text := range c.texts {
		if err := os.WriteFile(filepath.Join(work, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	found := cratesFor(t, b)
	args := []string{"--edition", "2021", "--cap-lints", "allow", "--target", string(hostTarget(t)),
		"--crate-type", c.kind, "--crate-name", c.crate, "-o", c.file}
	for _, name := range append([]string{"abi_stable"}, c.uses...) {
		args = append(args, "--extern", name+"="+found.rlibs[name])
	}
	for name, path := range c.externs {
		args = append(args, "--extern", name+"="+path)
	}
	for _, folder := range found.folders {
		args = append(args, "-L", "dependency="+folder)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "rustc", slices.Concat(args, c.flags, []string{c.crate + ".rs"})...)
	cmd.Dir = work
	cmd.Env = append(cleanEnvironment(), c.env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w\n%s", cmd.Args, err, out)
	}
	return nil
}
