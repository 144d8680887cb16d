package install

import (
	"context"
	"errors"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/loadr-plugins/loadr/lockfile"
	"github.com/loadr-plugins/loadr/registry"
	"github.com/loadr-plugins/loadr/resolve"
)

// Standing is how one plugin of a project stands against what is published. Versions are empty where there is none.
type Standing struct {
	Name       string   `json:"name"`
	Source     string   `json:"source"`
	Range      string   `json:"range,omitempty"` // in loadr.toml; empty for one that is only required
	RequiredBy []string `json:"required_by"`     // locked plugins
	Current    string   `json:"current"`         // locked
	Compatible string   `json:"compatible"`      // what an update of everything would choose
	Newest     string   `json:"newest"`          // release that is published
	Dropped    bool     `json:"dropped"`         // nothing would require it any more after an update
	// Rejected has what is against each version that is newer than Compatible, and against Current where that is.
	Rejected []resolve.Rejection `json:"rejected"`
	// Problems are with the locked version: codes moved, gone and withdrawn.
	Problems []Finding `json:"problems"`
}

// Fine says whether there is nothing to tell.
func (s Standing) Fine() bool {
	return s.Current == s.Compatible && resolve.Compare(s.Newest, s.Current) <= 0 && len(s.Problems) == 0
}

// Against gives the reason against a version; empty where there is none.
func (s Standing) Against(version string) string {
	for _, r := range s.Rejected {
		if r.Version == version {
			return r.Detail
		}
	}
	return ""
}

// Outdated asks the sources how every plugin of the project stands, in parallel: for each the list of versions, the locked
// version, and the candidates that an update looks at. It changes nothing and works on any platform. The result is sorted
// by name, those that are Fine among them.
func (in *Installer) Outdated(ctx context.Context) ([]Standing, error) {
	in.offline = false
	j, err := in.survey()
	if err != nil {
		return nil, err
	}
	j.renewAll()
	s := &standings{in: in, job: j, offers: in.offers(in.announce(ctx, j.requirements), j, map[string]lockfile.Plugin{})}
	if err := s.ask(); err != nil {
		return nil, err
	}
	choices, err := s.choose()
	if err != nil {
		return nil, err
	}
	out := make([]Standing, len(s.found))
	for i, standing := range s.found {
		out[i] = s.complete(standing, choices)
	}
	return out, nil
}

// standings is the work of one Outdated.
type standings struct {
	in     *Installer
	job    *job
	offers *offers
	found  []Standing
}

// ask looks up every plugin where it belongs, and its locked version there.
func (s *standings) ask() error {
	names := s.job.names()
	s.found = make([]Standing, len(names))
	var pins sync.Mutex
	group, ctx := errgroup.WithContext(s.offers.ctx)
	group.SetLimit(s.in.limit())
	for i, name := range names {
		group.Go(func() error {
			standing, at, err := s.askOne(ctx, name)
			s.found[i] = standing
			pins.Lock()
			defer pins.Unlock()
			if at != nil {
				s.offers.places[name] = at
			} else if entry, ok := s.job.locked(name); ok {
				s.offers.pins[name] = entry // nothing else can be said about it
			}
			return err
		})
	}
	return group.Wait()
}

// askOne gives no place for a plugin that is nowhere.
func (s *standings) askOne(ctx context.Context, name string) (Standing, place, error) {
	r, asked := s.job.requirement(name)
	entry, locked := s.job.locked(name)
	if !asked {
		r = requirement{name: name, source: entry.Source}
	}
	out := Standing{
		Name: name, Source: r.source, Range: r.written, Current: entry.Version,
		RequiredBy: orEmpty(requiring(s.job.lock, name)), Rejected: []resolve.Rejection{}, Problems: []Finding{},
	}
	at, err := s.in.locate(ctx, r, s.job.quest(r))
	var unknown *UnknownError
	switch {
	case errors.As(err, &unknown) && locked:
		out.add(Vanished, "%s no longer has this plugin", entry.Source)
		return out, nil, nil
	case err != nil:
		return out, nil, err
	}
	out.Source, out.Newest = at.source(), resolve.Newest(at.versions())
	if locked && out.Source == entry.Source {
		err = s.checkLocked(ctx, &out, at, entry)
	}
	return out, at, err
}

// checkLocked holds a locked version against the registry's.
func (s *standings) checkLocked(ctx context.Context, out *Standing, where place, entry lockfile.Plugin) error {
	at, ok := where.(*released)
	switch {
	case !ok:
		return s.in.verifyIndex(ctx, entry, out.add)
	case !slices.Contains(at.tags, entry.Version):
		out.add(Vanished, "%s no longer lists %s", at.repo, entry.Version)
		return nil
	}
	offer, err := at.look(ctx, entry.Version)
	if err == nil && offer.Problem != "" {
		err = &registry.InvalidArtifactError{Problem: offer.Problem}
	}
	release := at.releases[entry.Version]
	if err := heldAgainst(at.repo, entry, release, err, out.add); err != nil || release == nil {
		return err
	}
	reason, err := at.withdrawn(ctx, entry.Version)
	if reason != "" {
		out.add(Recalled, "%s", reason)
	}
	return err
}

func (s *Standing) add(code FindingCode, format string, args ...any) {
	s.Problems = append(s.Problems, finding(code, format, args...))
}

// choose finds out what an update would choose. A plugin for which there is nothing is left as it is locked.
func (s *standings) choose() (map[string]resolve.Choice, error) {
	for {
		choices, err := s.offers.choose()
		if !s.job.holdBack(s.offers, err) {
			return choices, err
		}
		for name := range s.job.held {
			s.offers.pins[name], _ = s.job.locked(name)
		}
	}
}

func (s *standings) complete(out Standing, choices map[string]resolve.Choice) Standing {
	choice, chosen := choices[out.Name]
	out.Dropped = !chosen
	rejected := choice.Rejected
	if _, pinned := s.offers.pins[out.Name]; pinned {
		rejected = s.job.held[out.Name]
	} else {
		out.Compatible = choice.Version
	}
	for _, r := range rejected {
		if resolve.Compare(r.Version, out.Compatible) > 0 {
			out.Rejected = append(out.Rejected, r)
		}
	}
	return out
}
