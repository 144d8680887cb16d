package pubgrub

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	sat "github.com/crillab/gophersat/solver"
)

// satisfiable asks a SAT solver whether there is a solution: a variable for each candidate, at most one of each package,
// and for each requirement one of those that serve.
func (u universe) satisfiable(root map[string]set) bool {
	variables := map[string]int{} // of each package's first candidate
	next := 1
	for _, name := range slices.Sorted(maps.Keys(u)) {
		variables[name] = next
		next += len(u[name])
	}
	var clauses [][]int
	require := func(condition []int, required map[string]set) {
		for name, s := range required {
			clause := slices.Clone(condition)
			for v := range u[name] {
				if s.has(v) {
					clause = append(clause, variables[name]+v)
				}
			}
			clauses = append(clauses, clause)
		}
	}
	require(nil, root)
	for name, candidates := range u {
		for v, required := range candidates {
			self := -(variables[name] + v)
			for other := range v {
				clauses = append(clauses, []int{self, -(variables[name] + other)})
			}
			if _, ok := required[unusable]; ok {
				clauses = append(clauses, []int{self})
			} else {
				require([]int{self}, required)
			}
		}
	}
	if slices.ContainsFunc(clauses, func(c []int) bool { return len(c) == 0 }) {
		return false
	}
	return sat.New(sat.ParseSlice(clauses)).Solve() == sat.Sat
}

// TestAgainstSAT compares the verdict on universes that brute force takes too long for.
func TestAgainstSAT(t *testing.T) {
	const runs = 10000
	solvable := 0
	for seed := range uint64(runs) {
		r := rand.New(rand.NewPCG(seed, 3))
		u, root := random(r, 4+r.IntN(20), 2+r.IntN(15), 30+r.IntN(50))
		want := u.satisfiable(root)
		got, err := Solve(u.requirements(root), u)
		if want != (err == nil) || want && !u.whole(root, got) {
			t.Fatalf("seed %d: %v, %v; the SAT solver says %v", seed, got, err, want)
		}
		if want {
			solvable++
		}
	}
	if solvable < runs/10 || solvable > runs*9/10 {
		t.Errorf("%d of %d instances have a solution; that tests one side only", solvable, runs)
	}
	t.Logf("%d of %d instances have a solution", solvable, runs)
}
