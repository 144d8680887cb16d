package install

import (
	"context"
	"errors"
	"slices"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/loadr-plugins/loadr/lockfile"
	"github.com/loadr-plugins/loadr/registry"
	"github.com/loadr-plugins/loadr/resolve"
)

// place is one plugin in the one source that holds it.
type place struct {
	source   registry.Source
	repo     registry.Repository
	versions []string
	releases map[string]*registry.Release // those that were read, by version
	statuses map[string]*registry.Status  // of those that were asked about
}

// locate finds the one place that holds a plugin. Every place asked has to answer: one that is down might hold it too,
// and taking the other would let whoever can disturb the network choose the source.
func (in *Installer) locate(ctx context.Context, r requirement) (*place, error) {
	sources := in.sources(r)
	if r.digest != "" && len(sources) == 1 { // a digest needs no list of versions
		return in.placeAt(sources[0], r.name, nil)
	}
	found := make([][]string, len(sources))
	group, ctx := errgroup.WithContext(ctx)
	for i, source := range sources {
		group.Go(func() (err error) {
			found[i], err = in.versions(ctx, source, r.name)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
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
		return nil, &UnknownError{r.name, sources}
	case 1:
		return in.placeAt(holders[0], r.name, versions)
	}
	return nil, &AmbiguousError{r.name, holders}
}

func (in *Installer) placeAt(source, name string, versions []string) (*place, error) {
	repo, err := repository(source, name)
	return &place{in.source(), repo, versions, map[string]*registry.Release{}, map[string]*registry.Status{}}, err
}

// versions lists the tags of a plugin in one place; nil where the place does not have it.
func (in *Installer) versions(ctx context.Context, source, name string) ([]string, error) {
	repo, err := repository(source, name)
	if err != nil {
		return nil, err
	}
	versions, err := in.source().Versions(ctx, repo)
	var absent *registry.NotFoundError
	if errors.As(err, &absent) {
		return nil, nil
	}
	if versions == nil {
		versions = []string{}
	}
	return versions, err
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
func (p *place) pin(ctx context.Context, d digest.Digest) error {
	release, err := p.source.Release(ctx, p.repo, d.String())
	if err != nil {
		return err
	}
	p.versions, p.releases[release.Version] = []string{release.Version}, release
	return nil
}

// look gives resolution the facts of one version. Content that is no sound plugin is a reason against the version; a
// source that can't be reached is an error, lest the answer depend on the network.
func (p *place) look(ctx context.Context, version string) (resolve.Offer, error) {
	release, ok := p.releases[version]
	if !ok {
		var err error
		release, err = p.source.Release(ctx, p.repo, version)
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

// withdrawn asks whether a version that look found was withdrawn, and gives the reason. A registry that does not answer is an
// error, lest whoever can disturb the network bring a withdrawn version back.
func (p *place) withdrawn(ctx context.Context, version string) (string, error) {
	status, ok := p.statuses[version]
	if !ok {
		var err error
		if status, err = p.source.Status(ctx, p.repo, p.releases[version].Digest); err != nil {
			return "", err
		}
		p.statuses[version] = status
	}
	return status.Withdrawn(), nil
}

// Withdrawn asks the registry whether a locked version was withdrawn, and gives the reason; empty while it stands.
func (in *Installer) Withdrawn(ctx context.Context, p lockfile.Plugin) (string, error) {
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
	at, err := in.locate(ctx, r)
	if err != nil {
		return registry.Repository{}, "", err
	}
	if ref.Digest != "" {
		return at.repo, ref.Digest.String(), nil
	}
	// Nothing is asked of the libraries: describing what does not run here is what info is for.
	query := resolve.Query{Requirement: resolve.Requirement{Name: r.name, Range: r.rng}, Versions: at.versions}
	choice, err := resolve.Choose(query, func(version string) (resolve.Offer, error) {
		offer, err := at.look(ctx, version)
		if err == nil && version != ref.Range && offer.Problem == "" {
			offer.Withdrawn, err = at.withdrawn(ctx, version)
		}
		return offer, err
	})
	return at.repo, choice.Version, err
}
