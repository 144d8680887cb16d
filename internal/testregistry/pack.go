package testregistry

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/manifest"
	"github.com/loadr-plugins/loadr/registry"
)

// Common targets.
const (
	Linux   manifest.Target = "x86_64-unknown-linux-gnu"
	Darwin  manifest.Target = "aarch64-apple-darwin"
	Windows manifest.Target = "x86_64-pc-windows-msvc"
)

// Spec describes a made-up artifact. The zero value is plugin echo 1.0.0 for Linux.
type Spec struct {
	Name, Version string
	Targets       []manifest.Target
	Library       string // content of the libraries; the target's name is added, so that they differ
	Extra         string // more text for plugin.toml, after [plugin]
	ABI           manifest.ABI
	Libc          manifest.Libc // of the linux-gnu libraries
	Files         map[string]string
	Keywords      []string
}

func (s Spec) filled() Spec {
	if s.Name == "" {
		s.Name = "echo"
	}
	if s.Version == "" {
		s.Version = "1.0.0"
	}
	if len(s.Targets) == 0 {
		s.Targets = []manifest.Target{Linux}
	}
	if s.Library == "" {
		s.Library = "a made-up library"
	}
	if s.ABI == (manifest.ABI{}) {
		s.ABI = manifest.ABI{Family: manifest.FamilyC, Version: "1.0.0"}
	}
	if s.Libc == (manifest.Libc{}) {
		s.Libc = manifest.Libc{Name: manifest.Glibc, Version: "2.17"}
	}
	return s
}

// Pack writes the artifact that spec describes. Its libraries are text: nothing could load them.
func Pack(t testing.TB, spec Spec) *registry.Pack {
	t.Helper()
	p, err := registry.WritePack(context.Background(), filepath.Join(t.TempDir(), "pack"), Input(t, spec))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Input gives what Pack packs.
func Input(t testing.TB, spec Spec) registry.PackInput {
	t.Helper()
	spec = spec.filled()
	m, _, err := manifest.Parse("plugin.toml", []byte(spec.toml()))
	if err != nil {
		t.Fatal(err)
	}
	in, dir := registry.PackInput{Manifest: m}, t.TempDir()
	for _, target := range spec.Targets {
		in.Libraries = append(in.Libraries, spec.library(t, dir, target))
	}
	for name, text := range spec.Files {
		in.Files = append(in.Files, registry.PackFile{Name: name, Path: write(t, dir, name, text)})
	}
	return in
}

func (s Spec) toml() string {
	return fmt.Sprintf(`# written by a test
[plugin]
name = %q
version = %q
kind = "protocol"
type = "native"
entry = "libecho.so"
description = "Echoes <what> it & \"everyone\" gets"
abi = "c"
schemes = ["echo", "echos"]
%slicense = "Apache-2.0"
authors = ["A. Author", "B. Author"]
homepage = "https://plugins.example/echo"
repository = "https://code.example/echo"
%s
`, s.Name, s.Version, s.keywords(), s.Extra)
}

func (s Spec) keywords() string {
	if len(s.Keywords) == 0 {
		return ""
	}
	return fmt.Sprintf("keywords = [\"%s\"]\n", strings.Join(s.Keywords, `", "`))
}

func (s Spec) library(t testing.TB, dir string, target manifest.Target) registry.PackLibrary {
	content := s.Library + " for " + string(target)
	report := manifest.Library{
		Format: target.Format(), Machine: target.Machine(), Digest: digest.FromString(content), Size: int64(len(content)),
		Exports: []string{"loadr_plugin_abi_version"}, ABI: manifest.ABIReport{Family: s.ABI.Family, Version: s.ABI.Version, Verdict: manifest.Fits},
	}
	entry := "libecho.so"
	switch target.Format() {
	case manifest.MachO:
		entry = "libecho.dylib"
	case manifest.PE:
		entry = "echo.dll"
	}
	if target.Libc() == manifest.Glibc {
		report.Libc, report.Needs = s.Libc, []string{"libc.so.6"}
	}
	return registry.PackLibrary{Target: target, Path: write(t, dir, string(target), content), Entry: entry, Report: report}
}

func write(t testing.TB, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}
