package install

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/loadr-plugins/loadr/internal/folder"
	"github.com/loadr-plugins/loadr/internal/plugindir"
	"github.com/loadr-plugins/loadr/loader"
	"github.com/loadr-plugins/loadr/lockfile"
	"github.com/loadr-plugins/loadr/manifest"
	"github.com/loadr-plugins/loadr/registry"
)

// Verdict is what Verify found out about one plugin.
type Verdict struct {
	Name     string    `json:"name"`
	Version  string    `json:"version"`
	OK       bool      `json:"ok"`
	Problems []Finding `json:"problems"`
	// Warnings are what should be looked into and does not make the plugin another one than was locked.
	Warnings []string `json:"warnings"`
}

// Finding is one thing that is wrong.
type Finding struct {
	Code   FindingCode `json:"code"`
	Detail string      `json:"detail"`
}

func finding(code FindingCode, format string, args ...any) Finding {
	return Finding{code, fmt.Sprintf(format, args...)}
}

// FindingCode is the stable word for a kind of finding.
type FindingCode string

// The codes.
const (
	Altered      FindingCode = "altered"      // installed bytes are not those that were installed
	Moved        FindingCode = "moved"        // the registry now has other bytes, or none, under the version
	Vanished     FindingCode = "gone"         // the registry no longer lists the version
	Recalled     FindingCode = "withdrawn"    // its author withdrew the version
	Drifted      FindingCode = "drift"        // installed and locked differ
	Incompatible FindingCode = "incompatible" // the library does not fit the host
)

// VerifyError says that Verify found problems.
type VerifyError struct {
	Dir      string    `json:"plugins_dir"`
	Verdicts []Verdict `json:"verdicts"` // those with problems
}

func (e *VerifyError) Error() string {
	var lines []string
	for _, v := range e.Verdicts {
		for _, p := range v.Problems {
			lines = append(lines, fmt.Sprintf("plugin %q: %s", v.Name, p.Detail))
		}
	}
	return fmt.Sprintf("plugins directory %s: not as it was installed:\n  %s", e.Dir, strings.Join(lines, "\n  "))
}

// Hint says how to repair.
func (e *VerifyError) Hint() string {
	switch {
	case e.Has(Altered):
		return "'loadr plugin sync --force' reads every byte again and replaces what differs from the lock"
	case e.Has(Drifted):
		return "'loadr plugin sync' makes the directory equal to the lock again"
	}
	return ""
}

// Has says whether any plugin has a finding of this kind.
func (e *VerifyError) Has(code FindingCode) bool {
	return slices.ContainsFunc(e.Verdicts, func(v Verdict) bool {
		return slices.ContainsFunc(v.Problems, func(p Finding) bool { return p.Code == code })
	})
}

// Verify reads every installed byte again and holds it against the records, the lock, the host and, unless offline, the
// registry. Without names it looks at all installed and locked plugins. It changes nothing. When it finds problems it
// returns the verdicts and a *VerifyError.
func (in *Installer) Verify(ctx context.Context, names []string, offline bool) ([]Verdict, error) {
	in.offline = offline
	state, err := in.dir().State()
	if err != nil {
		return nil, err
	}
	lock, err := in.lockToVerify(state)
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		names = known(lock, state)
	}
	verdicts, err := in.verifyAll(ctx, lock, state, names)
	if err != nil {
		return nil, err
	}
	bad := &VerifyError{Dir: in.Workspace.Plugins}
	for _, v := range verdicts {
		if !v.OK {
			bad.Verdicts = append(bad.Verdicts, v)
		}
	}
	if len(bad.Verdicts) > 0 {
		return verdicts, bad
	}
	return verdicts, nil
}

// lockToVerify may be absent only where nothing is installed.
func (in *Installer) lockToVerify(state *plugindir.State) (*lockfile.Lock, error) {
	var f files
	err := f.readLock(in.Workspace)
	switch {
	case err != nil:
		return nil, err
	case f.lock != nil:
		return f.lock, nil
	case len(state.Plugins) > 0:
		return nil, &NoLockError{in.Workspace.LockFile}
	}
	return &lockfile.Lock{}, nil
}

// verifyAll looks at several plugins at once: most of the time goes into waiting for registries and disks.
func (in *Installer) verifyAll(ctx context.Context, lock *lockfile.Lock, state *plugindir.State, names []string) ([]Verdict, error) {
	ctx = in.announce(ctx, lockedRequirements(lock))
	verdicts := make([]Verdict, len(names))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(in.limit())
	for i, name := range names {
		group.Go(func() (err error) {
			verdicts[i], err = in.verifyOne(ctx, lock, state, name)
			return err
		})
	}
	return verdicts, group.Wait()
}

