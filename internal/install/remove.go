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
	j := &job{Options: o}
	if err := errors.Join(j.readProject(in.Workspace), j.readLock(in.Workspace)); err != nil {
		return nil, err
	}
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	folders, err := in.removable(names, &j.files)
	if err != nil {
		return nil, err
	}
	if err := j.forget(names); err != nil {
		return nil, err
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

// forget takes names out of loadr.toml and the lock.
func (j *job) forget(names []string) (err error) {
	j.text = j.projectText
	for _, name := range names {
		if j.text, err = lockfile.RemovePlugin(j.text, name); err != nil {
			return err
		}
	}
	if j.lock != nil { // there is no reason to make one for removing something from it
		j.next = &lockfile.Lock{Host: j.lock.Host, Targets: j.lock.Targets}
		j.next.Plugins = slices.DeleteFunc(slices.Clone(j.lock.Plugins), func(p lockfile.Plugin) bool { return slices.Contains(names, p.Name) })
	}
	return nil
}
