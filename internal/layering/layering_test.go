// Package layering holds the direction of imports. The rules are few and each has its reason; a new edge is a decision
// that belongs in the table below, not an accident.
package layering

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/loadr-plugins/loadr/"

// allowed lists, for each package, the packages of this module that it may import. Leaves know manifest and fsx only,
// so that each can be understood, tested and replaced alone; what ties them together is internal/install and
// internal/publish; what faces people is internal/cli.
var allowed = map[string][]string{
	"manifest":              {},
	"resolve":               {"manifest", "resolve/pubgrub"},
	"resolve/pubgrub":       {},
	"lockfile":              {"manifest"},
	"cache":                 {"internal/fsx"},
	"registry":              {"manifest", "internal/fsx", "registry/catalogue", "registry/directory"},
	"registry/catalogue":    {"manifest"},
	"registry/bundle":       {"internal/fsx", "manifest", "registry", "registry/directory"},
	"registry/directory":    {"manifest", "internal/fsx"},
	"registry/server":       {"internal/fsx", "registry/directory"},
	"registry/program":      {"internal/buildinfo", "registry", "registry/directory"},
	"loader":                {"manifest", "internal/buildinfo", "loader/abistable", "loader/binfile", "loader/layout", "loader/plugin", "loader/worker"},
	"loader/abistable":      {"manifest", "loader/binfile", "loader/layout"},
	"loader/layout":         {"manifest"},
	"loader/binfile":        {"manifest"},
	"loader/plugin":         {"manifest"},
	"loader/worker":         {"manifest", "loader/plugin"},
	"loader/native":         {"manifest", "loader/abistable", "loader/binfile", "loader/layout", "loader/plugin"},
	"sdk/c":                 {},
	"sdk/go":                {},
	"sdk/go/loadrplugin":    {}, // copied into authors' folders
	"sdk/rust":              {},
	"internal/airgap":       {"cache", "internal/fsx", "internal/obtain", "lockfile", "manifest", "registry", "registry/bundle"},
	"internal/archive":      {},
	"internal/buildinfo":    {},
	"internal/download":     {},
	"internal/github":       {"internal/archive", "lockfile", "manifest"},
	"internal/legacyindex":  {"lockfile", "manifest"},
	"internal/obtain":       {"cache", "internal/download", "internal/fsx", "internal/unpack", "lockfile"},
	"internal/unpack":       {"internal/archive", "internal/folder", "loader", "manifest"},
	"internal/config":       {},
	"internal/folder":       {"manifest"},
	"internal/fsx":          {},
	"internal/oracle":       {"internal/testplugin", "manifest"},
	"internal/plan":         {"manifest"},
	"internal/plugindir":    {"manifest", "internal/fsx"},
	"internal/republish":    {"internal/folder", "internal/fsx", "internal/legacyindex", "internal/obtain", "internal/publish", "internal/unpack", "manifest", "registry", "resolve"},
	"internal/run":          {"internal/folder", "internal/install", "loader", "manifest"},
	"internal/scaffold":     {"manifest", "sdk/c", "sdk/go", "sdk/rust"},
	"internal/install":      {"internal/archive", "internal/download", "internal/folder", "internal/github", "internal/legacyindex", "internal/obtain", "internal/unpack", "cache", "internal/fsx", "internal/plugindir", "loader", "lockfile", "manifest", "registry", "resolve"},
	"internal/publish":      {"internal/folder", "loader", "loader/plugin", "manifest", "registry", "resolve"},
	"internal/search":       {"internal/fsx", "internal/legacyindex", "registry", "registry/catalogue", "resolve"},
	"internal/info":         {"internal/folder", "internal/archive", "internal/install", "loader", "loader/abistable", "loader/layout", "manifest", "registry"},
	"internal/cli":          nil, // the edge of the program: anything but what purego and the tests bring
	"cmd/loadr":             {"internal/cli"},
	"cmd/loadr-registry":    {"internal/buildinfo", "registry/directory", "registry/program", "registry/server"},
	"cmd/loadr-worker":      {"loader", "loader/native", "loader/plugin", "loader/worker"},
	"docs":                  {},
	"examples/go-echo":      {"sdk/go/loadrplugin"},
	"examples/go-host":      {"loader", "loader/native", "loader/plugin", "manifest"},
	"internal/testplugin":   {"manifest"},
	"internal/testregistry": {"manifest", "registry", "registry/server"},

	"loader/plugin/plugintest": {"loader/plugin"},

	"internal/bench":          {"internal/bench/peer", "loader", "loader/native", "loader/plugin"},
	"internal/bench/cgohost":  {"internal/bench/peer"},
	"internal/bench/network":  {"registry/directory"},
	"internal/bench/peer":     {},
	"internal/platforms":      {"loader/plugin"},
	"internal/platforms/host": {"internal/platforms", "loader", "loader/native", "loader/plugin", "manifest"},
}

