package resolve

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/loadr-plugins/loadr/manifest"
	"github.com/loadr-plugins/loadr/resolve/pubgrub"
)

// Set is one question about several plugins that may require each other.
type Set struct {
	// Requirements are what is asked for, each name once; zero ranges mean every release.
	Requirements []Requirement
	Host         Host
	// Targets each need a library of every plugin. None means that nothing is asked of the libraries.
	Targets []manifest.Target
	// Locked has the versions in the lock by name, also those of plugins that only others require. They are preferred,
	// under the conditions of Query.Locked.
	Locked map[string]string
	// Renew names plugins whose locked version has no advantage, as Query.Renew.
	Renew map[string]bool
}

// Query is the question about one plugin of the set as if it were alone.
func (s Set) Query(r Requirement, versions []string) Query {
	return Query{
		Requirement: r, Host: s.Host, Targets: s.Targets, Versions: versions, Locked: s.Locked[r.Name], Renew: s.Renew[r.Name],
	}
}

// preferred is the locked version that is kept if it can be; empty for none.
func (s Set) preferred(name string) string {
	if s.Renew[name] {
		return ""
	}
	return s.Locked[name]
}

// Offers says what sources have. The answers must not change meanwhile; an error ends the resolution.
type Offers interface {
	// Versions lists a plugin's versions in any order; nothing for a plugin that no source has. What is not a version is
	// ignored.
	Versions(name string) ([]string, error)
	// Look gives the facts about one listed version. It is asked again for the same version.
	Look(name, version string) (Offer, error)
}

// ChooseSet gives a version of every plugin that is asked for, and of those that these require, where all of the
// requirements hold together. Plugins are settled by name, those asked for first: each gets the newest version, or the locked
// one, that leaves a solution for the rest. With plugins that require nothing the answers are Choose's.
//
// Where there is no solution the error is a *NoVersionError if a plugin that is asked for has no version even by itself, else a
// *ConflictError. Other errors are those of offers.
func ChooseSet(s Set, offers Offers) (map[string]Choice, error) {
	c := &catalog{Set: s, offers: offers, plugins: map[string]*candidates{}}
	chosen, err := pubgrub.Solve(c.root(), c)
	var conflict *pubgrub.ConflictError
	switch {
	case errors.As(err, &conflict):
		return nil, c.failure(conflict)
	case err != nil:
		return nil, err
	}
	return c.choices(chosen), nil
}

// ConflictError says that requirements can't hold together, with the proof: each step follows from what it names, and the last
// one says that there is no solution.
type ConflictError struct {
	Steps []pubgrub.Step `json:"steps"`
}

// Error gives the last step that says more than that there is no solution.
func (e *ConflictError) Error() string {
	last := e.Steps[len(e.Steps)-1]
	return "requirements of plugins contradict each other: " + strings.Join(last.Because, ", but ")
}

// Explanation gives every step, a line each.
func (e *ConflictError) Explanation() string {
	var b strings.Builder
	for _, step := range e.Steps {
		fmt.Fprintf(&b, "because %s, %s\n", strings.Join(step.Because, " and "), step.So)
	}
	return b.String()
}

// Hint says where to start.
func (e *ConflictError) Hint() string {
	return "widen one of the ranges named above, or ask the authors for a version that fits"
}

// candidates are a plugin's versions as the solver counts them: the locked one, then the newest first.
type candidates struct {
	versions []*semver.Version
	ignored  []string
	reasons  map[int]Rejection // of those that were looked at and can't be used
	offers   map[int]Offer     // of those that can
}

// catalog is what the solver sees of a Set. It implements pubgrub.Catalog.
type catalog struct {
	Set
	offers  Offers
	plugins map[string]*candidates
}

func (c *catalog) root() (required []pubgrub.Requirement) {
	for _, r := range c.Requirements {
		required = append(required, c.requirement(r.Name, r.Range))
	}
	return required
}

func (c *catalog) requirement(name string, r Range) pubgrub.Requirement {
	return pubgrub.Requirement{Name: name, Text: r.String(), Allows: func(i int) bool {
		return r.allows(c.plugins[name].versions[i])
	}}
}

// Candidates lists a plugin's versions in the order of preference.
func (c *catalog) Candidates(name string) (int, error) {
	words, err := c.offers.Versions(name)
	if err != nil {
		return 0, err
	}
	s := newSearch(Query{Versions: words}, nil) // sorts and sieves
	p := &candidates{versions: s.candidates, ignored: s.ignored, reasons: map[int]Rejection{}, offers: map[int]Offer{}}
	locked := slices.IndexFunc(p.versions, func(v *semver.Version) bool { return v.Original() == c.preferred(name) })
	if locked > 0 {
		first := p.versions[locked]
		p.versions = slices.Insert(slices.Delete(p.versions, locked, locked+1), 0, first)
	}
	c.plugins[name] = p
	return len(p.versions), nil
}

// Title names a version.
func (c *catalog) Title(name string, i int) string { return c.plugins[name].versions[i].Original() }

// Requires looks at one version: it may not serve the host at all.
func (c *catalog) Requires(name string, i int) ([]pubgrub.Requirement, error) {
	version := c.Title(name, i)
	look := func(version string) (Offer, error) { return c.offers.Look(name, version) }
	one := newSearch(Query{Host: c.Host, Targets: c.Targets, Versions: []string{version}}, look)
	one.Range = anyVersion
	fits, err := one.examine(0, version == c.preferred(name))
	if err != nil {
		return nil, err
	}
	if fits {
		var required []pubgrub.Requirement
		if required, err = c.required(one.offers[0]); err == nil {
			c.plugins[name].offers[i] = one.offers[0]
			return required, nil
		}
		one.reject(0, Invalid, "unusable: "+clean(err.Error()))
	}
	c.plugins[name].reasons[i] = one.reasons[0]
	return nil, &pubgrub.UnusableError{Reason: one.reasons[0].Detail}
}

// required gives the requirements of an offer; the error is that of a range that can't be read.
func (c *catalog) required(o Offer) (required []pubgrub.Requirement, err error) {
	for _, name := range slices.Sorted(maps.Keys(o.RequiresPlugins)) {
		r, err := ParseRange(o.RequiresPlugins[name])
		if err != nil {
			return nil, fmt.Errorf("[requires.plugins] %s: %w", name, err)
		}
		required = append(required, c.requirement(name, r))
	}
	return required, nil
}

// failure prefers the message about one plugin, which has advice, to the proof about several.
func (c *catalog) failure(conflict *pubgrub.ConflictError) error {
	for _, r := range slices.SortedFunc(slices.Values(c.Requirements), func(a, b Requirement) int { return strings.Compare(a.Name, b.Name) }) {
		words, err := c.offers.Versions(r.Name)
		if err != nil {
			return err
		}
		_, err = Choose(c.Query(r, words), func(version string) (Offer, error) { return c.offers.Look(r.Name, version) })
		if err != nil {
			return err
		}
	}
	return &ConflictError{conflict.Steps}
}
