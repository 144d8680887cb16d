package install

import (
	"context"
	"errors"
	"slices"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/loadr-plugins/loadr/lockfile"
	"github.com/loadr-plugins/loadr/manifest"
	"github.com/loadr-plugins/loadr/registry"
	"github.com/loadr-plugins/loadr/resolve"
)

// released is a plugin in a registry.
type released struct {
	in       *Installer
	repo     registry.Repository
	target   manifest.Target // of the plugins directory
	tags     []string
	releases map[string]*registry.Release // those that were read, by version
	statuses map[string]*registry.Status  // of those that were asked about
}

func (p *released) source() string { return p.repo.Source() }

func (p *released) versions() []string { return p.tags }

func (p *released) lock(ctx context.Context, version string) (lockfile.Plugin, error) {
	return p.in.lockEntry(ctx, p.target, p.repo, p.releases[version])
}

// quest is what a look-up is for.
type quest struct {
	target  manifest.Target   // of the plugins directory
	targets []manifest.Target // each needs a library
	host    resolve.Host
	vouched vouched
}

// locate finds the one place that holds a plugin. Every place asked has to answer: one that is down might hold it too,
// and taking the other would let whoever can disturb the network choose the source.
func (in *Installer) locate(ctx context.Context, r requirement, q quest) (place, error) {
	sources := in.sources(r)
	if r.digest != "" && len(sources) == 1 && !lockfile.IsFileSource(sources[0]) { // a digest needs no list of versions
		return in.placeAt(sources[0], r.name, q, nil)
	}
	found := make([]place, len(sources))
	group, ctx := errgroup.WithContext(ctx)
	for i, source := range sources {
		group.Go(func() (err error) {
			found[i], err = in.look(ctx, source, r.name, q)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var holders []string
	var at place
	for i, source := range sources {
		if found[i] != nil {
			holders, at = append(holders, source), found[i]
		}
	}
	switch len(holders) {
	case 0:
		return nil, &UnknownError{r.name, sources}
	case 1:
		return at, nil
	}
	return nil, &AmbiguousError{r.name, holders}
}

func (in *Installer) placeAt(source, name string, q quest, versions []string) (place, error) {
	repo, err := repository(source, name)
	return &released{in, repo, q.target, versions, map[string]*registry.Release{}, map[string]*registry.Status{}}, err
}

// look gives a plugin in one source; nil where the source does not have it.
func (in *Installer) look(ctx context.Context, source, name string, q quest) (place, error) {
	if lockfile.IsFileSource(source) {
		return in.filesAt(ctx, source, name, q)
	}
	repo, err := repository(source, name)
	if err != nil {
		return nil, err
	}
	versions, err := in.source().Versions(ctx, repo)
	var absent *registry.NotFoundError
	switch {
	case errors.As(err, &absent):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return in.placeAt(source, name, q, versions)
}

// sources are the places in which a requirement is looked up, each once.
func (in *Installer) sources(r requirement) []string {
	if r.source != "" {
		return []string{r.source}
	}
	var out []string
	for _, namespace := range in.Namespaces {
		if !slices.Contains(out, namespace) {
			out = append(out, namespace)
		}
	}
	return out
}

// announce lets the client ask for one token for all repositories of a host that the work may come to.
func (in *Installer) announce(ctx context.Context, requirements []requirement) context.Context {
	var repos []registry.Repository
	for _, r := range requirements {
		for _, source := range in.sources(r) {
			if repo, err := repository(source, r.name); err == nil {
				repos = append(repos, repo)
			}
		}
	}
	return registry.WithRepositories(ctx, repos)
}

func repository(source, name string) (registry.Repository, error) {
	host, namespace, err := registry.ParseNamespace(source)
	return registry.Repository{Registry: host, Namespace: namespace, Name: name}, err
}

// pin makes the release with digest d the only one that is offered. It is read by its digest, whatever tags say today.
func (p *released) pin(ctx context.Context, d digest.Digest) error {
	release, err := p.in.source().Release(ctx, p.repo, d.String())
	if err != nil {
		return err
	}
	p.tags, p.releases[release.Version] = []string{release.Version}, release
	return nil
}

// look gives resolution the facts of one version. Content that is no sound plugin is a reason against the version; a
// source that can't be reached is an error, lest the answer depend on the network.
func (p *released) look(ctx context.Context, version string) (resolve.Offer, error) {
	release, ok := p.releases[version]
	if !ok {
		var err error
		release, err = p.in.source().Release(ctx, p.repo, version)
		var invalid *registry.InvalidArtifactError
		switch {
		case errors.As(err, &invalid):
			return resolve.Offer{Version: version, Problem: invalid.Problem}, nil
		case err != nil:
			return resolve.Offer{}, err
		}
		p.releases[version] = release
	}
	offer := resolve.Offer{Version: release.Version, RequiresABI: release.RequiresABI, RequiresPlugins: release.Requires}
	for _, t := range release.Targets {
		offer.Targets = append(offer.Targets, resolve.TargetOffer{Target: t.Target, ABI: t.ABI, Libc: t.Libc})
	}
	return offer, nil
}

func (p *released) withdrawn(ctx context.Context, version string) (string, error) {
	status, ok := p.statuses[version]
	if !ok {
		var err error
		if status, err = p.in.source().Status(ctx, p.repo, p.releases[version].Digest); err != nil {
			return "", err
		}
		p.statuses[version] = status
	}
	return status.Withdrawn(), nil
}

// Withdrawn asks the registry whether a locked version was withdrawn, and gives the reason; empty while it stands.
func (in *Installer) Withdrawn(ctx context.Context, p lockfile.Plugin) (string, error) {
	if lockfile.IsFileSource(p.Source) {
		return "", nil // nobody has a place to say it
	}
	repo, err := repository(p.Source, p.Name)
	if err != nil {
		return "", err
	}
	status, err := in.source().Status(ctx, repo, p.Index)
	if err != nil {
		return "", err
	}
	return status.Withdrawn(), nil
}

// Find gives the place of a reference, and the version or digest that it means there: the one that is named, be it withdrawn,
// else the newest in the range that is not.
func (in *Installer) Find(ctx context.Context, ref registry.Reference) (registry.Repository, string, error) {
	r, err := requirement{}.with(ref)
	if err != nil {
		return registry.Repository{}, "", err
	}
	found, err := in.locate(ctx, r, quest{})
	if err != nil {
		return registry.Repository{}, "", err
	}
	at, ok := found.(*released)
	if !ok {
		return registry.Repository{}, "", &FoundInFilesError{r.name, found.source()}
	}
	if ref.Digest != "" {
		return at.repo, ref.Digest.String(), nil
	}
	// Nothing is asked of the libraries: describing what does not run here is what info is for.
	query := resolve.Query{Requirement: resolve.Requirement{Name: r.name, Range: r.rng}, Versions: at.tags}
	choice, err := resolve.Choose(query, func(version string) (resolve.Offer, error) {
		offer, err := at.look(ctx, version)
		if err == nil && version != ref.Range && offer.Problem == "" {
			offer.Withdrawn, err = at.withdrawn(ctx, version)
		}
		return offer, err
	})
	return at.repo, choice.Version, err
}
