package install

import (
	"cmp"
	"context"
	"errors"
	"fmt"

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
	return j.editProject(entries)
}

// compare accepts the lock only if it says what loadr.toml asks for.
func (in *Installer) compare(j *job) error {
	if j.lock == nil {
		return &DriftError{in.Workspace.LockFile, []lockfile.Drift{{Field: "plugins", Want: fmt.Sprint(len(j.project.Plugins), " plugins")}}}
	}
	if drifts := lockfile.Compare(j.project, j.lock, satisfies); len(drifts) > 0 {
		return &DriftError{in.Workspace.LockFile, drifts}
	}
	j.next = j.lock
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
	ctx = in.announce(ctx, j)
	var group errgroup.Group
	group.SetLimit(in.Concurrency)
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

// announce lets the client ask for one token for all repositories of a host, where the place of a plugin is known.
func (in *Installer) announce(ctx context.Context, j *job) context.Context {
	var repos []registry.Repository
	for _, r := range j.requirements {
		for _, source := range in.sources(r) {
			if repo, err := repository(source, r.name); err == nil {
				repos = append(repos, repo)
			}
		}
	}
	return registry.WithRepositories(ctx, repos)
}

// keep gives the locked entry if it still serves the requirement, the host and every target; the lock knows enough to
// say so without asking anybody.
func (j *job) keep(r requirement) (lockfile.Plugin, bool) {
	entry, ok := j.locked(r.name)
	if !ok || r.digest != "" && r.digest != entry.Index || r.source != "" && r.source != entry.Source {
		return entry, false
	}
	_, fits := resolve.Fits(resolve.Requirement{Name: r.name, Range: r.rng}, j.resolveHost(), j.targets, offerOf(entry))
	return entry, fits
}

func (j *job) resolveHost() resolve.Host { return resolve.Host{ABI: j.host.ABI, Libc: j.host.Libc()} }

func (f *files) locked(name string) (lockfile.Plugin, bool) {
	if f.lock == nil {
		return lockfile.Plugin{}, false
	}
	return f.lock.Plugin(name)
}

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
	repo, versions, err := in.locate(ctx, r)
	if err != nil {
		return lockfile.Plugin{}, nil, err
	}
	if r.digest != "" {
		if versions, r.rng, err = in.pin(ctx, repo, r); err != nil {
			return lockfile.Plugin{}, nil, err
		}
	}
	query := resolve.Query{
		Requirement: resolve.Requirement{Name: r.name, Range: r.rng},
		Host:        j.resolveHost(),
		Targets:     j.targets,
		Versions:    versions,
	}
	if entry, ok := j.locked(r.name); ok && entry.Source == repo.Source() {
		query.Locked = entry.Version
	}
	releases := map[string]*registry.Release{}
	choice, err := resolve.Choose(query, func(version string) (offer resolve.Offer, err error) {
		releases[version], offer, err = in.look(ctx, repo, version)
		return offer, err
	})
	if err != nil {
		return lockfile.Plugin{}, nil, err
	}
	release := releases[choice.Version]
	if r.digest != "" {
		if err := release.Verify(repo, r.digest); err != nil {
			return lockfile.Plugin{}, nil, err
		}
	}
	entry, err := in.lockEntry(ctx, j, repo, release)
	return entry, &Choice{Name: r.name, Source: repo.Source(), Choice: choice}, err
}

// pin turns a requirement by digest into the one version that the digest belongs to.
func (in *Installer) pin(ctx context.Context, repo registry.Repository, r requirement) ([]string, resolve.Range, error) {
	release, err := in.Source.Release(ctx, repo, r.digest.String())
	if err != nil {
		return nil, resolve.Range{}, err
	}
	rng, err := resolve.ParseRange(release.Version)
	return []string{release.Version}, rng, err
}