// doors names the one package that may import each heavy dependency, so that replacing it is a change in one place.
var doors = map[string]string{
	"oras.land/oras-go/":             "registry",
	"github.com/olareg/olareg":       "registry/server",
	"github.com/ebitengine/purego":   "loader/native",
	"github.com/spf13/cobra":         "internal/cli",
	"github.com/vbauerster/mpb":      "internal/cli",
	"github.com/pelletier/go-toml/":  "manifest lockfile internal/config",
	"github.com/gofrs/flock":         "internal/fsx",
	"go.yaml.in/yaml/":               "internal/plan",
	"github.com/klauspost/compress/": "registry",
	"github.com/Masterminds/semver/": "manifest resolve lockfile registry registry/catalogue registry/directory internal/publish",
}

// forbidden packages must not be linked into a program, however indirectly.
var forbidden = map[string][]string{
	// The package manager must not be able to open a library, and must run on a machine without a C library. It starts
	// many times a day, and olareg alone would cost it some 60 ms each time.
	"cmd/loadr": {"github.com/ebitengine/purego", module + "loader/native", "github.com/olareg/olareg"},
	"loader":    {"github.com/ebitengine/purego"},
	// The worker runs foreign code; it has no business with registries or their credentials.
	"cmd/loadr-worker": {"oras.land/oras-go/", "github.com/olareg/olareg", "net/http"},
}

type pkg struct {
	ImportPath    string
	Imports, Deps []string
}

func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,Deps", "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var list []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		p.ImportPath = strings.TrimPrefix(p.ImportPath, module)
		list = append(list, p)
	}
}

func TestImportsPointDownwards(t *testing.T) {
	for _, p := range packages(t) {
		if p.ImportPath == "internal/layering" {
			continue
		}
		may, known := allowed[p.ImportPath]
		if !known {
			t.Errorf("package %s is not in the table: decide what it may import", p.ImportPath)
		}
		for _, imported := range p.Imports {
			own, inside := strings.CutPrefix(imported, module)
			if inside && may != nil && !slices.Contains(may, own) {
				t.Errorf("%s imports %s, which the table does not allow", p.ImportPath, own)
			}
		}
	}
}

func TestHeavyDependenciesHaveOneDoor(t *testing.T) {
	for _, p := range packages(t) {
		for _, imported := range p.Imports {
			for dependency, door := range doors {
				if strings.HasPrefix(imported, dependency) && !slices.Contains(strings.Fields(door), p.ImportPath) && !isTestAid(p.ImportPath) {
					t.Errorf("%s imports %s; only %s may", p.ImportPath, imported, door)
				}
			}
		}
	}
}

func isTestAid(path string) bool { return strings.HasPrefix(path, "internal/test") }

func TestProgramsDoNotLinkWhatTheyMustNot(t *testing.T) {
	for _, p := range packages(t) {
		for _, bad := range forbidden[p.ImportPath] {
			for _, dep := range p.Deps {
				if strings.HasPrefix(dep, bad) {
					t.Errorf("%s links %s", p.ImportPath, dep)
				}
			}
		}
	}
}
