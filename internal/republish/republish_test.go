package republish

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loadr-plugins/loadr/cache"
	"github.com/loadr-plugins/loadr/internal/download"
	"github.com/loadr-plugins/loadr/internal/obtain"
	"github.com/loadr-plugins/loadr/internal/testplugin"
	"github.com/loadr-plugins/loadr/internal/testregistry"
	"github.com/loadr-plugins/loadr/manifest"
	"github.com/loadr-plugins/loadr/registry"
)

const linux = manifest.Target("x86_64-unknown-linux-gnu")

// index writes an index of bare libraries, whose content may be replaced, and gives its place.
func index(t *testing.T, plugins map[string][]string, content string) string {
	t.Helper()
	dir := t.TempDir()
	if content == "" {
		text, err := os.ReadFile(testplugin.Echo(t, linux))
		if err != nil {
			t.Fatal(err)
		}
		content = string(text)
	}
	var entries []string
	for name, versions := range plugins {
		var list []string
		for _, version := range versions {
			file := name + "-" + version + ".so"
			body := content + "\n" + file
			if err := os.WriteFile(filepath.Join(dir, file), []byte(body), 0o600); err != nil {
				t.Fatal(err)
			}
			list = append(list, fmt.Sprintf(`%q: {"min_loadr_abi": 1, "artifacts": {%q: {"url": %q, "sha256": "%x", "entry": "libx.so"}}}`,
				version, linux, file, sha256.Sum256([]byte(body))))
		}
		entries = append(entries, fmt.Sprintf(`%q: {"versions": {%s}}`, name, strings.Join(list, ", ")))
	}
	path := filepath.Join(dir, "index.json")
	text := fmt.Sprintf(`{"schema": 1, "plugins": {%s}}`, strings.Join(entries, ", "))
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return "file:" + filepath.ToSlash(path)
}

func run(t *testing.T, o Options, options registry.Options) (*Report, error) {
	t.Helper()
	options.Writer = testregistry.Writer
	client := registry.New(options)
	defer client.Close()
	files := &obtain.Fetcher{From: download.New(download.Options{}), Cache: cache.Open(t.TempDir())}
	return Import(t.Context(), client, files, o)
}

func words(r *Report) (out []string) {
	for _, o := range r.Versions {
		out = append(out, fmt.Sprintf("%s %s %s", o.Action, o.Name, o.Version))
	}
	return out
}

func TestImport(t *testing.T) {
	at := registry.Options{Dir: t.TempDir()}
	o := Options{Index: index(t, map[string][]string{"b": {"1.10.0", "1.9.0", "nightly"}, "a": {"1.0.0", "2.0.0-rc.1"}}, ""), Source: "local/plugins"}
	for _, c := range []struct {
		plugins []string
		dryRun  bool
		want    []string
	}{
		{[]string{"b@^1"}, true, []string{"would-import b 1.9.0", "would-import b 1.10.0"}},
		{[]string{"b@^1.9", "a", "b@1.10.0"}, false, []string{"imported a 1.0.0", "imported a 2.0.0-rc.1", "imported b 1.9.0", "imported b 1.10.0"}},
		{nil, false, []string{"already a 1.0.0", "already a 2.0.0-rc.1", "already b 1.9.0", "already b 1.10.0"}},
	} {
		o.DryRun, o.Plugins = c.dryRun, nil
		for _, word := range c.plugins {
			ref, err := registry.ParseReference(word)
			if err != nil {
				t.Fatal(err)
			}
			o.Plugins = append(o.Plugins, ref)
		}
		r, err := run(t, o, at)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(c.want, words(r)); d != "" {
			t.Errorf("%v: %s", c.plugins, d)
		}
	}
}

// TestImportGoesOn: what fails, in whatever way, leaves the others alone, and everything that failed is in the error.
func TestImportGoesOn(t *testing.T) {
	o := Options{Index: index(t, map[string][]string{"Bad Name": {"1.0.0"}, "a": {"1.0.0"}}, ""), Source: "local/plugins"}
	r, err := run(t, o, registry.Options{Dir: t.TempDir()})
	var failed *FailedError
	if !errors.As(err, &failed) || len(failed.Versions) != 1 || failed.Versions[0].Name != "Bad Name" {
		t.Fatalf("got %v", err)
	}
	if d := cmp.Diff([]string{"failed Bad Name ", "imported a 1.0.0"}, words(r)); d != "" {
		t.Error(d)
	}
	o.Index = index(t, map[string][]string{"a": {"1.0.0", "1.1.0"}}, "no library")
	r, err = run(t, o, registry.Options{Dir: t.TempDir()})
	if !errors.As(err, &failed) || len(failed.Versions) != 2 || r == nil || r.Versions[0].Problem == "" {
		t.Errorf("got %v", err)
	}
}

// TestImportEndsWithoutRegistry: every version would meet the same.
func TestImportEndsWithoutRegistry(t *testing.T) {
	o := Options{Index: index(t, map[string][]string{"a": {"1.0.0", "1.1.0"}}, ""), Source: "127.0.0.1:1/plugins"}
	r, err := run(t, o, registry.Options{})
	if !errors.As(err, new(*registry.UnavailableError)) || errors.As(err, new(*FailedError)) || r != nil {
		t.Errorf("got %v, %v", r, err)
	}
}

func TestImportNothing(t *testing.T) {
	for _, plugins := range [][]registry.Reference{nil, {{Name: "absent"}}} {
		o := Options{Index: index(t, nil, ""), Source: "local/plugins", Plugins: plugins}
		if _, err := run(t, o, registry.Options{Dir: t.TempDir()}); !errors.As(err, new(*NothingError)) {
			t.Errorf("%v: got %v", plugins, err)
		}
	}
}