// look gives resolution the facts of one version. Content that is no sound plugin is a reason against the version; a
// source that can't be reached is an error, lest the answer depend on the network.
func (in *Installer) look(ctx context.Context, repo registry.Repository, version string) (*registry.Release, resolve.Offer, error) {
	release, err := in.Source.Release(ctx, repo, version)
	var invalid *registry.InvalidArtifactError
	switch {
	case errors.As(err, &invalid):
		return nil, resolve.Offer{Version: version, Problem: invalid.Error()}, nil
	case err != nil:
		return nil, resolve.Offer{}, err
	case release.Name != repo.Name:
		// A signature says nothing about the place: the name inside the artifact has to be the one asked for.
		return nil, resolve.Offer{Version: version, Problem: fmt.Sprintf("it says that it is plugin %q", release.Name)}, nil
	}
	offer := resolve.Offer{Version: release.Version, RequiresABI: release.RequiresABI}
	for _, t := range release.Targets {
		offer.Targets = append(offer.Targets, resolve.TargetOffer{Target: t.Target, ABI: t.ABI, Libc: t.Libc})
	}
	return release, offer, nil
}

// locate finds the one place that holds a plugin. Every place asked has to answer: one that is down might hold it too,
// and taking the other would let whoever can disturb the network choose the source.
func (in *Installer) locate(ctx context.Context, r requirement) (registry.Repository, []string, error) {
	sources := in.sources(r)
	found := make([][]string, len(sources))
	group, ctx := errgroup.WithContext(ctx)
	for i, source := range sources {
		group.Go(func() (err error) {
			found[i], err = in.versions(ctx, source, r.name)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return registry.Repository{}, nil, err
	}
	var holders []string
	var versions []string
	for i, source := range sources {
		if found[i] != nil {
			holders, versions = append(holders, source), found[i]
		}
	}
	switch len(holders) {
	case 0:
		return registry.Repository{}, nil, &UnknownError{r.name, sources}
	case 1:
		repo, err := repository(holders[0], r.name)
		return repo, versions, err
	}
	return registry.Repository{}, nil, &AmbiguousError{r.name, holders}
}

// Find gives the place of a reference, and the version or digest that it means there: what an install of it alone would
// choose for this machine.
func (in *Installer) Find(ctx context.Context, ref registry.Reference) (registry.Repository, string, error) {
	r, err := requirement{}.with(ref)
	if err != nil {
		return registry.Repository{}, "", err
	}
	repo, versions, err := in.locate(ctx, r)
	if err != nil || ref.Digest != "" {
		return repo, ref.Digest.String(), err
	}
	// Nothing is asked of the libraries: describing what does not run here is what info is for.
	choice, err := resolve.Choose(resolve.Query{Requirement: resolve.Requirement{Name: r.name, Range: r.rng}, Versions: versions},
		func(version string) (resolve.Offer, error) {
			_, offer, err := in.look(ctx, repo, version)
			return offer, err
		})
	return repo, choice.Version, err
}

// versions lists the tags of a plugin in one place; nil where the place does not have it.
func (in *Installer) versions(ctx context.Context, source, name string) ([]string, error) {
	repo, err := repository(source, name)
	if err != nil {
		return nil, err
	}
	versions, err := in.Source.Versions(ctx, repo)
	var absent *registry.NotFoundError
	if errors.As(err, &absent) {
		return nil, nil
	}
	if versions == nil {
		versions = []string{}
	}
	return versions, err
}

// sources are the places in which a requirement is looked up.
func (in *Installer) sources(r requirement) []string {
	if r.source != "" {
		return []string{r.source}
	}
	return in.Namespaces
}

func repository(source, name string) (registry.Repository, error) {
	host, namespace, err := registry.ParseNamespace(source)
	return registry.Repository{Registry: host, Namespace: namespace, Name: name}, err
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

// lockEntry writes down one release: every platform it offers, from its index alone.
func (in *Installer) lockEntry(ctx context.Context, j *job, repo registry.Repository, release *registry.Release) (lockfile.Plugin, error) {
	entry := lockfile.Plugin{
		Name: repo.Name, Version: release.Version, Source: repo.Source(), Index: release.Digest, RequiresABI: release.RequiresABI,
	}
	if err := in.Source.Complete(ctx, repo, release); err != nil {
		return entry, err
	}
	for _, t := range release.Targets {
		if t.Config == nil {
			return entry, &registry.InvalidArtifactError{Object: repo.String() + " " + release.Version, Problem: fmt.Sprintf("no config for %s", t.Target)}
		}
		if entry.ABI == (manifest.ABI{}) {
			entry.ABI = t.ABI
		}
		entry.Targets = append(entry.Targets, lockTarget(t))
		if t.Target.Satisfies(j.target) {
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