func known(lock *lockfile.Lock, state *plugindir.State) []string {
	names := map[string]bool{}
	for _, p := range lock.Plugins {
		names[p.Name] = true
	}
	for name := range state.Plugins {
		names[name] = true
	}
	return slices.Sorted(maps.Keys(names))
}

func (in *Installer) verifyOne(ctx context.Context, lock *lockfile.Lock, state *plugindir.State, name string) (Verdict, error) {
	locked, isLocked := lock.Plugin(name)
	_, isInstalled := state.Plugins[name]
	v := Verdict{Name: name, Version: locked.Version, Problems: []Finding{}, Warnings: []string{}}
	add := func(code FindingCode, format string, args ...any) {
		v.Problems = append(v.Problems, finding(code, format, args...))
	}
	switch {
	case !isLocked && !isInstalled:
		return v, &NotInstalledError{name, in.Workspace.Plugins}
	case !isLocked:
		v.Version = installedVersion(in.dir(), name)
		add(Drifted, "installed, but not in the lock")
	case !isInstalled:
		add(Drifted, "in the lock, but not installed")
	}
	if isInstalled {
		altered, err := in.dir().Check(ctx, name)
		if err != nil {
			return v, err
		}
		for _, problem := range altered {
			add(Altered, "%s", problem)
		}
	}
	if isLocked && isInstalled && len(v.Problems) == 0 {
		in.verifyLocked(lock, locked, state, add)
	}
	if isLocked && !in.offline {
		if err := in.verifyTag(ctx, locked, add); err != nil {
			return v, err
		}
		reason, err := in.Withdrawn(ctx, locked)
		if err != nil {
			return v, err
		}
		if reason != "" {
			v.Warnings = append(v.Warnings, withdrawnWarning(locked, reason))
		}
	}
	v.OK = len(v.Problems) == 0
	return v, nil
}

// verifyLocked compares the records with the lock, and looks at the library once more.
func (in *Installer) verifyLocked(lock *lockfile.Lock, p lockfile.Plugin, state *plugindir.State, add func(FindingCode, string, ...any)) {
	target, ok := p.For(state.Target)
	if !ok {
		add(Drifted, "installed for %s, for which the lock has nothing", state.Target)
		return
	}
	files := state.Plugins[p.Name]
	entry, _ := entryOf(files)
	if files[manifestName] != target.PluginTOML || files[entry] != target.Library {
		add(Drifted, "installed %s, locked %s %s", files[entry], p.Version, target.Library)
		return
	}
	m, _, err := folder.ReadManifest(in.path(p.Name, ""))
	if err != nil {
		add(Altered, "%v", err)
		return
	}
	found, err := loader.InspectAs(in.path(p.Name, entry), m.Plugin.ABI)
	if err != nil {
		add(Altered, "%v", err)
		return
	}
	if want, got := target.Layout, found.ABI.Layout; !manifest.SameLayout(want, got) {
		add(Incompatible, "type layout: locked %s, found %s", orNone(want), orNone(got))
		return
	}
	it := &item{plugin: p, target: target}
	if err := it.checkFits(found, lock.Host); err != nil {
		add(Incompatible, "%v", err)
	}
}

// verifyTag asks the registry whether the version is still what was locked.
func (in *Installer) verifyTag(ctx context.Context, p lockfile.Plugin, add func(FindingCode, string, ...any)) error {
	if lockfile.IsFileSource(p.Source) {
		return in.verifyIndex(ctx, p, add)
	}
	repo, err := repository(p.Source, p.Name)
	if err != nil {
		return err
	}
	release, err := in.source().Release(ctx, repo, p.Version)
	return heldAgainst(repo, p, release, err, add)
}

// heldAgainst compares what a registry answered about a version with what was locked.
func heldAgainst(repo registry.Repository, p lockfile.Plugin, release *registry.Release, err error, add func(FindingCode, string, ...any)) error {
	var absent *registry.NotFoundError
	var invalid *registry.InvalidArtifactError
	switch {
	case errors.As(err, &absent):
		add(Moved, "%s no longer has version %s", repo, p.Version)
	case errors.As(err, &invalid):
		add(Moved, "%s now has no plugin under %s: %s", repo, p.Version, invalid.Problem)
	case err != nil:
		return err
	default:
		if err := release.Verify(repo, p.Index); err != nil {
			add(Moved, "the registry no longer has what was locked: %v", err)
		}
	}
	return nil
}
