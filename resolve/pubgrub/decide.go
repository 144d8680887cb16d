package pubgrub

import (
	"errors"
	"strings"
)

// undecided gives the package to settle next: by name among those that the root asks for, then among those that settled
// candidates require. What was only learned of a package does not make it wanted, so the order is that of the requirements.
func (s *solver) undecided() (int, bool) {
	next := s.firstOpen(-1, s.root)
	if next < 0 {
		for _, p := range s.packages {
			if p.decided >= 0 {
				next = s.firstOpen(next, p.asked[p.decided])
			}
		}
	}
	return next, next >= 0
}

// firstOpen gives the package with the smallest name out of best and those required that have no candidate yet.
func (s *solver) firstOpen(best int, required []Requirement) int {
	for _, r := range required {
		n := s.numbers[r.Name]
		if s.packages[n].decided < 0 && (best < 0 || strings.Compare(r.Name, s.packages[best].name) < 0) {
			best = n
		}
	}
	return best
}

// decide takes the most preferred candidate that is left. Propagation finds out whether what it requires rules it out at
// once. A candidate that can't be used is not decided for: propagation excludes it.
func (s *solver) decide(n int) error {
	p := s.packages[n]
	candidate := s.left(n).first()
	switch err := s.ask(n, candidate); {
	case errors.As(err, new(*UnusableError)):
		s.exclude(n, candidate, err.Error())
		return nil
	case err != nil:
		return err
	}
	s.level++
	p.decided = candidate
	s.assign(assignment{pkg: n, level: s.level, left: only(p.options, candidate)})
	return nil
}

// ask learns what a candidate requires, once.
func (s *solver) ask(n, candidate int) error {
	p := s.packages[n]
	if _, known := p.asked[candidate]; known {
		return nil
	}
	required, err := s.catalog.Requires(p.name, candidate)
	if err != nil {
		return err
	}
	p.asked[candidate] = required
	for _, r := range required {
		if _, err := s.addRequirement(n, candidate, r); err != nil {
			return err
		}
	}
	return nil
}

// exclude notes that a candidate is part of no solution.
func (s *solver) exclude(n, candidate int, reason string) {
	only := term{n, only(s.packages[n].options, candidate)}
	s.add(&incompatibility{terms: []term{only}, by: n, candidate: candidate, unusable: reason})
}

// solution gives what was decided.
func (s *solver) solution() map[string]int {
	chosen := map[string]int{}
	for _, p := range s.packages {
		if p.decided >= 0 {
			chosen[p.name] = p.decided
		}
	}
	return chosen
}
