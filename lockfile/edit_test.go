package lockfile

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/loadr-plugins/loadr/manifest"
	"pgregory.net/rapid"
)

// TestEditsExactly shows what an edit leaves of a file, byte for byte.
func TestEditsExactly(t *testing.T) {
	set := func(name, version, registry string) func([]byte) ([]byte, error) {
		return func(text []byte) ([]byte, error) {
			return SetPlugin(text, ProjectPlugin{Name: name, Version: version, Registry: registry})
		}
	}
	remove := func(name string) func([]byte) ([]byte, error) {
		return func(text []byte) ([]byte, error) { return RemovePlugin(text, name) }
	}
	targets := func(list ...manifest.Target) func([]byte) ([]byte, error) {
		return func(text []byte) ([]byte, error) { return SetTargets(text, list) }
	}
	host := func(h Host) func([]byte) ([]byte, error) {
		return func(text []byte) ([]byte, error) { return SetHost(text, h) }
	}
	c1 := map[manifest.Family]string{"c": "1.0.0"}
	for _, c := range []struct {
		name, text string
		edit       func([]byte) ([]byte, error)
		want       string
	}{
		{"first of all", "", set("a", "^1", ""), "[plugins]\na = \"^1\"\n"},
		{"first with registry", "# mine\n", set("a", "^1", "x/y"), "# mine\n\n[plugins]\na = { version = \"^1\", registry = \"x/y\" }\n"},
		{"no line end", "[host]", set("a", "^1", ""), "[host]\n\n[plugins]\na = \"^1\"\n"},
		{"into an empty section", "[plugins] # ours\n\n[host]\n", set("a", "^1", ""), "[plugins] # ours\na = \"^1\"\n\n[host]\n"},
		{"below the last", "[plugins]\n\ta = '1.0.0' # a\n\n# host\n[host]\n", set("b", "^1", ""), "[plugins]\n\ta = '1.0.0' # a\n\tb = \"^1\"\n\n# host\n[host]\n"},
		{"below the last, at the end", "[plugins]\r\na = '1.0.0'", set("b", "^1", ""), "[plugins]\r\na = '1.0.0'\r\nb = \"^1\""},
		{"in order", "[plugins] # ours\na = '1.0.0' # a\n# c\nc = '1.0.0'\n", set("b", "^1", ""), "[plugins] # ours\na = '1.0.0' # a\nb = \"^1\"\n# c\nc = '1.0.0'\n"},
		{"in order, first", "[plugins] # ours\n# c\nc = '1.0.0'\n", set("b", "^1", ""), "[plugins] # ours\nb = \"^1\"\n# c\nc = '1.0.0'\n"},
		{"in order, below dotted keys", "[plugins]\na.version = '1'\na.registry = 'x/y'\nc = '1'\n", set("b", "^1", ""), "[plugins]\na.version = '1'\na.registry = 'x/y'\nb = \"^1\"\nc = '1'\n"},
		{"last where there is no order", "[plugins]\nc = '1.0.0'\na = '1.0.0'\n", set("b", "^1", ""), "[plugins]\nc = '1.0.0'\na = '1.0.0'\nb = \"^1\"\n"},
		{"change", "[plugins]\na   =   '1.0.0'   # a\nb = '1.0.0'\n", set("a", "^2", ""), "[plugins]\na   =   \"^2\"   # a\nb = '1.0.0'\n"},
		{"change to a table", "[plugins]\na = '1.0.0' # a\n", set("a", "^2", "x/y"), "[plugins]\na = { version = \"^2\", registry = \"x/y\" } # a\n"},
		{"change a table", "[plugins]\na={version='1.0.0',registry='x/y'}# a\n", set("a", "^2", "x/z"), "[plugins]\na={version=\"^2\",registry=\"x/z\"}# a\n"},
		{"take the registry away", "[plugins]\na = { registry = 'x/y', version = '1.0.0' }\n", set("a", "^2", ""), "[plugins]\na = { version = \"^2\" }\n"},
		{"give a table a registry", "[plugins]\na = { version = '1.0.0' }\n", set("a", "^2", "x/y"), "[plugins]\na = { version = \"^2\", registry = \"x/y\" }\n"},
		{"give a section a registry", "[plugins.a] # a\n  version = '1.0.0' # v\n\n[host]\n", set("a", "^2", "x/y"), "[plugins.a] # a\n  version = \"^2\" # v\n  registry = \"x/y\"\n\n[host]\n"},
		{"give dotted keys a registry", "[plugins]\n a . version = '1.0.0' # v\nb = '1.0.0'\n", set("a", "^2", "x/y"), "[plugins]\n a . version = \"^2\" # v\n a.registry = \"x/y\"\nb = '1.0.0'\n"},
		{"give keys dotted from the root a registry", "plugins.'a'.version = '1.0.0'\n", set("a", "^2", "x/y"), "plugins.'a'.version = \"^2\"\nplugins.'a'.registry = \"x/y\"\n"},
		{"beside keys dotted from the root", "plugins.a = '1.0.0'\nhost.glibc = '2.31'\n", set("b", "^2", ""), "plugins.a = '1.0.0'\nplugins.b = \"^2\"\nhost.glibc = '2.31'\n"},
		{"beside sections of plugins", "[plugins.a]\nversion = '1.0.0'\n", set("b", "^2", ""), "[plugins.a]\nversion = '1.0.0'\n\n[plugins]\nb = \"^2\"\n"},
		{"into braces", "plugins = { a = '1.0.0' }\n", set("b", "^2", ""), "plugins = { a = '1.0.0', b = \"^2\" }\n"},
		{"into empty braces", "plugins = {}\n", set("b", "^2", ""), "plugins = { b = \"^2\" }\n"},
		{"beside a dotted key in braces", "plugins = { a.version = '1.0.0' }\n", set("a", "^2", "x/y"), "plugins = { a.version = \"^2\", a.registry = \"x/y\" }\n"},
		{"into braces on lines", "plugins = {\n  a = '1.0.0' # a\n}\n", set("b", "^2", ""), "plugins = {\n  a = '1.0.0', # a\n  b = \"^2\",\n}\n"},
		{"into braces on lines, with comma", "plugins = {\r\n  a = '1.0.0', # a\r\n}\r\n", set("b", "^2", ""), "plugins = {\r\n  a = '1.0.0', # a\r\n  b = \"^2\",\r\n}\r\n"},

		{"remove", "[plugins]\na = '1.0.0' # a\n# b\nb = '1.0.0'\n", remove("a"), "[plugins]\n# b\nb = '1.0.0'\n"},
		{"remove what is not there", "[plugins]\na = '1.0.0' # a\n", remove("b"), "[plugins]\na = '1.0.0' # a\n"},
		{"remove the last", "[plugins]\na = '1.0.0'", remove("a"), "[plugins]\n"},
		{"remove a section", "[plugins]\nb = '1.0.0'\n\n[plugins.a]\n# why\nversion = '1.0.0'\n\n[host]\n", remove("a"), "[plugins]\nb = '1.0.0'\n\n# why\n\n[host]\n"},
		{"remove a section between blank lines", "[plugins]\nb = '1.0.0'\n\n[plugins.a]\nversion = '1.0.0'\n\n[host]\n", remove("a"), "[plugins]\nb = '1.0.0'\n\n[host]\n"},
		{"remove a section at the end", "[host]\n\n[plugins.a]\nversion = '1.0.0'\nregistry = 'x/y'\n", remove("a"), "[host]\n"},
		{"remove a section at the start", "[plugins.a]\nversion = '1.0.0'\n\n[host]\n", remove("a"), "\n[host]\n"},
		{"remove dotted keys", "[plugins]\na.version = '1.0.0'\nb = '1.0.0'\na.registry = 'x/y'\n", remove("a"), "[plugins]\nb = '1.0.0'\n"},
		{"remove from braces, first", "plugins = { a = '1.0.0', b = '1.0.0' }", remove("a"), "plugins = { b = '1.0.0' }"},
		{"remove from braces, first, with the comma on the next line", "plugins={\na = '1' # x\n , b = '2'}", remove("a"), "plugins={\nb = '2'}"},
		{"remove from braces, last", "plugins = { a = '1.0.0', b = '1.0.0' }", remove("b"), "plugins = { a = '1.0.0' }"},
		{"remove from braces, only", "plugins = { a = '1.0.0', }", remove("a"), "plugins = {}"},
		{"remove from braces, dotted", "plugins = { a.version = '1', b = '1.0.0', a.registry = 'x/y' }", remove("a"), "plugins = { b = '1.0.0' }"},
		{"remove from braces on lines", "plugins = {\n  a = '1.0.0', # a\n  b = '1.0.0', # b\n}", remove("b"), "plugins = {\n  a = '1.0.0', # a\n}"},
		{"remove several lines", "[plugins]\na = {\n  version = '1.0.0', # a\n} # a\nb = '1.0.0'\n", remove("a"), "[plugins]\nb = '1.0.0'\n"},

		{"host from nothing", "[plugins]\n", host(Host{c1, "2.31"}), "[plugins]\n\n[host]\nabi = { c = \"1.0.0\" }\nglibc = \"2.31\"\n"},
		{"host beside a comment", "[host] # engine\nglibc = '2.17' # old\n", host(Host{c1, "2.31"}), "[host] # engine\nglibc = \"2.31\" # old\nabi = { c = \"1.0.0\" }\n"},
		{"host families", "[host]\nabi = { native = '1.0.0', c = '0.9.0' } # all\n", host(Host{c1, ""}), "[host]\nabi = { c = \"1.0.0\" } # all\n"},
		{"host family added", "[host.abi]\nc = '1.0.0' # c\n", host(Host{map[manifest.Family]string{"c": "1.0.0", "native": "1.3.0"}, ""}), "[host.abi]\nc = \"1.0.0\" # c\nnative = \"1.3.0\"\n"},
		{"host nothing", "[host]\nabi.c = '1.0.0'\nglibc = '2.31'\n# end\n", host(Host{}), "[host]\n# end\n"},
		{"host nothing from nothing", "", host(Host{}), ""},

		{"targets from nothing", "", targets(linux, mac), "[options]\ntargets = [\"x86_64-unknown-linux-gnu\", \"aarch64-apple-darwin\"]\n"},
		{"target added", "options.targets = ['linux/amd64'] # ours\n", targets(linux, mac), "options.targets = ['linux/amd64', \"aarch64-apple-darwin\"] # ours\n"},
		{"target added on its line", "[options]\ntargets = [\n  'linux/amd64', # ours\n  # more?\n]\n", targets(linux, mac), "[options]\ntargets = [\n  'linux/amd64', # ours\n  \"aarch64-apple-darwin\",\n  # more?\n]\n"},
		{"target added on its line after one without comma", "[options]\ntargets = [\n\t'linux/amd64' # ours\n]\n", targets(linux, mac), "[options]\ntargets = [\n\t'linux/amd64', # ours\n\t\"aarch64-apple-darwin\",\n]\n"},
		{"target removed", "[options]\ntargets = ['linux/amd64', 'darwin/arm64']\n", targets(mac), "[options]\ntargets = ['darwin/arm64']\n"},
		{"target removed from its line", "[options]\ntargets = [\n  'linux/amd64', # ours\n  'darwin/arm64', # theirs\n]\n", targets(linux), "[options]\ntargets = [\n  'linux/amd64', # ours\n]\n"},
		{"targets replaced", "[options]\ntargets = ['linux/amd64', 'darwin/arm64']\n", targets(arm), "[options]\ntargets = [\"aarch64-unknown-linux-gnu\"]\n"},
		{"no targets", "[options]\ntargets = ['linux/amd64', 'darwin/arm64']\n", targets(), "[options]\ntargets = []\n"},
		{"no targets, none before", "", targets(), ""},
		{"the same targets", "[options]\ntargets = ['linux/amd64', 'darwin/arm64']\n", targets(mac, linux), "[options]\ntargets = ['linux/amd64', 'darwin/arm64']\n"},
		{"byte order mark", "\xef\xbb\xbf[plugins]\na = '1.0.0'\n", remove("a"), "\xef\xbb\xbf[plugins]\n"},
		{"byte order mark alone", "\xef\xbb\xbf", set("a", "^1", ""), "\xef\xbb\xbf[plugins]\na = \"^1\"\n"},
		{"byte order mark before a dotted key", "\xef\xbb\xbfplugins.a = '1.0.0'\nplugins.b = '1.0.0'\n", remove("a"), "\xef\xbb\xbfplugins.b = '1.0.0'\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := strings.Clone(c.text)
			text := []byte(c.text)
			got, err := c.edit(text)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, string(got)); d != "" {
				t.Error(d)
			}
			if string(text) != before {
				t.Error("the given text was changed")
			}
			again, err := c.edit(got)
			if err != nil || !bytes.Equal(again, got) {
				t.Errorf("a second time it changes again: %q %v", again, err)
			}
		})
	}
}

