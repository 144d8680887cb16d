package pubgrub

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"
)

// universe is a catalog in memory: the requirements of each candidate of each package.
type universe map[string][]map[string]set

func (u universe) Candidates(name string) (int, error) { return len(u[name]), nil }

func (u universe) Title(_ string, candidate int) string { return fmt.Sprintf("v%d", candidate) }

// unusable marks candidates that can't be chosen.
const unusable = "!"

func (u universe) Requires(name string, candidate int) ([]Requirement, error) {
	if _, ok := u[name][candidate][unusable]; ok {
		return nil, &UnusableError{"is withdrawn"}
	}
	return u.requirements(u[name][candidate]), nil
}

func (u universe) requirements(of map[string]set) (list []Requirement) {
	for name, s := range of { // in any order
		list = append(list, Requirement{name, fmt.Sprintf("in %b", s), s.has})
	}
	return list
}

// random makes a universe of packages a, b, ... and what the root asks for. The density decides how constrained it is.
func random(r *rand.Rand, packages, versions, density int) (universe, map[string]set) {
	u := universe{}
	name := func(i int) string { return string(rune('a' + i)) }
	for i := range packages {
		u[name(i)] = make([]map[string]set, r.IntN(versions+1))
	}
	subset := func(of string) set {
		s := all(len(u[of]) + 1)
		for i := range len(u[of]) {
			if r.IntN(100) < density {
				s = s.minus(only(len(u[of])+1, i))
			}
		}
		return s.minus(only(len(u[of])+1, len(u[of])))
	}
	requirements := func(most int) map[string]set {
		m := map[string]set{}
		for range r.IntN(most + 1) {
			of := name(r.IntN(packages))
			m[of] = subset(of)
		}
		return m
	}
	for i := range packages {
		for v := range u[name(i)] {
			u[name(i)][v] = requirements(3)
			if r.IntN(8) == 0 {
				u[name(i)][v] = map[string]set{unusable: nil}
			}
		}
	}
	return u, requirements(3)
}

// brute searches without learning anything, in the order that Solve promises.
func (u universe) brute(root map[string]set, chosen map[string]int) bool {
	next := u.next(root, chosen)
	if next == "" {
		return u.holds(root, chosen)
	}
	for v := range u[next] {
		if _, ok := u[next][v][unusable]; ok {
			continue
		}
		chosen[next] = v
		if u.holds(root, chosen) && u.brute(root, chosen) {
			return true
		}
	}
	delete(chosen, next)
	return false
}

func (u universe) next(root map[string]set, chosen map[string]int) string {
	smallest := func(list []map[string]set) (best string) {
		for _, required := range list {
			for name := range required {
				if _, ok := chosen[name]; !ok && (best == "" || name < best) {
					best = name
				}
			}
		}
		return best
	}
	if n := smallest([]map[string]set{root}); n != "" {
		return n
	}
	var list []map[string]set
	for name, v := range chosen {
		list = append(list, u[name][v])
	}
	return smallest(list)
}

// holds says whether what is chosen contradicts no requirement; what is not chosen yet does not.
func (u universe) holds(root map[string]set, chosen map[string]int) bool {
	check := func(required map[string]set) bool {
		for name, s := range required {
			if v, ok := chosen[name]; ok && !s.has(v) {
				return false
			}
		}
		return true
	}
	for name, v := range chosen {
		if !check(u[name][v]) {
			return false
		}
	}
	return check(root)
}

// TestAgainstBruteForce compares verdict and choice: the first solution in the promised order.
func TestAgainstBruteForce(t *testing.T) {
	solvable := 0
	const runs = 30000
	for seed := range uint64(runs) {
		r := rand.New(rand.NewPCG(seed, 1))
		u, root := random(r, 2+r.IntN(6), 1+r.IntN(5), 20+r.IntN(60))
		want := map[string]int{}
		ok := u.brute(root, want)
		got, err := Solve(u.requirements(root), u)
		var conflict *ConflictError
		switch {
		case ok != (err == nil):
			t.Fatalf("seed %d: error %v, brute force found %v", seed, err, want)
		case ok && !maps.Equal(got, want):
			t.Fatalf("seed %d: found %v, want %v", seed, got, want)
		case !ok && !errors.As(err, &conflict):
			t.Fatalf("seed %d: %v", seed, err)
		}
		if ok {
			solvable++
		} else if last := conflict.Steps[len(conflict.Steps)-1].So; last != "there is no solution" {
			t.Fatalf("seed %d: the proof ends with %q", seed, last)
		}
	}
	if solvable < runs/10 || solvable > runs*9/10 {
		t.Errorf("%d of %d instances have a solution; that tests one side only", solvable, runs)
	}
	t.Logf("%d of %d instances have a solution", solvable, runs)
}

