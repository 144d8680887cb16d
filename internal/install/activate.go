package install

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/internal/folder"
	"github.com/loadr-plugins/loadr/internal/fsx"
	"github.com/loadr-plugins/loadr/internal/plugindir"
	"github.com/loadr-plugins/loadr/lockfile"
)

const manifestName = folder.ManifestName

// activate puts everything in place at once: the plugins' folders and the project's two files.
func (in *Installer) activate(ctx context.Context, j *job, items []*item) (*Report, error) {
	report := in.report(j)
	change := in.change(j, report)
	for _, it := range items {
		report.Plugins = append(report.Plugins, it.change())
		if !it.unchanged {
			change.Put, change.Target = append(change.Put, it.files()), j.target
		}
	}
	if j.Prune {
		in.remove(&change, report, in.surplus(items))
	} else if j.renew != nil {
		in.remove(&change, report, in.dropped(j))
	}
	slices.SortFunc(report.Plugins, func(a, b Change) int { return strings.Compare(a.Name, b.Name) })
	return in.finish(ctx, change, report)
}

// record writes loadr.toml and loadr.lock and leaves the plugins alone.
func (in *Installer) record(ctx context.Context, j *job) (*Report, error) {
	report := in.report(j)
	return in.finish(ctx, in.change(j, report), report)
}

// finish makes the change, if there is one to make.
func (in *Installer) finish(ctx context.Context, change plugindir.Change, report *Report) (*Report, error) {
	if len(change.Put)+len(change.Remove)+len(change.Files) == 0 {
		return report, in.introduce(ctx, change, report)
	}
	// Beforehand: what is installed must never be without its record.
	if err := in.keep(ctx, change, report); err != nil {
		return nil, err
	}
	if err := in.ignoreFile(); err != nil {
		return nil, err
	}
	if err := in.dir().Apply(ctx, change, nil); err != nil {
		return nil, err
	}
	return report, nil
}

func (in *Installer) report(j *job) *Report {
	return &Report{Plugins: []Change{}, Choices: orEmpty(j.choices), Warnings: orEmpty(j.warnings), Dir: in.Workspace.Plugins}
}

// change starts with the project's files, as far as their bytes differ.
func (in *Installer) change(j *job, report *Report) plugindir.Change {
	change := plugindir.Change{Owner: in.Workspace.Owner(), Force: j.Force, What: j.what, Files: j.restored}
	for _, f := range j.restored {
		report.WroteProject = report.WroteProject || f.Path == in.Workspace.ProjectFile
		report.WroteLock = report.WroteLock || f.Path == in.Workspace.LockFile
	}
	if j.Mode != Resolve {
		return change
	}
	if !bytes.Equal(j.text, j.projectText) {
		change.Files = append(change.Files, plugindir.ProjectFile{Path: in.Workspace.ProjectFile, Was: j.projectText, Data: j.text})
		report.WroteProject = true
	}
	if j.next == nil {
		return change
	}
	if lock := j.next.Encode(); !bytes.Equal(lock, j.lockText) {
		change.Files = append(change.Files, plugindir.ProjectFile{Path: in.Workspace.LockFile, Was: j.lockText, Data: lock})
		report.WroteLock = true
	}
	return change
}

func (it *item) change() Change {
	c := Change{
		Name: it.plugin.Name, Version: it.plugin.Version, From: it.from, Source: it.plugin.Source,
		Target: it.target.Target, Action: Installed,
	}
	switch {
	case it.unchanged:
		c.Action = Unchanged
	case it.from != "":
		c.Action = Replaced
	}
	return c
}

func (it *item) files() plugindir.Plugin {
	return plugindir.Plugin{Name: it.plugin.Name, Files: []plugindir.File{
		{Name: manifestName, Digest: it.target.PluginTOML, Size: int64(len(it.toml)), Mode: 0o644, Data: []byte(it.toml)},
		{Name: it.manifest.Plugin.Entry, Digest: it.target.Library, Size: it.target.LibrarySize, Mode: 0o755, Path: it.library},
	}}
}

// surplus lists the plugins that we installed and that the lock does not name.
func (in *Installer) surplus(items []*item) (names []string) {
	for name := range in.state.Plugins {
		if !slices.ContainsFunc(items, func(it *item) bool { return it.plugin.Name == name }) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// dropped lists the plugins that we installed and that went out of the lock with this command.
func (in *Installer) dropped(j *job) (names []string) {
	for _, c := range lockfile.Diff(j.lock, j.next) {
		if _, ours := in.state.Plugins[c.Name]; ours && c.New == nil {
			names = append(names, c.Name)
		}
	}
	return names
}

func (in *Installer) remove(change *plugindir.Change, report *Report, names []string) {
	for _, name := range names {
		report.Plugins = append(report.Plugins, Change{Name: name, Action: Removed, From: installedVersion(in.dir(), name)})
	}
	change.Remove = append(change.Remove, names...)
}

// ignoreFile keeps a project's installed plugins out of version control: the lock is what is committed.
func (in *Installer) ignoreFile() error {
	ours := filepath.Join(in.Workspace.Root, ".loadr")
	if in.Workspace.Root == "" || filepath.Dir(in.Workspace.Plugins) != ours {
		return nil
	}
	path := filepath.Join(ours, ".gitignore")
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return fsx.WriteFile(path, []byte("*\n"), 0o644)
}

// dir is one value for all steps, because the directory's lock is held by the value that acquired it.
func (in *Installer) dir() *plugindir.Dir {
	if in.plugins == nil {
		in.plugins = in.Workspace.dir()
	}
	return in.plugins
}

// dir names the project's files too: a change replaces them together with the folders.
func (w *Workspace) dir() *plugindir.Dir {
	return plugindir.Open(w.Plugins, w.ProjectFile, w.LockFile)
}

func (in *Installer) path(plugin, file string) string {
	return filepath.Join(in.Workspace.Plugins, plugin, file)
}

// installedVersion is what the plugin.toml in place says; empty where it can't be read.
func installedVersion(dir *plugindir.Dir, name string) string {
	m, _, err := folder.ReadManifest(filepath.Join(dir.Path(), name))
	if err != nil {
		return ""
	}
	return m.Plugin.Version
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// entryOf gives the file of a plugin's folder that is not plugin.toml.
func entryOf(files map[string]digest.Digest) (string, bool) {
	for name := range files {
		if name != manifestName {
			return name, true
		}
	}
	return "", false
}
