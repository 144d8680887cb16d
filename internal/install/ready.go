package install

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/lockfile"
)

// Difference is one thing in which a plugins directory is not what loadr.lock says.
type Difference struct {
	Plugin    string `json:"plugin"`
	Field     string `json:"field"`     // plugin, version, target, library, plugin.toml
	Locked    string `json:"locked"`    // empty for nothing
	Installed string `json:"installed"` // empty for nothing
}

func (d Difference) String() string {
	what := fmt.Sprintf("plugin %q", d.Plugin)
	if d.Field != "plugin" {
		what += ": " + d.Field
	}
	return fmt.Sprintf("%s: locked is %s, installed is %s", what, orNothing(d.Locked), orNothing(d.Installed))
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

// StaleError says that a plugins directory is not what the lock says.
type StaleError struct {
	Dir         string       `json:"plugins_dir"`
	Lock        string       `json:"lock"`
	Differences []Difference `json:"differences"`
}

func (e *StaleError) Error() string {
	lines := make([]string, len(e.Differences))
	for i, d := range e.Differences {
		lines[i] = d.String()
	}
	return fmt.Sprintf("plugins directory %s: does not match %s:\n  %s", e.Dir, e.Lock, strings.Join(lines, "\n  "))
}

// Hint says how to settle it.
func (e *StaleError) Hint() string {
	return "'loadr plugin sync' makes the directory equal to the lock"
}

// Ready says whether the plugins directory may be used as it is: loadr.toml and loadr.lock agree, and what is installed is
// what the lock names. It is as quick as a sync that has nothing to do: records and sizes are compared, no library is
// read, and nothing is asked of a registry. A change that another process has begun is waited for, or finished if that one
// was killed. Errors: *DriftError, *StaleError, *plugindir.OwnerError, those of broken files, ctx's.
func (in *Installer) Ready(ctx context.Context) error {
	open, err := in.dir().Unfinished()
	if err == nil && !open {
		if err = in.agree(); err == nil {
			return ctx.Err()
		}
		if _, absent := os.Stat(in.Workspace.Plugins); absent != nil {
			return err // and no folder is made
		}
	}
	// Perhaps it was read while it changed. Nothing changes now.
	leave, lockErr := in.enter(ctx, Options{})
	if lockErr != nil {
		return cmp.Or(ctx.Err(), err, lockErr)
	}
	defer leave()
	return cmp.Or(in.agree(), ctx.Err())
}

// agree compares loadr.toml, the lock and the directory.
func (in *Installer) agree() error {
	if err := in.readState(); err != nil {
		return err
	}
	j := &job{}
	if err := j.readProject(in.Workspace); err != nil {
		return err
	}
	if err := j.readLock(in.Workspace); err != nil {
		return err
	}
	if err := in.compare(j); err != nil {
		return err
	}
	if differences := in.differences(j.next); len(differences) > 0 {
		return &StaleError{in.Workspace.Plugins, in.Workspace.LockFile, differences}
	}
	return nil
}

// differences holds the directory against a lock, by the measure of plan.
func (in *Installer) differences(lock *lockfile.Lock) (out []Difference) {
	for _, p := range lock.Plugins {
		t, offered := p.For(in.state.Target)
		files, present := in.state.Plugins[p.Name]
		switch {
		case !present:
			out = append(out, Difference{p.Name, "plugin", p.Version, ""})
		case !offered:
			out = append(out, Difference{p.Name, "target", "", string(in.state.Target)})
		case !in.inPlace(p.Name, files, t):
			out = append(out, in.difference(p, t, files))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(in.state.Plugins)) {
		if _, ok := lock.Plugin(name); !ok {
			out = append(out, Difference{name, "plugin", "", orUnknown(installedVersion(in.dir(), name))})
		}
	}
	return out
}

// difference finds the words for a plugin that is not in place.
func (in *Installer) difference(p lockfile.Plugin, t lockfile.Target, files map[string]digest.Digest) Difference {
	if folder, err := os.Lstat(in.path(p.Name, "")); err != nil || !folder.IsDir() {
		return Difference{p.Name, "plugin", p.Version, ""}
	}
	if version := installedVersion(in.dir(), p.Name); version != "" && version != p.Version {
		return Difference{p.Name, "version", p.Version, version}
	}
	entry, _ := entryOf(files)
	if got := files[entry]; got != t.Library {
		return Difference{p.Name, "library", t.Library.String(), got.String()}
	}
	info, err := os.Lstat(in.path(p.Name, entry))
	switch {
	case err != nil:
		return Difference{p.Name, "library", t.Library.String(), ""}
	case info.Size() != t.LibrarySize:
		return Difference{p.Name, "library", fmt.Sprintf("%d bytes", t.LibrarySize), fmt.Sprintf("%d bytes", info.Size())}
	}
	text, err := readOptional(in.path(p.Name, manifestName))
	if text == nil || err != nil {
		return Difference{p.Name, manifestName, t.PluginTOML.String(), ""}
	}
	return Difference{p.Name, manifestName, t.PluginTOML.String(), digest.FromBytes(text).String()}
}

func orUnknown(version string) string {
	if version == "" {
		return "an unknown version"
	}
	return version
}
