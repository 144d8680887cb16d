package install

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/loadr-plugins/loadr/lockfile"
	"github.com/loadr-plugins/loadr/resolve"
)

// offers is what one resolution sees of the sources, read once and kept. It implements resolve.Offers.
type offers struct {
	ctx  context.Context
	in   *Installer
	job  *job
	pins map[string]lockfile.Plugin // stay at their locked version; nothing is asked about them

	mu     sync.Mutex
	places map[string]place  // by plugin; nil: no source has it
	wanted map[string]string // namespace in which plugins that others require are looked up
}

func (in *Installer) offers(ctx context.Context, j *job, pins map[string]lockfile.Plugin) *offers {
	return &offers{ctx: ctx, in: in, job: j, pins: pins, places: map[string]place{}, wanted: map[string]string{}}
}

// choose answers the question that the job is.
func (o *offers) choose() (map[string]resolve.Choice, error) {
	set := o.job.set()
	if err := o.warm(set); err != nil {
		return nil, err
	}
	choices, err := resolve.ChooseSet(set, o)
	if err != nil {
		return nil, err
	}
	return choices, o.agree(choices)
}

// Versions lists a plugin's versions: the locked one alone for a pinned plugin.
func (o *offers) Versions(name string) ([]string, error) {
	if p, ok := o.pins[name]; ok {
		return []string{p.Version}, nil
	}
	at, err := o.place(name)
	if at == nil || err != nil {
		return nil, err
	}
	return at.versions(), nil
}

// Look gives the facts about one version, and remembers where what it requires is looked up: in its own namespace. Whether
// it was withdrawn is a request more, which is made only for a version that could be chosen otherwise.
func (o *offers) Look(name, version string) (resolve.Offer, error) {
	if p, ok := o.pins[name]; ok {
		return offerOf(p), nil
	}
	at, err := o.place(name)
	if err != nil {
		return resolve.Offer{}, err
	}
	offer, err := at.look(o.ctx, version)
	if err == nil && resolve.Suits(resolveHost(o.job.host), o.job.targets, offer) {
		offer.Withdrawn, err = at.withdrawn(o.ctx, version)
	}
	if source := home(at.source()); err == nil && source != "" {
		o.want(slices.Collect(maps.Keys(offer.RequiresPlugins)), source)
	}
	return offer, err
}

func (o *offers) want(names []string, source string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, name := range names {
		// The first one by name, as they are found in any order.
		if was := o.wanted[name]; was == "" || source < was {
			o.wanted[name] = source
		}
	}
}

// requirement says where a plugin is looked up: as asked for, else where it is locked from, else in the namespace of who
// requires it.
func (o *offers) requirement(name string) requirement {
	if i := slices.IndexFunc(o.job.requirements, func(r requirement) bool { return r.name == name }); i >= 0 {
		return o.job.requirements[i]
	}
	r := requirement{name: name, source: o.wanted[name]}
	if entry, ok := o.job.locked(name); ok {
		r.source = entry.Source
	}
	return r
}

// place finds where a plugin lives, once.
func (o *offers) place(name string) (place, error) {
	o.mu.Lock()
	at, known := o.places[name]
	r := o.requirement(name)
	o.mu.Unlock()
	if known {
		return at, nil
	}
	at, err := r.opened, error(nil)
	if at == nil {
		at, err = o.in.locate(o.ctx, r, o.job.quest(r))
	}
	var unknown *UnknownError
	switch {
	case errors.As(err, &unknown) && !o.job.requires(name):
		err = nil // whoever requires it can't be chosen, which resolution explains
	case err == nil && r.digest != "":
		err = pin(o.ctx, at, r)
	}
	if err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.places[name] = at
	return at, nil
}

// pin leaves of a place the release with the wanted digest.
func pin(ctx context.Context, at place, r requirement) error {
	if at, ok := at.(*released); ok {
		return at.pin(ctx, r.digest)
	}
	return &FoundInFilesError{r.name, at.source()}
}

// warm asks in parallel for what resolution will most likely want to know: the best version of each plugin by itself, then the
// same of those that these require. Resolution asks one after another for the little that is left. All failures of
// plugins that are asked for are reported, in the order of their names.
func (o *offers) warm(set resolve.Set) error {
	round := set.Requirements
	seen := map[string]bool{}
	for len(round) > 0 {
		next, err := o.warmRound(set, round)
		if err != nil {
			return err
		}
		for _, r := range round {
			seen[r.Name] = true
		}
		round = slices.DeleteFunc(next, func(r resolve.Requirement) bool { return seen[r.Name] })
	}
	return nil
}

func (o *offers) warmRound(set resolve.Set, round []resolve.Requirement) (next []resolve.Requirement, err error) {
	found := make([]resolve.Offer, len(round))
	errs := make([]error, len(round))
	var group errgroup.Group
	group.SetLimit(o.in.limit())
	for i, r := range round {
		group.Go(func() error {
			found[i], errs[i] = o.best(set, r)
			return nil
		})
	}
	_ = group.Wait()
	for _, offer := range found {
		for _, name := range slices.Sorted(maps.Keys(offer.RequiresPlugins)) {
			if rng, err := resolve.ParseRange(offer.RequiresPlugins[name]); err == nil {
				next = append(next, resolve.Requirement{Name: name, Range: rng})
			}
		}
	}
	slices.SortFunc(next, func(a, b resolve.Requirement) int { return strings.Compare(a.Name, b.Name) })
	next = slices.CompactFunc(next, func(a, b resolve.Requirement) bool { return a.Name == b.Name })
	return next, errors.Join(errs...)
}

// best looks for the version that a plugin would get if it were alone. That there is none is an error only for a plugin
// that was asked for.
func (o *offers) best(set resolve.Set, r resolve.Requirement) (resolve.Offer, error) {
	versions, err := o.Versions(r.Name)
	if err != nil {
		return resolve.Offer{}, err
	}
	choice, err := resolve.Choose(set.Query(r, versions), func(version string) (resolve.Offer, error) { return o.Look(r.Name, version) })
	var none *resolve.NoVersionError
	if errors.As(err, &none) && !o.job.requires(r.Name) {
		err = nil
	}
	return choice.Offer, err
}

// agree refuses a choice in which a plugin would come from another namespace than one of those who require it expects. It can
// be settled by naming the plugin in loadr.toml.
func (o *offers) agree(choices map[string]resolve.Choice) error {
	for _, name := range slices.Sorted(maps.Keys(choices)) {
		for _, required := range slices.Sorted(maps.Keys(choices[name].Offer.RequiresPlugins)) {
			if o.job.requires(required) {
				continue
			}
			if by, from := home(o.source(name)), o.source(required); by != "" && by != from {
				return fmt.Errorf("plugin %q, which %q requires: %w", required, name, &AmbiguousError{required, []string{from, by}})
			}
		}
	}
	return nil
}

// source gives the namespace that a chosen plugin comes from.
func (o *offers) source(name string) string {
	if p, ok := o.pins[name]; ok {
		return p.Source
	}
	return o.places[name].source()
}

// requires says whether a plugin was asked for, in loadr.toml or on the command line.
func (j *job) requires(name string) bool {
	return slices.ContainsFunc(j.requirements, func(r requirement) bool { return r.name == name })
}
