package plugindir

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/manifest"
)

const manifestName = "plugin.toml"

// Change is what one command does to a plugins directory and its project's files: all of it or nothing.
type Change struct {
	// Owner names the project the directory belongs to.
	Owner string
	// TakeOver gives the directory to Owner when it belonged to another.
	TakeOver bool
	// Target is the platform of the plugins put; empty leaves it as it was.
	Target manifest.Target
	// What says in a few words what the command does; the generation that it makes is recorded with it.
	What string
	// Force replaces and removes also what we did not install.
	Force bool
	// Put are plugins to install in place of what is there under their names. Whether one is disabled stays as it was.
	Put []Plugin
	// Remove are names of plugins to remove.
	Remove []string
	// Files are replaced in this order, after the plugins.
	Files []ProjectFile
}

// Plugin is a folder to be.
type Plugin struct {
	Name  string
	Files []File
}

// File is one file of a plugin. Its bytes are at Path or, where that is empty, in Data.
type File struct {
	Name   string
	Digest digest.Digest // sha256; may be empty for Data
	Size   int64         // bytes at Path
	Mode   fs.FileMode   // permissions, less the umask; 0 means 0644
	Path   string        // a file to copy, usually a blob of the cache
	Data   []byte
}

// ProjectFile is a file outside the plugins' folders that changes with them.
type ProjectFile struct {
	// Path is one of those given to Open.
	Path string
	// Was is what the caller read, nil for an absent file. A file that has changed since is a *ChangedError.
	Was []byte
	// Data is what it shall hold; its permissions stay. Ignored with Delete.
	Data   []byte
	Delete bool
}

// Events tells what Apply does. Each may be nil; they are called one at a time.
type Events struct {
	// Staged: a plugin's files are complete, verified and durable, but not yet in place.
	Staged func(plugin string)
	// Activated: a plugin is in place.
	Activated func(plugin string)
	// Removed: a plugin is gone from its place.
	Removed func(plugin string)
}

func (e *Events) staged(plugin string) {
	if e != nil && e.Staged != nil {
		e.Staged(plugin)
	}
}

func (e *Events) swapped(s swap) {
	switch {
	case e == nil:
	case s.New == nil && e.Removed != nil:
		e.Removed(s.Name)
	case s.New != nil && e.Activated != nil:
		e.Activated(s.Name)
	}
}

// ChangedError says that somebody changed a project file since it was read.
type ChangedError struct{ Path string }

func (e *ChangedError) Error() string { return e.Path + ": changed by another program meanwhile" }

// Hint says what to do.
func (e *ChangedError) Hint() string {
	return "run the command again: it starts from the file as it is now"
}

// check refuses a change that can't or must not be made. It reads, and changes nothing.
func (d *Dir) check(c *Change, state *State) error {
	for _, f := range []func(*Change, *State) error{d.checkOwner, d.checkNames, d.checkTarget, d.checkPlaces, d.checkFiles} {
		if err := f(c, state); err != nil {
			return err
		}
	}
	return nil
}

func (d *Dir) checkOwner(c *Change, state *State) error {
	switch {
	case c.Owner == "":
		return errors.New("plugins directory " + d.path + ": changed without naming an owner")
	case state.Owner != "" && state.Owner != c.Owner && !c.TakeOver:
		return &OwnerError{d.path, state.Owner, c.Owner}
	}
	return nil
}

func (d *Dir) checkNames(c *Change, _ *State) error {
	seen := map[string]bool{}
	once := func(name string) error {
		if seen[name] {
			return fmt.Errorf("plugin %s: named twice in one change", name)
		}
		seen[name] = true
		return nil
	}
	for _, p := range c.Put {
		if err := errors.Join(checkPlugin(p.Name, p.names()), p.checkDigests(), once(p.Name)); err != nil {
			return err
		}
	}
	for _, name := range c.Remove {
		if err := errors.Join(manifest.CheckName(name), once(name)); err != nil {
			return err
		}
	}
	return nil
}

func (p *Plugin) names() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, f := range p.Files {
			if !yield(f.Name) {
				return
			}
		}
	}
}

func (p *Plugin) checkDigests() error {
	digests := map[string]digest.Digest{}
	for _, f := range p.Files {
		if f.Digest != "" || f.Path != "" {
			digests[f.Name] = f.Digest
		}
	}
	return checkDigests(p.Name, digests)
}

// checkPlugin checks a plugin's name and the names of its files, of which there must be some. Two that differ only in
// case would be one file on some systems.
func checkPlugin(name string, files iter.Seq[string]) error {
	if err := manifest.CheckName(name); err != nil {
		return err
	}
	seen := map[string]bool{}
	for file := range files {
		if file != manifestName {
			if err := manifest.CheckEntry(file); err != nil {
				return fmt.Errorf("plugin %s: %w", name, err)
			}
		}
		if folded := strings.ToLower(file); seen[folded] {
			return fmt.Errorf("plugin %s: file %s named twice", name, file)
		} else {
			seen[folded] = true
		}
	}
	if len(seen) == 0 {
		return fmt.Errorf("plugin %s: expected files, found none", name)
	}
	return nil
}

// checkTarget keeps plugins of two platforms out of one folder.
func (d *Dir) checkTarget(c *Change, state *State) error {
	if c.Target == "" || state.Target == "" || c.Target == state.Target {
		return nil
	}
	stay := maps.Clone(state.Plugins)
	for _, p := range c.Put {
		delete(stay, p.Name)
	}
	for _, name := range c.Remove {
		delete(stay, name)
	}
	if len(stay) == 0 {
		return nil
	}
	return &TargetError{d.path, state.Target, c.Target, slices.Sorted(maps.Keys(stay))}
}

// checkPlaces looks at what is in the plugins' places.
func (d *Dir) checkPlaces(c *Change, state *State) error {
	for _, p := range c.Put {
		if there, err := exists(d.live(p.Name)); err != nil {
			return &AccessError{d.path, err}
		} else if there && !c.Force && !d.isManaged(p.Name, state) {
			return &UnmanagedError{p.Name, d.live(p.Name)}
		}
	}
	for _, name := range c.Remove {
		there, err := exists(d.live(name))
		_, known := state.Plugins[name]
		switch {
		case err != nil:
			return &AccessError{d.path, err}
		case !there && !known:
			return &NotInstalledError{d.path, name}
		case there && !c.Force && !d.isManaged(name, state):
			return &UnmanagedError{name, d.live(name)}
		}
	}
	return nil
}

func (d *Dir) checkFiles(c *Change, _ *State) error {
	for _, f := range c.Files {
		if !d.mayReplace(f.Path) {
			return fmt.Errorf("%s: not among the project files that the plugins directory was opened with", f.Path)
		}
		now, err := readRecord(f.Path)
		if err != nil {
			return err
		}
		if !same(now, f.Was) {
			return &ChangedError{f.Path}
		}
	}
	return nil
}

// mayReplace: a file that Open was told of.
func (d *Dir) mayReplace(path string) bool {
	return slices.ContainsFunc(d.files, func(f string) bool { return filepath.Clean(f) == filepath.Clean(path) })
}

// same compares contents, of which nil is that of an absent file.
func same(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }

// exists: also a dangling link is something.
func exists(path string) (bool, error) {
	_, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
