package install

import (
	"context"
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
	files, err := in.Workspace.readFiles()
	if err != nil {
		return nil, err
	}
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	folders, err := in.removable(names, files)
	if err != nil {
		return nil, err
	}
	j := &job{Options: o, files: *files, text: files.projectText}
	if err := j.forget(names); err != nil {
		return nil, err
	}
	report := in.report(j)
	change := in.change(j, report)
	in.remove(&change, report, folders)
	return report, in.apply(ctx, change)
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
	for _, name := range names {
		if j.text, err = lockfile.RemovePlugin(j.text, name); err != nil {
			return err
		}
	}
	j.next = &lockfile.Lock{}
	if j.lock != nil {
		*j.next = *j.lock
		j.next.Plugins = slices.DeleteFunc(slices.Clone(j.lock.Plugins), func(p lockfile.Plugin) bool { return slices.Contains(names, p.Name) })
	}
	return nil
}