func TestEditErrors(t *testing.T) {
	syntax, size, edit := &SyntaxError{}, &SizeError{}, &EditError{}
	if _, err := SetPlugin([]byte("[plugins\n"), ProjectPlugin{Name: "a", Version: "1"}); !errors.As(err, &syntax) {
		t.Error(err)
	}
	if _, err := RemovePlugin(make([]byte, MaxProject+1), "a"); !errors.As(err, &size) {
		t.Error(err)
	}
	for name, p := range map[string]ProjectPlugin{
		"name": {Name: "A", Version: "1"}, "no version": {Name: "a"}, "control characters": {Name: "a", Version: "1\x1b"}, "a line": {Name: "a", Version: "^1", Registry: "a\nb"},
		"not UTF-8": {Name: "a", Version: "\xff"},
	} {
		if _, err := SetPlugin(nil, p); !errors.As(err, &edit) || edit.Hint() == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := SetHost(nil, Host{ABI: map[manifest.Family]string{"rust": "1.0.0"}}); !errors.As(err, &edit) {
		t.Error(err)
	}
	if _, err := SetTargets(nil, []manifest.Target{"amiga"}); err == nil {
		t.Error("an unknown target was written")
	}
	if _, err := SetTargets(nil, []manifest.Target{linux, linux}); err == nil {
		t.Error("a target was written twice")
	}
	if _, err := SetTargets([]byte("options.targets = ['linux/amd64']"), []manifest.Target{linux, linux}); !errors.As(err, &edit) {
		t.Error("the result is not what was asked for, and nobody said so:", err)
	}
}

var (
	genName    = rapid.SampledFrom([]string{"a", "b", "echo-proto", "kafka"})
	genPlugins = rapid.Custom(func(t *rapid.T) ProjectPlugin {
		return ProjectPlugin{
			Name:     genName.Draw(t, "name"),
			Version:  rapid.SampledFrom([]string{"^1", "1.0.0", ">=1, <3 || \"4\\", "*"}).Draw(t, "version"),
			Registry: rapid.SampledFrom([]string{"", "", "local/plugins", "registry.example:5000/a/b"}).Draw(t, "registry"),
		}
	})
	genHost = rapid.Custom(func(t *rapid.T) Host {
		return Host{
			ABI:   rapid.MapOf(rapid.SampledFrom(manifest.Families()), rapid.SampledFrom([]string{"1.0.0", "0.1.0", "2.3.4-rc.1"})).Draw(t, "abi"),
			Glibc: rapid.SampledFrom([]string{"", "2.31", "2.17"}).Draw(t, "glibc"),
		}
	})
	genTargets = rapid.SliceOfNDistinct(rapid.SampledFrom(manifest.Targets()), 0, 4, rapid.ID)
)

// step is one edit and what it is to do to the meaning.
func step(t *rapid.T, text []byte, p *Project) ([]byte, error) {
	switch rapid.IntRange(0, 3).Draw(t, "edit") {
	case 0:
		q := genPlugins.Draw(t, "plugin")
		p.Plugins = slices.DeleteFunc(p.Plugins, func(r ProjectPlugin) bool { return r.Name == q.Name })
		p.Plugins = append(p.Plugins, q)
		return SetPlugin(text, q)
	case 1:
		name := genName.Draw(t, "remove")
		p.Plugins = slices.DeleteFunc(p.Plugins, func(r ProjectPlugin) bool { return r.Name == name })
		return RemovePlugin(text, name)
	case 2:
		p.Host = genHost.Draw(t, "host")
		return SetHost(text, p.Host)
	}
	p.Targets = genTargets.Draw(t, "targets")
	return SetTargets(text, p.Targets)
}

// TestEditsInEveryForm: a row of edits, started from any way to write a file, means what a row of assignments means.
func TestEditsInEveryForm(t *testing.T) {
	names := slices.Sorted(maps.Keys(forms))
	rapid.Check(t, func(t *rapid.T) {
		text := []byte(forms[rapid.SampledFrom(names).Draw(t, "form")])
		want, _ := ParseProject(ProjectName, text)
		windows := bytes.Contains(text, []byte("\r\n"))
		for range rapid.IntRange(1, 6).Draw(t, "edits") {
			before := text
			var err error
			if text, err = step(t, text, want); err != nil {
				t.Fatalf("%v\n%s", err, before)
			}
			got, err := ParseProject(ProjectName, text)
			if err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			sort := cmpopts.SortSlices(func(a, b ProjectPlugin) bool { return a.Name < b.Name })
			sortTargets := cmpopts.SortSlices(func(a, b manifest.Target) bool { return a < b })
			if d := cmp.Diff(want, got, noPlaces, sort, sortTargets, cmpopts.EquateEmpty()); d != "" {
				t.Fatalf("%s\nbefore:\n%s\nafter:\n%s", d, before, text)
			}
			if bytes.Count(text, []byte("\n")) != bytes.Count(text, []byte("\r\n")) && windows {
				t.Fatalf("line ends are mixed:\n%q", text)
			}
		}
	})
}

// TestEditsKeepOtherLines: every line that does not speak of what is edited is still there, in the same order.
func TestEditsKeepOtherLines(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := strings.ReplaceAll(fullProject, "kafka", "kafka-client")
		q := genPlugins.Draw(t, "plugin")
		got, err := SetPlugin([]byte(text), q)
		if err != nil {
			t.Fatal(err)
		}
		if q.Name == "kafka" && rapid.Bool().Draw(t, "remove again") {
			if got, err = RemovePlugin(got, "kafka"); err != nil || string(got) != text {
				t.Fatalf("adding and removing left a trace: %v\n%s", err, got)
			}
		}
		rest := string(got)
		for _, line := range strings.SplitAfter(text, "\n") {
			if strings.HasPrefix(line, q.Name+" ") {
				continue
			}
			_, after, found := strings.Cut(rest, line)
			if !found {
				t.Fatalf("lost or moved %q in\n%s", line, got)
			}
			rest = after
		}
	})
}

