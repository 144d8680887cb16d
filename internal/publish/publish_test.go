package publish_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/internal/folder"
	"github.com/loadr-plugins/loadr/internal/publish"
	"github.com/loadr-plugins/loadr/internal/testplugin"
	"github.com/loadr-plugins/loadr/internal/testregistry"
	"github.com/loadr-plugins/loadr/loader/plugin"
	"github.com/loadr-plugins/loadr/manifest"
	"github.com/loadr-plugins/loadr/registry"
)

const (
	linux   = testregistry.Linux
	darwin  = testregistry.Darwin
	windows = testregistry.Windows
)

func TestMain(m *testing.M) {
	// No test may see the logins of whoever runs it.
	dir, err := os.MkdirTemp("", "docker-config-")
	if err != nil {
		panic(err)
	}
	os.Setenv("DOCKER_CONFIG", dir)
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// source is a plugin's folder. Libraries are text by target; the zero value is the echo plugin for Linux.
type source struct {
	plugin    string // replaces lines of [plugin] that have the same key
	rest      string // more tables
	libraries map[manifest.Target]string
}

func (s source) folder(t testing.TB) string {
	t.Helper()
	dir, fields := t.TempDir(), map[string]string{
		"name": `"echo"`, "version": `"1.0.0"`, "kind": `"protocol"`, "type": `"native"`, "entry": `"libecho.so"`,
		"schemes": `["echo"]`, "description": `"A test's plugin"`, "license": `"Apache-2.0"`,
	}
	for line := range strings.Lines(s.plugin) {
		key, value, _ := strings.Cut(line, "=")
		fields[strings.TrimSpace(key)] = strings.TrimSpace(value)
	}
	text := "[plugin]\n"
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		if fields[key] != "" {
			text += key + " = " + fields[key] + "\n"
		}
	}
	text += s.rest + "\n[build.targets]\n"
	if s.libraries == nil {
		s.libraries = echo(t, linux)
	}
	for target, library := range s.libraries {
		file := string(target) + "/" + testplugin.FileName(target, "echo")
		write(t, filepath.Join(dir, filepath.FromSlash(file)), library)
		text += fmt.Sprintf("%q = %q\n", string(target), file)
	}
	write(t, filepath.Join(dir, "plugin.toml"), text)
	return dir
}

func echo(t testing.TB, targets ...manifest.Target) map[manifest.Target]string {
	out := map[manifest.Target]string{}
	for _, target := range targets {
		out[target] = read(t, testplugin.Echo(t, target))
	}
	return out
}

