package install

import (
	"context"
	"errors"
	"slices"

	"github.com/loadr-plugins/loadr/internal/plugindir"
	"github.com/loadr-plugins/loadr/lockfile"
)

// Remove takes plugins out of the plugins directory, loadr.toml and loadr.lock, all at once.
func (in *Installer) Remove(ctx context.Context, names []string, o Options) (*Report, error) {
	release, err := in.begin(ctx, o)
	if err != nil {
		return nil, err
	}
	defer release()
	j := &job{Options: o, what: "remove"}
	if err := errors.Join(j.readProject(in.Workspace), j.readLock(in.Workspace)); err != nil {
		return nil, err
	}
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	folders, err := in.removable(names, &j.files)
	if err != nil {
		return nil, err
	}
	orphans, err := j.forget(names)
	if err != nil {
		return nil, err
	}
	for _, name := range orphans {
		if _, ours := in.state.Plugins[name]; ours {
			folders = append(folders, name)
		}
	}
	report := in.report(j)
	change := in.change(j, report)
	in.remove(&change, report, folders)
	return in.finish(ctx, change, report)
}

// removable gives those names that have a folder. A name must be known somewhere, and a folder be ours unless forced.
func (in *Installer) removable(names []string, files *files) (folders []string, err error) {
	installed, err := in.dir().List()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		_, wanted := files.project.Plugin(name)
		_, locked := files.locked(name)
		i := slices.IndexFunc(installed, func(p plugindir.Installed) bool { return p.Name == name })
		switch {
		case i >= 0:
			folders = append(folders, name)
		case !wanted && !locked:
			return nil, &NotInstalledError{name, in.Workspace.Plugins}
		}
	}
	return folders, nil
}

// forget takes names out of loadr.toml and the lock, and out of the lock what was there only because they required it. A
// plugin that another one still requires can't go.
func (j *job) forget(names []string) (orphans []string, err error) {
	j.text = j.projectText
	for _, name := range names {
		if j.text, err = lockfile.RemovePlugin(j.text, name); err != nil {
			return nil, err
		}
	}
	if j.lock == nil {
		return nil, nil // there is no reason to make a lock for removing something from it
	}
	next, err := lockfile.ParseProject(j.project.File, j.text)
	if err != nil {
		return nil, err
	}
	before, after := j.lock.Reached(j.project), j.lock.Reached(next)
	for _, name := range names {
		if after[name] {
			return nil, &RequiredError{name, requiring(j.lock, name)}
		}
	}
	for name := range before {
		if !after[name] && !slices.Contains(names, name) {
			orphans = append(orphans, name)
		}
	}
	slices.Sort(orphans)
	j.next = &lockfile.Lock{Host: j.lock.Host, Targets: j.lock.Targets}
	for _, p := range j.lock.Plugins {
		if !slices.Contains(names, p.Name) && !slices.Contains(orphans, p.Name) {
			j.next.Plugins = append(j.next.Plugins, p)
		}
	}
	return orphans, nil
}

// requiring lists the locked plugins that require one.
func requiring(lock *lockfile.Lock, name string) (by []string) {
	if lock == nil {
		return nil
	}
	for _, p := range lock.Plugins {
		if slices.ContainsFunc(p.Dependencies, func(d lockfile.Dependency) bool { return d.Name == name }) {
			by = append(by, p.Name)
		}
	}
	return by
}
