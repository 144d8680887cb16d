package install

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/internal/folder"
	"github.com/loadr-plugins/loadr/internal/plugindir"
	"github.com/loadr-plugins/loadr/manifest"
)

// Entry is one folder of a plugins directory.
type Entry struct {
	Name        string        `json:"name"`
	Version     string        `json:"version"`
	Kind        manifest.Kind `json:"kind"`
	Type        manifest.Type `json:"type"`
	Description string        `json:"description"`
	ABI         manifest.ABI  `json:"abi"`    // from the lock; empty for a plugin that it does not name
	Source      string        `json:"source"` // registry/namespace; empty for a plugin that the lock does not name
	Path        string        `json:"path"`
	Managed     bool          `json:"managed"` // installed by us, not made by hand
	Enabled     bool          `json:"enabled"`
	Problem     string        `json:"problem,omitempty"`
}

// State says in a word what is worth knowing.
func (e Entry) State() string {
	switch {
	case e.Problem != "":
		return "broken: " + e.Problem
	case !e.Enabled:
		return "disabled"
	case !e.Managed:
		return "enabled, unmanaged"
	}
	return "enabled"
}

// List gives what is in a plugins directory, sorted by name. A directory that does not exist is empty. It takes no lock:
// each folder is seen as it is at that moment.
func List(ws *Workspace) ([]Entry, error) {
	installed, err := ws.dir().List()
	if err != nil {
		return nil, err
	}
	var lock files
	lockErr := lock.readLock(ws)
	entries := make([]Entry, len(installed))
	for i, p := range installed {
		entries[i] = entryFor(p)
		if lockErr != nil {
			continue
		}
		if locked, ok := lock.locked(p.Name); ok && locked.Version == entries[i].Version {
			entries[i].ABI, entries[i].Source = locked.ABI, locked.Source
		}
	}
	return entries, nil
}

func entryFor(p plugindir.Installed) Entry {
	e := Entry{Name: p.Name, Path: p.Path, Managed: p.Managed, Enabled: !p.Disabled, Problem: p.Problem}
	m, _, err := folder.ReadManifest(p.Path)
	if err != nil {
		if e.Problem == "" {
			e.Problem = err.Error()
		}
		return e
	}
	e.Version, e.Kind, e.Type, e.Description = m.Plugin.Version, m.Plugin.Kind, m.Plugin.Type, m.Plugin.Description
	return e
}

// Find gives the entry of one plugin, or a *NotInstalledError.
func Find(ws *Workspace, name string) (Entry, error) {
	entries, err := List(ws)
	if err != nil {
		return Entry{}, err
	}
	i := slices.IndexFunc(entries, func(e Entry) bool { return e.Name == name })
	if i < 0 {
		return Entry{}, &NotInstalledError{name, ws.Plugins}
	}
	return entries[i], nil
}

// SetEnabled writes or removes the marker that keeps the engine from loading plugins. Every name is checked before the
// first is changed.
func SetEnabled(ctx context.Context, ws *Workspace, names []string, enabled bool) error {
	if _, err := os.Stat(ws.Plugins); errors.Is(err, fs.ErrNotExist) && len(names) > 0 {
		return &NotInstalledError{names[0], ws.Plugins} // and the folder is not made
	}
	dir := ws.dir()
	release, err := dir.Acquire(ctx, plugindir.AcquireOptions{})
	if err != nil {
		return err
	}
	defer release()
	if _, err := dir.Recover(ctx); err != nil {
		return err
	}
	for _, name := range names {
		if _, err := Find(ws, name); err != nil {
			return err
		}
	}
	for _, name := range names {
		if err := dir.SetEnabled(name, enabled); err != nil {
			return err
		}
	}
	return nil
}

// Recorded gives the digest that a file of an installed plugin had when it was installed.
func Recorded(ws *Workspace, name, file string) (digest.Digest, error) {
	state, err := ws.dir().State()
	if err != nil {
		return "", err
	}
	d, ok := state.Plugins[name][file]
	if !ok {
		return "", &NotInstalledError{name, ws.Plugins}
	}
	return d, nil
}
