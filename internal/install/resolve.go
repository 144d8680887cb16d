package install

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

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

// solve settles every requirement, and those of the plugins that are chosen. What is locked stays as it is if that leaves a
// solution: nothing is asked about it then.
func (in *Installer) solve(ctx context.Context, j *job) (*offers, map[string]resolve.Choice, error) {
	kept := j.kept()
	o := in.offers(ctx, j, kept)
	choices, err := o.choose()
	if j.holdBack(o, err) {
		return in.solve(ctx, j)
	}
	if contradiction(err) && len(kept) > 0 {
		o = in.offers(ctx, j, nil)
		choices, err = o.choose()
	}
	return o, choices, err
}

// contradiction says whether other versions of locked plugins could help.
func contradiction(err error) bool {
	return errors.As(err, new(*resolve.ConflictError)) || errors.As(err, new(*AmbiguousError))
}

// choose gives the entries of the next lock.
func (in *Installer) choose(ctx context.Context, j *job) ([]lockfile.Plugin, error) {
	o, choices, err := in.solve(ctx, j)
	if err != nil {
		return nil, err
	}
	entries := make([]lockfile.Plugin, 0, len(choices))
	var chosen []Choice
	for _, name := range slices.Sorted(maps.Keys(choices)) {
		entry, pinned := o.pins[name]
		if !pinned {
			if entry, err = o.places[name].lock(ctx, choices[name].Version); err != nil {
				return nil, err
			}
			if err := j.checkRepublished(entry); err != nil {
				return nil, err
			}
			chosen = append(chosen, Choice{Name: name, Source: entry.Source, Choice: choices[name]})
			if reason := choices[name].Offer.Withdrawn; reason != "" { // only what is locked is chosen in spite of it
				j.warnings = append(j.warnings, withdrawnWarning(entry, reason))
			}
		}
		entries = append(entries, entry)
	}
	for _, c := range chosen {
		in.Events.chosen(c)
	}
	j.choices = chosen
	return entries, nil
}

// checkRepublished refuses other bytes under a version that is locked, which would otherwise slip in whenever the plugin is
// resolved again. Who asks for them by their digest gets them.
func (j *job) checkRepublished(entry lockfile.Plugin) error {
	old, ok := j.locked(entry.Name)
	if r, _ := j.requirement(entry.Name); !ok || r.digest != "" {
		return nil
	}
	if old.Source != entry.Source || old.Version != entry.Version || old.Index == entry.Index {
		return nil
	}
	return &RepublishedError{entry.Name, entry.Version, entry.Source, old.Index, entry.Index}
}

func withdrawnWarning(p lockfile.Plugin, reason string) string {
	return fmt.Sprintf("plugin %q: %s, which is locked, was withdrawn: %s", p.Name, p.Version, reason)
}

// set is the question that resolution answers.
func (j *job) set() resolve.Set {
	s := resolve.Set{Host: resolveHost(j.host), Targets: j.targets, Locked: map[string]string{}, Renew: j.renew}
	for _, r := range j.requirements {
		s.Requirements = append(s.Requirements, resolve.Requirement{Name: r.name, Range: r.rng})
	}
	if j.lock != nil {
		for _, p := range j.lock.Plugins {
			if r, ok := j.requirement(p.Name); !ok || r.source == "" || r.source == p.Source {
				s.Locked[p.Name] = p.Version
			}
		}
	}
	return s
}

func (j *job) requirement(name string) (requirement, bool) {
	i := slices.IndexFunc(j.requirements, func(r requirement) bool { return r.name == name })
	if i < 0 {
		return requirement{}, false
	}
	return j.requirements[i], true
}

// kept gives the locked plugins that still serve, and whose own requirements do.
func (j *job) kept() map[string]lockfile.Plugin {
	kept := map[string]lockfile.Plugin{}
	if j.lock == nil {
		return kept
	}
	for _, p := range j.lock.Plugins {
		if j.keeps(p) && !j.renew[p.Name] && !j.loose[p.Name] {
			kept[p.Name] = p
		}
	}
	return kept
}

// keeps says whether a locked entry still serves what was asked for, the host and every target; the lock knows enough to
// say so without asking anybody.
func (j *job) keeps(entry lockfile.Plugin) bool {
	r, ok := j.requirement(entry.Name)
	if !ok {
		r = requirement{name: entry.Name, source: entry.Source}
	}
	if r.digest != "" && r.digest != entry.Index || r.source != entry.Source {
		return false
	}
	if r.opened != nil || !r.accepts(entry) {
		return false
	}
	_, fits := resolve.Fits(resolve.Requirement{Name: r.name, Range: r.rng}, resolveHost(j.host), j.targets, offerOf(entry))
	return fits
}

func resolveHost(h lockfile.Host) resolve.Host { return resolve.Host{ABI: h.ABI, Libc: h.Libc()} }

// offerOf gives resolution the facts that the lock has of a version.
func offerOf(p lockfile.Plugin) resolve.Offer {
	offer := resolve.Offer{Version: p.Version, RequiresABI: p.RequiresABI}
	for _, t := range p.Targets {
		offer.Targets = append(offer.Targets, resolve.TargetOffer{Target: t.Target, ABI: p.ABIOf(t), Libc: t.Libc})
	}
	for _, d := range p.Dependencies {
		if offer.RequiresPlugins == nil {
			offer.RequiresPlugins = map[string]string{}
		}
		offer.RequiresPlugins[d.Name] = d.Range
	}
	return offer
}

// warnLocal tells when a lock that others will use names what only this machine has.
func (j *job) warnLocal(ws *Workspace) {
	if ws.Root == "" {
		return
	}
	var names []string
	for _, c := range j.choices {
		if strings.HasPrefix(c.Source, registry.Local+"/") {
			names = append(names, c.Name)
		}
		if outside(c.Source) {
			j.warnings = append(j.warnings, fmt.Sprintf(
				"%s: locked from %s, which others who use %s do not have", c.Name, c.Source, lockfile.LockName))
		}
	}
	if len(names) > 0 {
		j.warnings = append(j.warnings, fmt.Sprintf(
			"%s: locked from the directory registry of this machine (%s/...), which others who use %s do not have; "+
				"publish to a registry that all of you can reach", strings.Join(names, ", "), registry.Local, lockfile.LockName))
	}
}

// editProject prepares loadr.toml: what was asked for, where it came from, and the host and targets of the first time.
func (j *job) editProject(entries []lockfile.Plugin) (err error) {
	lock := lockfile.Lock{Plugins: entries}
	for _, r := range j.requirements {
		if !r.asked {
			continue
		}
		entry, _ := lock.Plugin(r.name)
		rng := cmp.Or(r.written, "^"+entry.Version)
		if r.digest != "" {
			rng = entry.Version
		}
		p := lockfile.ProjectPlugin{Name: r.name, Version: rng, Registry: entry.Source}
		if home(entry.Source) == "" {
			p = archived(r, entry)
		}
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
	entry.Dependencies = dependencies(release.Requires)
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

// dependencies gives requirements the lock's form.
func dependencies(requires map[string]string) (out []lockfile.Dependency) {
	for _, name := range slices.Sorted(maps.Keys(requires)) {
		out = append(out, lockfile.Dependency{Name: name, Range: requires[name]})
	}
	return out
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
