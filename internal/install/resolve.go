package install

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/loadr-plugins/loadr/lockfile"
	"github.com/loadr-plugins/loadr/manifest"
	"github.com/loadr-plugins/loadr/registry"
	"github.com/loadr-plugins/loadr/resolve"
)

// resolve decides the next lock: the old one as it stands where a mode demands it, else every requirement's locked entry
// as long as it still serves, and a fresh choice for the others. It also prepares what loadr.toml will say.
func (in *Installer) resolve(ctx context.Context, j *job) error {
	switch j.Mode {
	case Frozen:
		j.next = j.lock
		return nil
	case Locked:
		return in.compare(j)
	}
	entries, err := in.choose(ctx, j)
	if err != nil {
		return err
	}
	j.next = &lockfile.Lock{Host: j.host, Targets: j.targets, Plugins: entries}
	j.warnLocal(in.Workspace)
	return j.editProject(entries)
}

// compare accepts the lock only if it says what loadr.toml asks for.
func (in *Installer) compare(j *job) error {
	if drifts := lockfile.Compare(j.project, j.lock, satisfies); len(drifts) > 0 {
		return &DriftError{in.Workspace.LockFile, drifts}
	}
	j.next = cmp.Or(j.lock, &lockfile.Lock{}) // a project that asks for nothing needs no lock
	return nil
}

// satisfies tells package lockfile, which knows no ranges, whether a version is in one.
func satisfies(rng, version string) bool {
	r, err := resolve.ParseRange(rng)
	return err == nil && r.Allows(version)
}

// choose settles every requirement, in parallel. All failures are reported, in the order of the names.
func (in *Installer) choose(ctx context.Context, j *job) ([]lockfile.Plugin, error) {
	entries := make([]lockfile.Plugin, len(j.requirements))
	choices := make([]*Choice, len(j.requirements))
	errs := make([]error, len(j.requirements))
	var group errgroup.Group
	group.SetLimit(in.limit())
	for i, r := range j.requirements {
		kept, ok := j.keep(r)
		if ok {
			entries[i] = kept
			continue
		}
		group.Go(func() error {
			entries[i], choices[i], errs[i] = in.chooseOne(ctx, j, r)
			return nil
		})
	}
	_ = group.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	for _, c := range choices {
		if c != nil {
			j.choices = append(j.choices, *c)
			in.Events.chosen(*c)
		}
	}
	return entries, nil
}

// keep gives the locked entry if it still serves the requirement, the host and every target; the lock knows enough to
// say so without asking anybody.
func (j *job) keep(r requirement) (lockfile.Plugin, bool) {
	entry, ok := j.locked(r.name)
	if !ok || r.digest != "" && r.digest != entry.Index || r.source != entry.Source {
		return entry, false
	}
	_, fits := resolve.Fits(resolve.Requirement{Name: r.name, Range: r.rng}, resolveHost(j.host), j.targets, offerOf(entry))
	return entry, fits
}

func resolveHost(h lockfile.Host) resolve.Host { return resolve.Host{ABI: h.ABI, Libc: h.Libc()} }

// offerOf gives resolution the facts that the lock has of a version.
func offerOf(p lockfile.Plugin) resolve.Offer {
	offer := resolve.Offer{Version: p.Version, RequiresABI: p.RequiresABI}
	for _, t := range p.Targets {
		offer.Targets = append(offer.Targets, resolve.TargetOffer{Target: t.Target, ABI: p.ABIOf(t), Libc: t.Libc})
	}
	return offer
}

