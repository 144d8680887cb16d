package airgap

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/loadr-plugins/loadr/lockfile"
	"github.com/loadr-plugins/loadr/manifest"
	"github.com/loadr-plugins/loadr/registry"
	"github.com/loadr-plugins/loadr/registry/bundle"
)

// MirrorReport is what mirroring came to.
type MirrorReport struct {
	To      string     `json:"to"`      // registry/namespace
	Plugins []Mirrored `json:"plugins"` // sorted by name and version
	// Warnings are about what was copied and is not in the namespace's catalogue, and about what a bundle has and no registry can.
	Warnings []string `json:"warnings"`
}

// Mirrored is one release that is in the mirror now.
type Mirrored struct {
	Plugin
	Action    Action `json:"action"`
	Blobs     int    `json:"blobs"`     // that were sent
	Bytes     int64  `json:"bytes"`     // of them
	Manifests int    `json:"manifests"` // that were sent
}

// Action is what happened to one release.
type Action string

// The actions.
const (
	Copied    Action = "copied"
	Completed Action = "completed" // the release was there, and something that belongs to it was not
	Unchanged Action = "unchanged"
)

// Destination is where a mirror is.
type Destination struct {
	Client              *registry.Client
	Registry, Namespace string
}

// MirrorLock copies what the lock names: the libraries that serve targets, for no targets all of them. Its errors are
// those of registry.Client.CopyAll and of From, *TargetError, *SourceError for what is in no registry, and *SameNameError.
func (m *Mover) MirrorLock(ctx context.Context, lock *lockfile.Lock, targets []manifest.Target, to Destination) (*MirrorReport, error) {
	if len(lock.Plugins) == 0 {
		return nil, &EmptyError{}
	}
	plugins, err := m.readAll(ctx, lock.Plugins, targets)
	if err != nil {
		return nil, err
	}
	return m.mirror(ctx, plugins, to)
}

// MirrorBundle copies every release in a bundle, which From reads, or with targets the libraries that serve these. The bundle's archives
// are warned of. Its errors are those of MirrorLock.
func (m *Mover) MirrorBundle(ctx context.Context, listed []bundle.Plugin, archives []bundle.Archive, targets []manifest.Target, to Destination) (*MirrorReport, error) {
	plugins := make([]*locked, len(listed))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(m.Concurrency)
	for i, p := range listed {
		group.Go(func() (err error) {
			plugins[i], err = m.readListed(groupCtx, p, targets)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	report, err := m.mirror(ctx, plugins, to)
	if err != nil {
		return nil, err
	}
	report.Warnings = append(report.Warnings, leftOut(archives)...)
	return report, nil
}

// readListed reads a release that no lock names.
func (m *Mover) readListed(ctx context.Context, p bundle.Plugin, targets []manifest.Target) (*locked, error) {
	l := &locked{repo: p.Repository}
	if err := m.readDocuments(ctx, l, p.Index); err != nil {
		return nil, err
	}
	release := l.artifact.Release
	for _, t := range release.Targets {
		if len(targets) == 0 {
			l.chosen = append(l.chosen, t.Target)
		}
	}
	for _, t := range targets {
		serves := release.Target(t)
		if serves == nil {
			return nil, &TargetError{release.Name, release.Version, t, releaseTargets(release)}
		}
		l.chosen = append(l.chosen, serves.Target)
	}
	slices.Sort(l.chosen)
	l.chosen = slices.Compact(l.chosen)
	return l, nil
}

func releaseTargets(r *registry.Release) (out []manifest.Target) {
	for _, t := range r.Targets {
		out = append(out, t.Target)
	}
	return out
}

func (m *Mover) mirror(ctx context.Context, plugins []*locked, to Destination) (*MirrorReport, error) {
	if err := sameNames(plugins); err != nil {
		return nil, err
	}
	list := make([]registry.Copy, len(plugins))
	for i, l := range plugins {
		list[i] = registry.Copy{From: l.repo, Artifact: l.artifact, Attached: l.attached, Targets: l.chosen}
	}
	results, err := to.Client.CopyAll(ctx, m.watched(plugins), to.Registry, to.Namespace, list)
	if err != nil {
		return nil, err
	}
	report := &MirrorReport{To: to.Registry + "/" + to.Namespace, Plugins: []Mirrored{}, Warnings: []string{}}
	for i, r := range results {
		done := Mirrored{Plugin: plugins[i].plugin(), Action: Unchanged, Blobs: r.Blobs, Bytes: r.Bytes, Manifests: r.Manifests}
		switch {
		case r.Tagged:
			done.Action = Copied
		case r.Manifests > 0:
			done.Action = Completed
		}
		report.Plugins = append(report.Plugins, done)
		if r.Unlisted != nil {
			report.Warnings = append(report.Warnings, fmt.Sprintf("%s %s: copied, but not written into the catalogue, so searches don't find it: %v",
				done.Name, done.Version, r.Unlisted))
		}
	}
	return report, nil
}

// SameNameError says that two plugins of different places would have the same place in a mirror.
type SameNameError struct {
	Plugin  string   `json:"plugin"`
	Sources []string `json:"sources"`
}

func (e *SameNameError) Error() string {
	return fmt.Sprintf("plugin %q: from %s: only one of them can be in a namespace", e.Plugin, strings.Join(e.Sources, " and from "))
}

// Hint says what to do.
func (e *SameNameError) Hint() string { return "mirror them one by one, from bundles of their own" }

func sameNames(plugins []*locked) error {
	sources := map[string]string{}
	for _, l := range plugins {
		if was, ok := sources[l.repo.Name]; ok && was != l.repo.Source() {
			return &SameNameError{l.repo.Name, []string{was, l.repo.Source()}}
		}
		sources[l.repo.Name] = l.repo.Source()
	}
	return nil
}
