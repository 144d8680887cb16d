package lockfile

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/loadr-plugins/loadr/manifest"
)

const (
	linux = manifest.Target("x86_64-unknown-linux-gnu")
	arm   = manifest.Target("aarch64-unknown-linux-gnu")
	mac   = manifest.Target("aarch64-apple-darwin")
)

var noPlaces = cmpopts.IgnoreFields(ProjectPlugin{}, "At")

func parse(t testing.TB, text string) *Project {
	t.Helper()
	p, err := ParseProject(ProjectName, []byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return p
}

const fullProject = `# What we test with
[plugins]
echo-proto = "^0.1"          # the echo
kafka = { version = "~2.1", registry = "registry.example/perf" }

[host]                     # the engine that will run them
abi = { native = "1.0.0", c = "1.0.0", component = "0.1.0" }
glibc = "2.31"             # the oldest in use

[options]
targets = ["x86_64-unknown-linux-gnu", "darwin/arm64"]
`

var fullMeaning = Project{
	File:    ProjectName,
	Plugins: []ProjectPlugin{{Name: "echo-proto", Version: "^0.1"}, {Name: "kafka", Version: "~2.1", Registry: "registry.example/perf"}},
	Host:    Host{ABI: map[manifest.Family]string{"native": "1.0.0", "c": "1.0.0", "component": "0.1.0"}, Glibc: "2.31"},
	Targets: []manifest.Target{linux, mac},
}

// forms are ways to write the same project.
var forms = map[string]string{
	"as documented": fullProject,
	"tables": `
[plugins.kafka]
version = "~2.1"
registry = "registry.example/perf"
[plugins.echo-proto]
version = "^0.1"
[host.abi]
native = "1.0.0"
c = "1.0.0"
component = "0.1.0"
[host]
glibc = "2.31"
[options]
targets = [
  "linux/amd64", # ours
  "aarch64-apple-darwin",
]
`,
	"dotted": `
plugins.echo-proto = "^0.1"
plugins.kafka.registry = "registry.example/perf"
plugins.kafka.version = "~2.1"
host.abi.native = "1.0.0"
host.abi.c = "1.0.0"
host.abi.component = "0.1.0"
host.glibc = "2.31"
options.targets = ["x86_64-unknown-linux-gnu", "aarch64-apple-darwin"]
`,
	"dotted in tables": `
[plugins]
echo-proto.version = "^0.1"
kafka.version = "~2.1"
kafka.registry = "registry.example/perf"
[host]
abi.native = "1.0.0"
abi.c = "1.0.0"
abi.component = "0.1.0"
glibc = "2.31"
[options]
targets = [ "x86_64-unknown-linux-gnu" , "aarch64-apple-darwin" , ]
`,
	"inline": `plugins = { echo-proto = "^0.1", kafka = { version = "~2.1", registry = "registry.example/perf" } }
host = { abi = { native = "1.0.0", c = "1.0.0", component = "0.1.0" }, glibc = "2.31" }
options = { targets = ["x86_64-unknown-linux-gnu", "aarch64-apple-darwin"] }`,
	"inline on lines": `plugins = {
  echo-proto = "^0.1", # the echo
  kafka = {
    version = "~2.1",
    registry = "registry.example/perf", # ours
  },
}
host = { abi.native = "1.0.0", abi.c = "1.0.0", abi.component = "0.1.0", glibc = "2.31" }
options.targets = [
  "x86_64-unknown-linux-gnu",
  "aarch64-apple-darwin"
]
`,
	"quoted": `["plugins"]
'echo-proto' = '^0.1'
"kafka" = { "version" = """~2.1""", 'registry' = "registry.example/perf" }
["host" . 'abi']
"native" = "1.0.0"
'c' = '1.0.0'
component = "0.1.0"
[ host ]
"glibc" = "2.31"
[ options ]
"targets" = ["x86_64-unknown-linux-gnu", 'aarch64-apple-darwin']
`,
	"byte order mark": "\xef\xbb\xbf" + fullProject,
	"windows":         strings.ReplaceAll(fullProject, "\n", "\r\n"),
	"no line end":     strings.TrimSuffix(fullProject, "\n"),
}

func TestParseProjectForms(t *testing.T) {
	for name, text := range forms {
		if d := cmp.Diff(&fullMeaning, parse(t, text), noPlaces); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	for _, empty := range []string{"", "\n", "# nothing", "[plugins]\n[host]\n[options]\n", "plugins = {}\nhost = { abi = {} }\noptions = { targets = [] }", "\xef\xbb\xbf"} {
		if p := parse(t, empty); len(p.Plugins)+len(p.Targets) != 0 || !p.Host.IsZero() {
			t.Errorf("%q: %+v", empty, p)
		}
	}
}

func TestProjectPlaces(t *testing.T) {
	p := parse(t, "\xef\xbb\xbf[plugins]\n  a = \"^1\"\r\n[plugins.b]\nregistry='x/y'\nversion = '1.0.0'")
	if p.Plugins[0].At != (Position{2, 7}) || p.Plugins[1].At != (Position{5, 11}) {
		t.Errorf("%+v", p.Plugins)
	}
	err := p.ErrorAt(p.Plugins[1], hinted{errors.New("bad range")})
	if err.Error() != "loadr.toml:5:11: plugins.b: bad range" || err.(*SyntaxError).Hint() != "write another" {
		t.Error(err)
	}
	if q, ok := p.Plugin("b"); !ok || q.Registry != "x/y" {
		t.Error(q, ok)
	}
	if _, ok := p.Plugin("c"); ok {
		t.Error("found what is not there")
	}
}

type hinted struct{ error }

func (hinted) Hint() string { return "write another" }

func TestParseProjectErrors(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"[plugins]\necho-proto \"^1\"", "loadr.toml:2:12: expected '=' after key"},
		{"[plugins", "loadr.toml:1:8: "},
		{"[plugins]\na = \"^1\"\na = \"^2\"", "loadr.toml:3:1: "},
		{"[plugins]\na = 1", `loadr.toml:2:5: plugins.a: expected a range of versions, such as "^1.2", found "1"`},
		{"[plugins]\na = ''", `plugins.a: expected a range of versions`},
		{"[plugins]\na = \"\\u001b[2J\"", `loadr.toml:2:5: plugins.a: expected a range of versions`},
		{"[plugins]\na = [\"^1\"]", "plugins.a: expected a range of versions"},
		{"[plugins]\n\"é\" = '1'\n", `loadr.toml:2:1: plugins: name: expected lower-case letters`},
		{"[plugins]\nA = '1'", `loadr.toml:2:1: plugins: name: expected lower-case`},
		{"[plugins]\n\"../x\" = '1'", "plugins: name: expected"},
		{"[plugins]\ncon = '1'", "Windows device"},
		{"[plugins.a]\nregistry = 'x/y'", `loadr.toml:1:1: plugins.a: expected a version, found none`},
		{"[plugins.a]", `loadr.toml:1:1: plugins.a: expected a version, found none`},
		{"[plugins]\na = {}", `loadr.toml:2:1: plugins.a: expected a version, found none`},
		{"[plugins]\na = { version = '1', registry = 2 }", `loadr.toml:2:33: plugins.a.registry: expected a registry and namespace`},
		{"[plugins]\na = { version = '1', source = 'x' }", `loadr.toml:2:22: unknown key "plugins.a.source", expected one of version, registry`},
		{"[plugins.a.b]\nversion = '1'", `loadr.toml:1:1: unknown key "plugins.a.b"`},
		{"[[plugins]]\n", "loadr.toml:1:1: plugins: expected a table in single brackets"},
		{"plugins = 'a'", "loadr.toml:1:11: plugins: expected a table, found"},
		{"[plugin]\na = '1'", `loadr.toml:1:1: unknown key "plugin", expected one of plugins, host, options`},
		{"a = 1", `loadr.toml:1:1: unknown key "a"`},
		{"[host]\nglibc = 2.31", `loadr.toml:2:9: host.glibc: expected a version of glibc, such as "2.31", found "2.31"`},
		{"[host]\nglibc = 'new'", "host.glibc: expected"},
		{"[host]\nglibc = ''", "host.glibc: expected"},
		{"[host]\nabi = '1'", "host.abi: expected a table"},
		{"[host]\nabi.c = '1'", "host.abi.c: expected a version of the host's interface"},
		{"[host]\nabi.c = 1", "host.abi.c: expected a version of the host's interface"},
		{"[host]\nabi.rust = '1.0.0'", `loadr.toml:2:1: unknown key "host.abi.rust", expected one of c, component, native`},
		{"[host.abi.c]\n", `unknown key "host.abi.c"`},
		{"[host]\nmusl = '1'", `unknown key "host.musl", expected one of abi, glibc`},
		{"[options]\ntarget = []", `unknown key "options.target", expected one of targets`},
		{"[options]\ntargets = 'x'", "options.targets: expected an array of targets"},
		{"[options]\ntargets = ['linux/amd64', 3]", "options.targets: expected an array of targets"},
		{"[options]\ntargets = [\n 'linux/amd64',\n 'amiga']", "loadr.toml:4:2: options.targets: unknown target"},
		{"[options]\ntargets = ['linux/amd64', 'x86_64-unknown-linux-gnu']", "loadr.toml:2:27: options.targets: expected each target once"},
		{"[host]\nglibc = '2.31'\n[host]\n", "loadr.toml:3:"},
		{"x = 2026-13-45", "loadr.toml:1:"},
		{strings.Repeat("a.", 100) + "a = 1", "at most 16 parts in a key"},
		{"[" + strings.Repeat("a.", 100) + "a]", "at most 16 parts in a key"},
		{"a = " + strings.Repeat("{ b = ", 50) + "1" + strings.Repeat("}", 50), "at most 16 parts in a key, found 17"},
		{"a = " + strings.Repeat("[", 20000), "nested more than"},
		{"\xff", "loadr.toml:1:1: "},
		{"a = '\x00'", "loadr.toml:1:6: "},
		{"\xef\xbb\xbfa = ", "loadr.toml:1:4: "},
	} {
		_, err := ParseProject(ProjectName, []byte(c.text))
		var syntax *SyntaxError
		if !errors.As(err, &syntax) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60q: %v\nwant %s", c.text, err, c.want)
			continue
		}
		if strings.ContainsAny(err.Error(), "\x1b\x00\n") || len(err.Error()) > 600 {
			t.Errorf("%.60q: message %q", c.text, err)
		}
	}
	var size *SizeError
	if _, err := ParseProject("p", make([]byte, MaxProject+1)); !errors.As(err, &size) || err.Error() != fmt.Sprintf("p: expected at most %d bytes, found %d", MaxProject, MaxProject+1) {
		t.Error(err)
	}
}
