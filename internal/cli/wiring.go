package cli

import (
	"cmp"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/loadr-plugins/loadr/cache"
	"github.com/loadr-plugins/loadr/internal/buildinfo"
	"github.com/loadr-plugins/loadr/internal/config"
	"github.com/loadr-plugins/loadr/internal/download"
	"github.com/loadr-plugins/loadr/internal/install"
	"github.com/loadr-plugins/loadr/internal/plugindir"
	"github.com/loadr-plugins/loadr/loader"
	"github.com/loadr-plugins/loadr/lockfile"
	"github.com/loadr-plugins/loadr/manifest"
	"github.com/loadr-plugins/loadr/registry"
	"github.com/loadr-plugins/loadr/registry/program"
	"github.com/loadr-plugins/loadr/resolve"
)

// hostABI is what the loader of this program can host, and what a project without [host] starts from.
var hostABI = map[manifest.Family]string{
	manifest.FamilyC:         "1.0.0",
	manifest.FamilyComponent: "0.1.0",
	manifest.FamilyNative:    "1.0.0",
}

func (a *app) workspace() (*install.Workspace, error) {
	dir := a.pluginsDir
	if dir == "" {
		dir = os.Getenv("LOADR_PLUGINS_DIR")
	}
	return install.FindWorkspace(".", dir, a.global)
}

// client opens the registries of the user's configuration. The caller closes it.
func (a *app) client() (*registry.Client, *config.Config, error) {
	c, err := config.Load(os.Getenv)
	if err != nil {
		return nil, nil, err
	}
	for _, namespace := range c.Namespaces {
		if err := checkNamespace(namespace); err != nil {
			return nil, nil, &config.Error{File: "namespaces (LOADR_REGISTRY or config.toml)", Detail: err.Error()}
		}
	}
	mirrors, err := mirrorsOf(c)
	if err != nil {
		return nil, nil, err
	}
	return registry.New(registry.Options{
		Mirrors:   mirrors,
		Events:    a.network(),
		Dir:       c.RegistryDir,
		PlainHTTP: c.PlainHTTP,
		UserAgent: "loadr/" + buildinfo.Version,
		Writer:    program.Writer,
	}), c, nil
}

// checkNamespace accepts what a short name can be looked up in.
func checkNamespace(s string) error {
	if lockfile.IsIndex(s) {
		_, err := lockfile.ParseFileSource(s)
		return err
	}
	_, _, err := registry.ParseNamespace(s)
	return err
}

// files is the way to plugins that are plain files. The caller closes the client.
func files() (*download.Client, install.Files) {
	client := download.New(download.Options{UserAgent: "loadr/" + buildinfo.Version})
	return client, install.Files{Client: client, GitHub: cmp.Or(os.Getenv("LOADR_GITHUB_API"), "https://api.github.com")}
}

// installer puts together what the main job needs. closeAll ends the progress bars and the connections; it may be
// called twice.
func (a *app) installer() (in *install.Installer, closeAll func(), err error) {
	ws, err := a.workspace()
	if err != nil {
		return nil, nil, err
	}
	client, c, err := a.client()
	if err != nil {
		return nil, nil, err
	}
	bars := &progress{app: a}
	target, _ := loader.HostTarget()
	plain, files := files()
	in = &install.Installer{
		Workspace:   ws,
		Source:      client,
		Files:       files,
		Cache:       cache.Open(c.CacheDir),
		Namespaces:  c.Namespaces,
		Machine:     install.Machine{Target: target, Libc: loader.HostLibc(), ABI: hostABI},
		Concurrency: c.Concurrency,
		Events:      a.events(bars),
	}
	return in, sync.OnceFunc(func() {
		bars.close()
		_ = client.Close()
		plain.Close()
	}), nil
}

func (a *app) events(bars *progress) *install.Events {
	return &install.Events{
		Waiting:   func(holder string) { a.note("waiting for %s to finish with the plugins directory", clean(holder)) },
		Pruning:   a.waitingForCache,
		Recovered: a.recovered,
		Chosen:    a.explain,
		Fetching:  bars.start,
	}
}

func (a *app) waitingForCache(holder string) {
	a.note("waiting for %s to finish with the cache", clean(cmp.Or(holder, "other processes")))
}

func (a *app) recovered(r plugindir.Recovered) {
	how := "finished"
	if r.Outcome == plugindir.Undone {
		how = "undone"
	}
	a.note("an interrupted change of %s was %s", strings.Join(r.Plugins, ", "), how)
	if r.Cause != nil {
		a.note("  because %v", r.Cause)
	}
}

// explain says which version was chosen, and why not a newer one where there is one.
func (a *app) explain(c install.Choice) {
	if a.verbose || len(c.Rejected) > 0 && resolve.Compare(c.Rejected[0].Version, c.Version) > 0 {
		a.note("%s", clean(strings.TrimRight(resolve.Explain(c.Name, c.Choice), "\n")))
	}
	for _, word := range c.Ignored {
		a.detail("  tag %q is no version and was ignored", clean(word))
	}
}

// relative shortens a path below the working directory, for people.
func (a *app) relative(path string) string {
	wd, err := os.Getwd()
	if err != nil {
		return path
	}
	if rel, err := filepath.Rel(wd, path); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return path
}