func read(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func newRegistry(t *testing.T) (*testregistry.Registry, *registry.Client, string) {
	server := testregistry.New(t)
	client := registry.New(registry.Options{})
	t.Cleanup(func() { client.Close() })
	return server, client, server.Host() + "/team"
}

// wantNothingPushed: a refusal comes before the first request.
func wantNothingPushed(t *testing.T, server *testregistry.Registry) {
	t.Helper()
	if requests := server.Take(); len(requests) != 0 {
		t.Errorf("requests of what was refused: %v", requests)
	}
}

// TestGate has one line for each thing that a consumer would stumble over.
func TestGate(t *testing.T) {
	partly := read(t, testplugin.C(t, linux, `
		#include "loadr_plugin.h"
		uint32_t loadr_plugin_abi_version(void) { return 1; }
		uint8_t *loadr_plugin_info(size_t *out_len) { *out_len = 0; return 0; }`))
	nothing := read(t, testplugin.C(t, linux, `int answer(void) { return 42; }`))
	for name, test := range map[string]struct {
		source source
		says   []string // parts of the problems, one for each
	}{
		"a library for another platform": {source{libraries: map[manifest.Target]string{linux: echo(t, darwin)[darwin]}}, []string{"macho"}},
		"two libraries in each other's place": {source{libraries: map[manifest.Target]string{linux: echo(t, windows)[windows], windows: echo(t, linux)[linux]}},
			[]string{"elf", "pe"}},
		"no plugin interface":                   {source{libraries: map[manifest.Target]string{linux: nothing}}, []string{"exports no plugin interface"}},
		"half of an interface":                  {source{libraries: map[manifest.Target]string{linux: partly}}, []string{"loadr_plugin_execute"}},
		"another family than declared":          {source{plugin: `abi = "native"`}, []string{`plugin.toml says abi = "native"`}},
		"a kind that C can't carry":             {source{plugin: "kind = \"output\"\nschemes = "}, []string{`kind = "output"`}},
		"build metadata":                        {source{plugin: `version = "1.0.0+today"`}, []string{"build metadata"}},
		"a range that resolution does not know": {source{rest: "[requires]\nabi = \"~> 1.0\""}, []string{"[requires] abi"}},
		"two problems at once": {source{plugin: `version = "1.0.0+today"`, libraries: map[manifest.Target]string{linux: nothing}},
			[]string{"build metadata", "exports no plugin interface"}},
	} {
		t.Run(name, func(t *testing.T) {
			server, client, team := newRegistry(t)
			_, err := publish.Publish(t.Context(), client, publish.Options{Sources: []string{test.source.folder(t)}, Source: team})
			var gate *publish.GateError
			if !errors.As(err, &gate) {
				t.Fatalf("error %T %v, expected a *GateError", err, err)
			}
			if len(gate.Problems) != len(test.says) {
				t.Errorf("%d problems, expected %d: %v", len(gate.Problems), len(test.says), err)
			}
			for _, says := range test.says {
				if !strings.Contains(err.Error(), says) {
					t.Errorf("error %q, expected %q in it", err, says)
				}
			}
			wantNothingPushed(t, server)
		})
	}
}

// TestNothingToPack tells what is missing, all at once.
func TestNothingToPack(t *testing.T) {
	dir := source{libraries: echo(t, linux, darwin)}.folder(t)
	out := filepath.Join(t.TempDir(), "pack")
	pack := func(o publish.PackOptions) error {
		o.Output = out
		_, _, err := publish.Pack(t.Context(), o)
		if _, statErr := os.Stat(out); err != nil && statErr == nil {
			t.Error("a refused pack left its output")
		}
		return err
	}
	var noManifest *folder.NoManifestError
	if err := pack(publish.PackOptions{Dir: t.TempDir()}); !errors.As(err, &noManifest) {
		t.Errorf("a folder without plugin.toml: %v", err)
	}
	var noLibrary *publish.NoLibraryError
	if err := pack(publish.PackOptions{Dir: dir, Targets: map[manifest.Target]string{windows: ""}}); !errors.As(err, &noLibrary) ||
		noLibrary.Target != windows || !slices.Equal(noLibrary.Known, []manifest.Target{darwin, linux}) {
		t.Errorf("a target without a library: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, string(darwin), "libecho.dylib")); err != nil {
		t.Fatal(err)
	}
	var missing *publish.MissingLibrariesError
	if err := pack(publish.PackOptions{Dir: dir}); !errors.As(err, &missing) || len(missing.Missing) != 1 || missing.Missing[0].Target != darwin ||
		!strings.Contains(missing.Hint(), "--target "+string(linux)) {
		t.Errorf("a library that is not built: %v", err)
	}
	if err := pack(publish.PackOptions{Dir: dir, Targets: map[manifest.Target]string{linux: ""}}); err != nil {
		t.Errorf("only what is there: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	again := filepath.Join(t.TempDir(), "pack")
	if _, _, err := publish.Pack(ctx, publish.PackOptions{Dir: dir, Output: again, Targets: map[manifest.Target]string{linux: ""}}); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled pack: %v", err)
	}
	if entries, err := os.ReadDir(filepath.Dir(again)); err != nil || len(entries) != 0 {
		t.Errorf("a cancelled pack left %v, %v", entries, err)
	}
}

// TestPublish pushes once, says so when it is there, and refuses anything else under the version.
func TestPublish(t *testing.T) {
	server, client, team := newRegistry(t)
	folder := source{libraries: echo(t, linux, darwin)}.folder(t)
	dry := filepath.Join(t.TempDir(), "dry")
	would, err := publish.Publish(t.Context(), client, publish.Options{Sources: []string{folder}, Source: team, DryRun: dry})
	if err != nil {
		t.Fatal(err)
	}
	wantNothingPushed(t, server)
	if p, err := registry.OpenPack(dry); err != nil || p.Digest() != would.Digest {
		t.Errorf("the dry run wrote %v, %v", p, err)
	}
	done, err := publish.Publish(t.Context(), client, publish.Options{Sources: []string{folder}, Source: team})
	if err != nil || done.Digest != would.Digest || done.Already || !slices.Equal(done.Targets, []manifest.Target{darwin, linux}) ||
		done.Repository != team+"/echo" || done.Name != "echo" || done.Version != "1.0.0" {
		t.Fatalf("published %+v, %v; the dry run had %s", done, err, would.Digest)
	}
	if again, err := publish.Publish(t.Context(), client, publish.Options{Sources: []string{dry}, Source: team}); err != nil || !again.Already {
		t.Errorf("a second time: %+v, %v", again, err)
	}
	other := source{libraries: map[manifest.Target]string{linux: echo(t, linux)[linux] + "other"}}.folder(t)
	_, err = publish.Publish(t.Context(), client, publish.Options{Sources: []string{other}, Source: team})
	var exists *registry.VersionExistsError
	if !errors.As(err, &exists) || exists.Existing != done.Digest {
		t.Errorf("other content: %v", err)
	}
}

// TestMerge makes one release of packs from several machines: the one that a single machine would have made.
func TestMerge(t *testing.T) {
	_, client, team := newRegistry(t)
	folder := source{libraries: echo(t, linux, darwin, windows)}.folder(t)
	whole, _, err := publish.Pack(t.Context(), publish.PackOptions{Dir: folder, Output: filepath.Join(t.TempDir(), "whole")})
	if err != nil {
		t.Fatal(err)
	}
	var parts []string
	for _, target := range []manifest.Target{windows, linux, darwin} {
		part := filepath.Join(t.TempDir(), "part")
		if _, _, err := publish.Pack(t.Context(), publish.PackOptions{Dir: folder, Output: part, Targets: map[manifest.Target]string{target: ""}}); err != nil {
			t.Fatal(err)
		}
		parts = append(parts, part)
	}
	merged, err := publish.Publish(t.Context(), client, publish.Options{Sources: parts, Source: team})
	if err != nil || merged.Digest != whole.Digest() {
		t.Errorf("merged %+v, %v; expected %s", merged, err, whole.Digest())
	}
	changed := source{plugin: `description = "Another state of the sources"`}.folder(t)
	_, err = publish.Publish(t.Context(), client, publish.Options{Sources: []string{parts[0], changed}, Source: team})
	var mismatch *registry.MergeError
	if !errors.As(err, &mismatch) {
		t.Errorf("packs of different sources: %v", err)
	}
}

// TestProbe holds what the running plugin says against plugin.toml. Only this machine's library can be asked.
func TestProbe(t *testing.T) {
	folder := source{libraries: echo(t, linux, darwin)}.folder(t)
	right := plugin.Info{Name: "echo", Version: "1.0.0", Kind: "protocol"}
	protocol := plugin.Parts{Protocol: true}
	broken := errors.New("it crashed")
	for name, test := range map[string]struct {
		info    plugin.Info
		parts   plugin.Parts // zero: a protocol
		err     error
		machine manifest.Target
		asked   int
		says    string
	}{
		"agrees":               {info: right, machine: linux, asked: 1},
		"another name":         {info: plugin.Info{Name: "kafka", Version: "1.0.0", Kind: "protocol"}, machine: linux, asked: 1, says: `name "kafka"`},
		"another version":      {info: plugin.Info{Name: "echo", Version: "1.0.1", Kind: "protocol"}, machine: linux, asked: 1, says: `version "1.0.1"`},
		"another kind":         {info: plugin.Info{Name: "echo", Version: "1.0.0", Kind: "output"}, machine: linux, asked: 1, says: `kind "output"`},
		"another part":         {info: right, parts: plugin.Parts{Output: true, Service: true}, machine: linux, asked: 1, says: "makes no protocol"},
		"more parts":           {info: right, parts: plugin.Parts{Output: true, Protocol: true, Service: true}, machine: linux, asked: 1},
		"crashes":              {err: broken, machine: linux, asked: 1, says: "crashed"},
		"no library for us":    {info: plugin.Info{}, machine: windows},
		"we do not know us":    {info: plugin.Info{}},
		"the library of a Mac": {info: right, machine: darwin, asked: 1},
	} {
		t.Run(name, func(t *testing.T) {
			server, client, team := newRegistry(t)
			asked := 0
			probe := func(_ context.Context, library string, want digest.Digest, family manifest.Family) (publish.Probed, error) {
				asked++
				if got := digest.FromString(read(t, library)); got != want || family != manifest.FamilyC {
					t.Errorf("asked %s of family %q, expected %s", got, family, want)
				}
				return publish.Probed{Info: test.info, Parts: cmp.Or(test.parts, protocol)}, test.err
			}
			_, err := publish.Publish(t.Context(), client, publish.Options{
				Sources: []string{folder}, Source: team, Probe: probe, Pack: publish.PackOptions{Machine: test.machine},
			})
			if asked != test.asked {
				t.Errorf("asked %d times, expected %d", asked, test.asked)
			}
			if test.says == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("error %v, expected %q in it", err, test.says)
			}
			var gate *publish.GateError
			if errors.As(err, &gate) == (test.err != nil) {
				t.Errorf("error %T %v", err, err)
			}
			wantNothingPushed(t, server)
		})
	}
}

// TestSourceDate reads the only date that may enter an artifact.
func TestSourceDate(t *testing.T) {
	if d, err := publish.SourceDate(""); d != nil || err != nil {
		t.Errorf("none: %v, %v", d, err)
	}
	if d, err := publish.SourceDate("86400"); err != nil || d.Format("2006-01-02T15:04:05Z07:00") != "1970-01-02T00:00:00Z" {
		t.Errorf("a day: %v, %v", d, err)
	}
	if _, err := publish.SourceDate("tomorrow"); err == nil || !strings.Contains(err.Error(), "SOURCE_DATE_EPOCH") {
		t.Errorf("a word: %v", err)
	}
}
