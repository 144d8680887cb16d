package pubgrub

import (
	"slices"
	"strings"
)

// term says that a package's option is in a set.
type term struct {
	pkg int
	set set
}

// incompatibility is a set of terms that are not all true in any solution: at most one for each package, in the order of
// packages, none of them of all options. Without terms it says that there is no solution.
type incompatibility struct {
	terms []term
	// The reason is a requirement, of a candidate or of the root (candidate < 0), or that a candidate is unusable, or two
	// other incompatibilities.
	by          int // package that requires
	candidate   int
	requirement Requirement
	unusable    string
	causes      [2]*incompatibility
	filed       bool
}

// assignment narrows a package's options: to one by decision, or by what an incompatibility leaves over.
type assignment struct {
	pkg   int
	level int              // decisions made up to this one
	left  set              // options of the package after it
	cause *incompatibility // nil: a decision
}

// pkg is a package that was heard of.
type pkg struct {
	name     string
	options  int   // candidates and absence
	log      []int // its assignments, oldest first
	mentions []*incompatibility
	asked    map[int][]Requirement // what candidates require, as far as it was asked
	decided  int                   // candidate, or -1
}

func (p *pkg) absent() int { return p.options - 1 }

// solver is the state of one search.
type solver struct {
	catalog     Catalog
	numbers     map[string]int
	packages    []*pkg
	root        []Requirement
	assignments []assignment
	impossible  *incompatibility // says that there is no solution, whatever is decided
	level       int
}

func newSolver(catalog Catalog) *solver { return &solver{catalog: catalog, numbers: map[string]int{}} }

// number gives a package's number and looks the package up when it is new.
func (s *solver) number(name string) (int, error) {
	if n, ok := s.numbers[name]; ok {
		return n, nil
	}
	count, err := s.catalog.Candidates(name)
	if err != nil {
		return 0, err
	}
	n := len(s.packages)
	s.numbers[name] = n
	s.packages = append(s.packages, &pkg{name: name, options: count + 1, asked: map[int][]Requirement{}, decided: -1})
	return n, nil
}

// require takes in what the root asks for. The packages are those to propagate from.
func (s *solver) require(root []Requirement) (changed []int, err error) {
	s.root = slices.Clone(root)
	// The order of packages with equal rights must not come from the caller.
	slices.SortStableFunc(s.root, func(a, b Requirement) int { return strings.Compare(a.Name+"\x00"+a.Text, b.Name+"\x00"+b.Text) })
	for _, r := range s.root {
		n, err := s.addRequirement(-1, -1, r)
		if err != nil {
			return nil, err
		}
		changed = append(changed, n)
	}
	return changed, nil
}

// addRequirement notes that a candidate, or the root, can't be without what it requires, and gives the required package.
func (s *solver) addRequirement(by, candidate int, r Requirement) (int, error) {
	n, err := s.number(r.Name)
	if err != nil {
		return 0, err
	}
	in := &incompatibility{by: by, candidate: candidate, requirement: r}
	if by >= 0 {
		in.terms = append(in.terms, term{by, only(s.packages[by].options, candidate)})
	}
	in.terms = s.merge(in.terms, []term{{n, s.refused(n, r)}})
	s.add(in)
	return n, nil
}

// refused gives the options of a package that do not serve a requirement, absence among them.
func (s *solver) refused(n int, r Requirement) set {
	p := s.packages[n]
	left := only(p.options, p.absent())
	for i := range p.absent() {
		if !r.Allows(i) {
			left[i/wordBits] |= 1 << (i % wordBits)
		}
	}
	return left
}

// merge gives the conjunction of two lists of terms. Terms that are always true are left out.
func (s *solver) merge(a, b []term) []term {
	var merged []term
	for len(a) > 0 || len(b) > 0 {
		var t term
		switch {
		case len(b) == 0 || len(a) > 0 && a[0].pkg < b[0].pkg:
			t, a = a[0], a[1:]
		case len(a) == 0 || b[0].pkg < a[0].pkg:
			t, b = b[0], b[1:]
		default:
			t, a, b = term{a[0].pkg, a[0].set.and(b[0].set)}, a[1:], b[1:]
		}
		if !all(s.packages[t.pkg].options).within(t.set) {
			merged = append(merged, t)
		}
	}
	return merged
}

// add files an incompatibility, unless it can't ever apply: a candidate that requires itself in a way that it fulfils.
func (s *solver) add(in *incompatibility) {
	if in.filed {
		return
	}
	in.filed = true
	if slices.ContainsFunc(in.terms, func(t term) bool { return t.set.empty() }) {
		return
	}
	for _, t := range in.terms {
		s.packages[t.pkg].mentions = append(s.packages[t.pkg].mentions, in)
	}
	if len(in.terms) == 0 {
		s.impossible = in
	}
}

// left gives the options that a package still has.
func (s *solver) left(n int) set {
	p := s.packages[n]
	if len(p.log) == 0 {
		return all(p.options)
	}
	return s.assignments[p.log[len(p.log)-1]].left
}

func (s *solver) assign(a assignment) {
	p := s.packages[a.pkg]
	p.log = append(p.log, len(s.assignments))
	s.assignments = append(s.assignments, a)
}