// chooseOne finds where a plugin lives and which of its versions serves.
func (in *Installer) chooseOne(ctx context.Context, j *job, r requirement) (lockfile.Plugin, *Choice, error) {
	at, err := in.locate(ctx, r)
	if err != nil {
		return lockfile.Plugin{}, nil, err
	}
	if r.digest != "" {
		if r.rng, err = at.pin(ctx, r.digest); err != nil {
			return lockfile.Plugin{}, nil, err
		}
	}
	query := resolve.Query{
		Requirement: resolve.Requirement{Name: r.name, Range: r.rng},
		Host:        resolveHost(j.host),
		Targets:     j.targets,
		Versions:    at.versions,
	}
	if entry, ok := j.locked(r.name); ok && entry.Source == at.repo.Source() {
		query.Locked = entry.Version
	}
	choice, err := resolve.Choose(query, func(version string) (resolve.Offer, error) { return at.look(ctx, version) })
	if err != nil {
		return lockfile.Plugin{}, nil, err
	}
	entry, err := in.lockEntry(ctx, j.target, at.repo, at.releases[choice.Version])
	return entry, &Choice{Name: r.name, Source: at.repo.Source(), Choice: choice}, err
}

// warnLocal tells when a lock that others will use names what only this machine has.
func (j *job) warnLocal(ws *Workspace) {
	var names []string
	for _, c := range j.choices {
		if strings.HasPrefix(c.Source, registry.Local+"/") {
			names = append(names, c.Name)
		}
	}
	if ws.Root != "" && len(names) > 0 {
		j.warnings = append(j.warnings, fmt.Sprintf(
			"%s: locked from the directory registry of this machine (%s/...), which others who use %s do not have; "+
				"publish to a registry that all of you can reach", strings.Join(names, ", "), registry.Local, lockfile.LockName))
	}
}

// editProject prepares loadr.toml: what was asked for, where it came from, and the host and targets of the first time.
func (j *job) editProject(entries []lockfile.Plugin) (err error) {
	for i, r := range j.requirements {
		if !r.asked {
			continue
		}
		rng := cmp.Or(r.written, "^"+entries[i].Version)
		if r.digest != "" {
			rng = entries[i].Version
		}
		p := lockfile.ProjectPlugin{Name: r.name, Version: rng, Registry: entries[i].Source}
		if j.text, err = lockfile.SetPlugin(j.text, p); err != nil {
			return err
		}
	}
	if j.writeHost {
		if j.text, err = lockfile.SetHost(j.text, j.host); err != nil {
			return err
		}
	}
	if j.writeTargets {
		j.text, err = lockfile.SetTargets(j.text, j.targets)
	}
	return err
}

// lockEntry writes down one release: every platform it offers, from its index alone. The config for target goes into the
// cache: it came with the index, and installing then needs no request for it.
func (in *Installer) lockEntry(ctx context.Context, target manifest.Target, repo registry.Repository, release *registry.Release) (lockfile.Plugin, error) {
	entry := lockfile.Plugin{
		Name: repo.Name, Version: release.Version, Source: repo.Source(), Index: release.Digest, RequiresABI: release.RequiresABI,
	}
	if err := in.source().Complete(ctx, repo, release); err != nil {
		return entry, err
	}
	for _, t := range release.Targets {
		if entry.ABI == (manifest.ABI{}) {
			entry.ABI = t.ABI
		}
		entry.Targets = append(entry.Targets, lockTarget(t))
		if t.Target.Satisfies(target) {
			if err := in.keepConfig(ctx, t.ConfigDescriptor); err != nil {
				return entry, err
			}
		}
	}
	return entry, nil
}

func lockTarget(t registry.ReleaseTarget) lockfile.Target {
	return lockfile.Target{
		Target:      t.Target,
		ABI:         t.ABI,
		Libc:        t.Libc,
		Manifest:    t.Manifest.Digest,
		Config:      t.ConfigDescriptor.Digest,
		ConfigSize:  t.ConfigDescriptor.Size,
		PluginTOML:  t.Config.TOMLDigest(),
		Blob:        t.Library.Digest,
		BlobSize:    t.Library.Size,
		MediaType:   t.Library.MediaType,
		Library:     t.Config.Library.Digest,
		LibrarySize: t.Config.Library.Size,
		Layout:      t.Config.Library.ABI.Layout,
	}
}
