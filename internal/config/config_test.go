package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func env(pairs ...string) func(string) string {
	return func(key string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == key {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func writeConfig(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestEnvironmentBeatsFile(t *testing.T) {
	path := writeConfig(t, `namespaces = ["registry.example/perf"]
plain-http = ["lab:5000"]
registry-dir = "/from/file"
cache-dir = "/cache/file"
concurrency = 3

[[mirror]]
registry = "registry.example"
locations = ["a.example", "b.example:5000/x"]

[[mirror]]
registry = "other.example"
locations = ["a.example"]
resolve = true
`)
	got, err := Load(env("LOADR_CONFIG", path, "LOADR_REGISTRY", " a.example/x , local/y,", "LOADR_CACHE_DIR", "/cache/env"))
	if err != nil {
		t.Fatal(err)
	}
	want := &Config{
		Namespaces: []string{"a.example/x", "local/y"}, PlainHTTP: []string{"lab:5000"},
		RegistryDir: "/from/file", CacheDir: "/cache/env", Concurrency: 3,
		Mirrors: []Mirror{
			{Registry: "registry.example", Locations: []string{"a.example", "b.example:5000/x"}},
			{Registry: "other.example", Locations: []string{"a.example"}, Resolve: true},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDefaults(t *testing.T) {
	t.Setenv("HOME", "/home/someone")
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	t.Setenv("XDG_CACHE_HOME", "/caches")
	got, err := Load(env("XDG_DATA_HOME", "/data"))
	if err != nil {
		t.Fatal(err)
	}
	want := &Config{
		Namespaces: []string{DefaultNamespace}, RegistryDir: "/data/loadr/registry", CacheDir: "/caches/loadr", Concurrency: 16,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestErrorsSayWhere(t *testing.T) {
	for text, want := range map[string]string{
		"namespaces = 3":                                  "line 1",
		"concurrency = 1\nnamspaces=":                     "line 2",
		"\nnamspaces = []":                                `line 2, column 1: unknown key "namspaces"`,
		"concurrency = 1000":                              "expected 1 to 256",
		"[[mirror]]\nlocations = [\"a.example\"]":         "expected registry =",
		"[[mirror]]\nregistry = \"a.example\"":            "expected locations =",
		"[[mirror]]\nregistry = \"a.example\"\nhosts = 1": `unknown key "mirror.hosts"`,
		"[[mirror]]\nregistry=\"a.b\"\nlocations=[\"c.d\"]\n[[mirror]]\nregistry=\"A.b\"\nlocations=[\"e.f\"]": "listed twice",
	} {
		_, err := Load(env("LOADR_CONFIG", writeConfig(t, text)))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q in it", text, err, want)
		}
	}
	if _, err := Load(env("LOADR_CONFIG", "/no/such/file")); err == nil {
		t.Error("a named file that is absent must be an error")
	}
}
