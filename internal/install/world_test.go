package install_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/loadr-plugins/loadr/cache"
	"github.com/loadr-plugins/loadr/internal/install"
	"github.com/loadr-plugins/loadr/internal/publish"
	"github.com/loadr-plugins/loadr/internal/testplugin"
	"github.com/loadr-plugins/loadr/internal/testregistry"
	"github.com/loadr-plugins/loadr/lockfile"
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
	if code, ok := asChild(); ok {
		os.RemoveAll(dir)
		os.Exit(code)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// spec is a plugin to publish: the echo plugin under another name. The zero value of what is left out is filled in.
type spec struct {
	name, version string // version: 1.0.0
	targets       []manifest.Target
	requires      string            // range of host versions
	plugins       map[string]string // required plugins and their ranges
	extra         string            // makes the library another one
	rust          bool              // an abi_stable library in place of a C one
}

func (s spec) filled() spec {
	if s.version == "" {
		s.version = "1.0.0"
	}
	if len(s.targets) == 0 {
		s.targets = []manifest.Target{linux}
	}
	return s
}

// folder writes the plugin's sources and libraries.
func (s spec) folder(t testing.TB) string {
	t.Helper()
	s, dir := s.filled(), t.TempDir()
	text := fmt.Sprintf("[plugin]\nname = %q\nversion = %q\nkind = \"protocol\"\ntype = \"native\"\n", s.name, s.version)
	text += "entry = \"libecho.so\"\nschemes = [\"echo\"]\ndescription = \"A test's plugin\"\nlicense = \"Apache-2.0\"\n"
	if s.requires != "" {
		text += fmt.Sprintf("[requires]\nabi = %q\n", s.requires)
	}
	if len(s.plugins) > 0 {
		text += "[requires.plugins]\n"
		for name, rng := range s.plugins {
			text += fmt.Sprintf("%s = %q\n", name, rng)
		}
	}
	text += "[build.targets]\n"
	for _, target := range s.targets {
		file := filepath.Join(string(target), testplugin.FileName(target, "echo"))
		write(t, filepath.Join(dir, file), s.library(t, target))
		text += fmt.Sprintf("%q = %q\n", string(target), filepath.ToSlash(file))
	}
	write(t, filepath.Join(dir, "plugin.toml"), text)
	return dir
}

// library is a real one. What follows an image's end is nothing to whoever loads it, and makes each plugin's differ.
func (s spec) library(t testing.TB, target manifest.Target) string {
	t.Helper()
	s = s.filled()
	path := ""
	if s.rust {
		path = testplugin.Rust(t, target, "examples/echo-proto", testplugin.RustOptions{})
	} else {
		path = testplugin.Echo(t, target)
	}
	return readText(t, path) + fmt.Sprintf("\n%s %s %s\n", s.name, s.version, s.extra)
}

// publishTo publishes plugins to source, a registry/namespace.
func publishTo(t testing.TB, client *registry.Client, source string, specs ...spec) {
	t.Helper()
	for _, s := range specs {
		_, err := publish.Publish(context.Background(), client, publish.Options{Sources: []string{s.folder(t)}, Source: source})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// machine is what most tests run on, whatever they run on.
func machine() install.Machine {
	return install.Machine{
		Target: linux, Libc: manifest.Libc{Name: manifest.Glibc, Version: "2.99"},
		ABI: map[manifest.Family]string{manifest.FamilyC: "1.0.0", manifest.FamilyNative: "1.0.0"},
	}
}

// project is a folder with a loadr.toml, on a machine of its own.
type project struct {
	t          testing.TB
	dir        string
	plugins    string // empty: the project's own
	cache      string
	client     *registry.Client
	namespaces []string
	machine    install.Machine
	events     *install.Events
}

// newProject is empty, and looks plugins up in namespaces.
func newProject(t testing.TB, client *registry.Client, namespaces ...string) *project {
	t.Helper()
	p := &project{t: t, dir: t.TempDir(), cache: t.TempDir(), client: client, namespaces: namespaces, machine: machine()}
	p.write("loadr.toml", "")
	return p
}

// local is a new project and a directory registry, which it uses.
func local(t testing.TB, specs ...spec) *project {
	t.Helper()
	client := newClient(t, registry.Options{Dir: t.TempDir()})
	publishTo(t, client, "local/plugins", specs...)
	return newProject(t, client, "local/plugins")
}

// remote is a new project and a registry that counts, of which it uses namespace "team".
func remote(t testing.TB, specs ...spec) (*project, *testregistry.Registry) {
	t.Helper()
	server := testregistry.New(t)
	client := newClient(t, registry.Options{})
	publishTo(t, client, server.Host()+"/team", specs...)
	server.Take()
	return newProject(t, newClient(t, registry.Options{}), server.Host()+"/team"), server
}

func newClient(t testing.TB, o registry.Options) *registry.Client {
	o.Writer = testregistry.Writer
	c := registry.New(o)
	t.Cleanup(func() { c.Close() })
	return c
}

// on gives the same project as checked out on another machine: its files without what was installed, and an empty cache.
func (p *project) on(m install.Machine) *project {
	p.t.Helper()
	other := *p
	other.dir, other.cache, other.machine = p.t.TempDir(), p.t.TempDir(), m
	for _, name := range []string{lockfile.ProjectName, lockfile.LockName} {
		if text, err := os.ReadFile(filepath.Join(p.dir, name)); err == nil {
			other.write(name, string(text))
		}
	}
	return &other
}

func (p *project) workspace() *install.Workspace {
	ws, err := install.FindWorkspace(p.dir, p.plugins, false)
	if err != nil {
		p.t.Fatal(err)
	}
	return ws
}

func (p *project) installer() *install.Installer {
	return &install.Installer{
		Workspace: p.workspace(), Source: p.client, Cache: cache.Open(p.cache), Namespaces: p.namespaces,
		Machine: p.machine, Events: p.events,
	}
}

func (p *project) try(o install.Options) (*install.Report, error) {
	return p.installer().Install(context.Background(), o)
}

func (p *project) run(o install.Options) *install.Report {
	p.t.Helper()
	report, err := p.try(o)
	if err != nil {
		p.t.Fatal(err)
	}
	return report
}

func (p *project) install(refs ...string) *install.Report {
	p.t.Helper()
	return p.run(install.Options{Want: references(p.t, refs...)})
}

func (p *project) lock() *install.Report {
	p.t.Helper()
	report, err := p.installer().Lock(context.Background(), install.Options{})
	if err != nil {
		p.t.Fatal(err)
	}
	return report
}

func references(t testing.TB, words ...string) (refs []registry.Reference) {
	t.Helper()
	for _, word := range words {
		ref, err := registry.ParseReference(word)
		if err != nil {
			t.Fatal(err)
		}
		refs = append(refs, ref)
	}
	return refs
}

// versions are what is installed, by what lies in the folders.
func (p *project) versions() map[string]string {
	p.t.Helper()
	entries, err := install.List(p.workspace())
	if err != nil {
		p.t.Fatal(err)
	}
	out := map[string]string{}
	for _, e := range entries {
		out[e.Name] = e.Version
		if e.Problem != "" {
			out[e.Name] = e.Problem
		}
	}
	return out
}

// locked are the versions in the lock; none where there is no lock.
func (p *project) locked() map[string]string {
	out := map[string]string{}
	if _, err := os.Stat(filepath.Join(p.dir, lockfile.LockName)); errors.Is(err, fs.ErrNotExist) {
		return out
	}
	for _, l := range p.readLock().Plugins {
		out[l.Name] = l.Version
	}
	return out
}

func (p *project) readLock() *lockfile.Lock {
	p.t.Helper()
	lock, err := lockfile.ParseLock(lockfile.LockName, []byte(p.read(lockfile.LockName)))
	if err != nil {
		p.t.Fatal(err)
	}
	return lock
}

func (p *project) write(name, text string) { write(p.t, filepath.Join(p.dir, name), text) }

func (p *project) read(name string) string {
	p.t.Helper()
	return readText(p.t, filepath.Join(p.dir, name))
}

// edit replaces text in one of the project's files.
func (p *project) edit(name, from, to string) {
	p.t.Helper()
	text := p.read(name)
	if !strings.Contains(text, from) {
		p.t.Fatalf("%s does not contain %q:\n%s", name, from, text)
	}
	p.write(name, strings.Replace(text, from, to, 1))
}

// snapshot is every file of the project and of its plugins directory but the writer's lock and .gitignore.
func (p *project) snapshot() map[string]string {
	p.t.Helper()
	out := map[string]string{}
	for _, root := range []string{p.dir, p.plugins} {
		if root == "" {
			continue
		}
		err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() || e.Name() == "lock" || e.Name() == ".gitignore" {
				return err
			}
			out[path] = readText(p.t, path)
			return nil
		})
		if err != nil {
			p.t.Fatal(err)
		}
	}
	return out
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

func readText(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func mapABI(version string) map[manifest.Family]string {
	return map[manifest.Family]string{manifest.FamilyC: version}
}