// TestHard has large, tightly constrained universes, where learning nothing would never end.
func TestHard(t *testing.T) {
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 2))
		u, root := random(r, 26, 60, 55)
		got, err := Solve(u.requirements(root), u)
		if err == nil && !u.whole(root, got) {
			t.Errorf("seed %d: %v is no solution", seed, got)
		}
	}
}

// whole says whether a choice is a solution.
func (u universe) whole(root map[string]set, chosen map[string]int) bool {
	return u.next(root, chosen) == "" && u.holds(root, chosen)
}

func TestExplanation(t *testing.T) {
	in := func(n int, options ...int) set {
		s := make(set, words(n))
		for _, o := range options {
			s = s.or(only(n, o))
		}
		return s
	}
	u := universe{
		"app":    {{"http": in(3, 0), "auth": in(3, 0, 1)}},
		"auth":   {{"tokens": in(3, 1)}, {"tokens": in(3, 1)}},
		"http":   {{"tokens": in(3, 0)}, {}},
		"tokens": {{}, {}},
	}
	_, err := Solve([]Requirement{{"app", "^1", in(2, 0).has}}, u)
	if err == nil {
		t.Fatal("no error")
	}
	t.Log("\n" + err.Error())
	for _, part := range []string{"app ^1 is asked for", "http v0 requires tokens", "requires auth", "there is no solution"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("explanation lacks %q:\n%v", part, err)
		}
	}
}

func TestNothingToChooseFrom(t *testing.T) {
	_, err := Solve([]Requirement{{"a", "^1", func(int) bool { return true }}}, universe{})
	if want := "because a ^1 is asked for (there is none that can be used), there is no solution"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if got, err := Solve(nil, universe{}); err != nil || len(got) != 0 {
		t.Errorf("%v, %v", got, err)
	}
}

// failing cannot say what is required.
type failing struct{ universe }

var errDown = errors.New("down")

func (failing) Requires(string, int) ([]Requirement, error) { return nil, errDown }

func TestErrorsOfTheCatalogEndTheSearch(t *testing.T) {
	u := failing{universe{"a": {{}}}}
	if _, err := Solve([]Requirement{{"a", "*", func(int) bool { return true }}}, u); !errors.Is(err, errDown) {
		t.Errorf("%v", err)
	}
}

func TestSet(t *testing.T) {
	for _, n := range []int{1, 2, 63, 64, 65, 200} {
		s := all(n)
		for i := range n {
			if !s.has(i) || !only(n, i).within(s) || only(n, i).first() != i || s.minus(only(n, i)).has(i) {
				t.Fatalf("set of %d, option %d", n, i)
			}
		}
		if !s.minus(s).empty() || s.empty() || s.minus(s).first() != -1 {
			t.Errorf("set of %d", n)
		}
	}
}

func BenchmarkSolve(b *testing.B) {
	for _, versions := range []int{10, 100, 1000, 10000} {
		u := universe{}
		names := []string{"a", "b", "c", "d", "e"}
		for i, name := range names {
			u[name] = make([]map[string]set, versions)
			for v := range versions {
				u[name][v] = map[string]set{}
				if i+1 < len(names) { // each needs the next one at a version not newer than its own half
					next := names[i+1]
					u[name][v][next] = all(versions + 1).minus(only(versions+1, versions)).minus(below(versions+1, v/2))
				}
			}
		}
		root := map[string]set{"a": all(versions + 1).minus(only(versions+1, versions))}
		b.Run(fmt.Sprint(versions), func(b *testing.B) {
			for b.Loop() {
				if _, err := Solve(u.requirements(root), u); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func below(n, option int) set {
	s := make(set, words(n))
	for i := range option {
		s[i/wordBits] |= 1 << (i % wordBits)
	}
	return s
}
