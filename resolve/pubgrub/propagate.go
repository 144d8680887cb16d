package pubgrub

import "slices"

// propagate draws every conclusion from what the packages in changed have left, and learns from the contradictions that
// it meets. The error is a *ConflictError.
func (s *solver) propagate(changed []int) error {
	if s.impossible != nil {
		return s.conflict(s.impossible)
	}
	for len(changed) > 0 {
		n := changed[0]
		changed = changed[1:]
		mentions := s.packages[n].mentions
		for i := len(mentions) - 1; i >= 0; i-- { // what was learned last is the most specific
			open, relation := s.relation(mentions[i])
			switch relation {
			case contradiction:
				learned, err := s.learn(mentions[i])
				if err != nil {
					return err
				}
				open, _ = s.relation(learned)
				s.conclude(learned, open)
				changed = []int{learned.terms[open].pkg}
			case conclusion:
				s.conclude(mentions[i], open)
				if pkg := mentions[i].terms[open].pkg; !slices.Contains(changed, pkg) {
					changed = append(changed, pkg)
				}
			}
			if relation == contradiction {
				break
			}
		}
	}
	return nil
}

// relation is what the assignments make of an incompatibility.
type relation int

const (
	unrelated     relation = iota // a term is false, or two are open
	conclusion                    // one term is open: it must be false
	contradiction                 // all terms are true
)

// relation also gives the index of the one open term, for a conclusion.
func (s *solver) relation(in *incompatibility) (open int, _ relation) {
	open = -1
	for i, t := range in.terms {
		left := s.left(t.pkg)
		switch {
		case left.within(t.set):
		case left.apart(t.set) || open >= 0:
			return -1, unrelated
		default:
			open = i
		}
	}
	if open < 0 {
		return -1, contradiction
	}
	return open, conclusion
}

// conclude makes the open term false.
func (s *solver) conclude(in *incompatibility, open int) {
	t := in.terms[open]
	s.assign(assignment{pkg: t.pkg, level: s.level, left: s.left(t.pkg).minus(t.set), cause: in})
}

// learn finds what really made all terms true, goes back to before that, and gives an incompatibility that from there has
// one open term: the same dead end is not entered again.
func (s *solver) learn(in *incompatibility) (*incompatibility, error) {
	for {
		if len(in.terms) == 0 {
			return nil, s.conflict(in)
		}
		last, pivot := s.satisfier(in)
		a := s.assignments[last]
		before := s.levelBefore(in, last, pivot)
		if a.cause == nil || before < a.level {
			s.backtrack(before)
			s.add(in)
			return in, nil
		}
		in = s.resolvent(in, a.cause, in.terms[pivot].pkg)
	}
}

// satisfier gives the assignment that made the last of the terms true, and the index of that term.
func (s *solver) satisfier(in *incompatibility) (last, pivot int) {
	last = -1
	for i, t := range in.terms {
		if at := s.madeTrue(t); at > last {
			last, pivot = at, i
		}
	}
	return last, pivot
}

// madeTrue gives the first assignment after which a term was true; the term is true now.
func (s *solver) madeTrue(t term) int {
	log := s.packages[t.pkg].log
	i := slices.IndexFunc(log, func(at int) bool { return s.assignments[at].left.within(t.set) })
	return log[i]
}

// levelBefore gives the level at which all terms were true but for the assignment last: what it added to is needed too,
// where it made its term true only together with earlier ones.
func (s *solver) levelBefore(in *incompatibility, last, pivot int) int {
	level := 0
	for i, t := range in.terms {
		if i != pivot {
			level = max(level, s.assignments[s.madeTrue(t)].level)
		}
	}
	cause := s.assignments[last].cause
	if cause == nil {
		return level
	}
	t := in.terms[pivot]
	rest := t.set.or(cause.about(t.pkg))
	if !all(s.packages[t.pkg].options).within(rest) {
		level = max(level, s.assignments[s.madeTrue(term{t.pkg, rest})].level)
	}
	return level
}

// about gives the set of the term of a package.
func (in *incompatibility) about(n int) set {
	i := slices.IndexFunc(in.terms, func(t term) bool { return t.pkg == n })
	return in.terms[i].set
}

// without gives the terms of all other packages.
func (in *incompatibility) without(n int) []term {
	return slices.DeleteFunc(slices.Clone(in.terms), func(t term) bool { return t.pkg == n })
}

// resolvent follows from both: whatever option package n has, it is outside of one of their sets or in both.
func (s *solver) resolvent(a, b *incompatibility, n int) *incompatibility {
	rest := s.merge(a.without(n), b.without(n))
	terms := s.merge(rest, []term{{n, a.about(n).or(b.about(n))}})
	return &incompatibility{terms: terms, by: -1, candidate: -1, causes: [2]*incompatibility{a, b}}
}

// backtrack takes back every assignment of a later level.
func (s *solver) backtrack(level int) {
	for len(s.assignments) > 0 {
		a := s.assignments[len(s.assignments)-1]
		if a.level <= level {
			break
		}
		p := s.packages[a.pkg]
		p.log = p.log[:len(p.log)-1]
		if a.cause == nil {
			p.decided = -1
		}
		s.assignments = s.assignments[:len(s.assignments)-1]
	}
	s.level = level
}