func FuzzProject(f *testing.F) {
	for _, text := range forms {
		f.Add([]byte(text), "echo-proto", "^1", "")
		f.Add([]byte(text), "a", "1.0.0", "x/y")
	}
	f.Add([]byte("[plugins]\na = { version = '1', url = 'file:x.zip', sha256 = ['"+hexA+"'] }\n"), "a", "1", "x/y")
	f.Add([]byte("[[plugins]]\n"), "a", "1", "")
	f.Add([]byte("plugins = {\n a = '1' # x\n , b = '2'}"), "b", "1", "x/y")
	f.Add([]byte("plugins={\na = '1' # x\n , b = '2'}"), "a", "1", "x/y")
	f.Fuzz(func(t *testing.T, text []byte, name, version, registry string) {
		before, err := ParseProject(ProjectName, text)
		if err != nil {
			syntax, size := (*SyntaxError)(nil), (*SizeError)(nil)
			if errors.As(err, &syntax) && (syntax.Line < 1 || syntax.Column < 1 || strings.ContainsAny(err.Error(), "\x1b\x00")) || syntax == nil && !errors.As(err, &size) {
				t.Fatalf("%#v", err)
			}
			return
		}
		q := ProjectPlugin{Name: name, Version: version, Registry: registry}
		set, err := SetPlugin(text, q)
		var edit *EditError
		if errors.As(err, &edit) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		after, err := ParseProject(ProjectName, set)
		if err != nil {
			t.Fatalf("%v\n%s", err, set)
		}
		if got, _ := after.Plugin(name); got.Version != version || got.Registry != registry {
			t.Fatalf("%+v\n%s", got, set)
		}
		removed, err := RemovePlugin(set, name)
		if errors.As(err, &edit) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range before.Plugins {
			if got, ok := after.Plugin(p.Name); p.Name != name && (!ok || got.Version != p.Version || got.Registry != p.Registry) {
				t.Fatalf("%+v became %+v\n%s", p, got, set)
			}
		}
		last, err := ParseProject(ProjectName, removed)
		if err != nil {
			t.Fatal(err)
		}
		if _, still := last.Plugin(name); still || len(last.Plugins) < len(before.Plugins)-1 {
			t.Fatalf("%+v\n%s", last.Plugins, removed)
		}
	})
}
