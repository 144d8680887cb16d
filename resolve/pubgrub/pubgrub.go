// Package pubgrub chooses one candidate for each of several packages that require one another, or explains why there is no
// such choice. It is the PubGrub algorithm (Natalie Weizenbaum, 2018), conflict-driven learning over sets of candidates, and
// complete: it finds a solution where there is one.
//
// It knows packages as names and candidates as numbers, the most preferred first; what a version or a range is, and where
// requirements come from, is its caller's affair. It does no I/O of its own and asks its Catalog for no more than it needs,
// so that the answers may come from a network.
//
// docs/resolution.md says what the result means for users. The result does not depend on the order of requirements: it is the
// first solution in the order of preference, where packages are settled by name, those that the root asks for first, then
// those that the ones settled so far require.
package pubgrub

// Catalog is what there is to choose from. Its answers must not change while Solve runs. An error ends the search.
type Catalog interface {
	// Candidates gives the number of candidates of a package; 0 for one that is not there.
	Candidates(name string) (int, error)
	// Requires gives what a candidate, counted from 0, asks for. It is asked of candidates in the order of preference, as
	// far as they come into question. An *UnusableError rules the candidate out and the search goes on.
	Requires(name string, candidate int) ([]Requirement, error)
	// Title names a candidate in explanations, such as "1.2.0".
	Title(name string, candidate int) string
}

// UnusableError says that a candidate can't be chosen whatever else is.
type UnusableError struct {
	Reason string `json:"reason"` // follows the candidate's title: "is withdrawn"
}

func (e *UnusableError) Error() string { return e.Reason }

// Requirement asks for one of some candidates of a package.
type Requirement struct {
	Name   string
	Text   string                   // how the candidates are described, such as "^1.2"
	Allows func(candidate int) bool // which ones serve
}

// Solve gives the candidate of every package that root asks for or that a chosen candidate requires, and of no other. Where
// there is no solution the error is a *ConflictError; other errors are the catalog's.
func Solve(root []Requirement, catalog Catalog) (map[string]int, error) {
	s := newSolver(catalog)
	changed, err := s.require(root)
	if err != nil {
		return nil, err
	}
	for {
		if err := s.propagate(changed); err != nil {
			return nil, err
		}
		next, ok := s.undecided()
		if !ok {
			return s.solution(), nil
		}
		if err := s.decide(next); err != nil {
			return nil, err
		}
		changed = []int{next}
	}
}
