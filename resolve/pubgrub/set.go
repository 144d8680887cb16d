package pubgrub

import "math/bits"

// set is a set of the options that a package has: to be at one of its candidates, or absent. Candidate i is bit i, absence
// the bit behind the last candidate. All sets of one package have the same length; bits behind absence are zero. Sets are
// not changed once they are made.
type set []uint64

const wordBits = 64

func words(options int) int { return (options + wordBits - 1) / wordBits }

// all gives the set of n options.
func all(n int) set {
	s := make(set, words(n))
	for i := range s {
		s[i] = ^uint64(0)
	}
	if rest := n % wordBits; rest != 0 {
		s[len(s)-1] = 1<<rest - 1
	}
	return s
}

// only gives the set of one out of n options.
func only(n, option int) set {
	s := make(set, words(n))
	s[option/wordBits] = 1 << (option % wordBits)
	return s
}

func (s set) has(option int) bool { return s[option/wordBits]>>(option%wordBits)&1 != 0 }

func (s set) empty() bool {
	for _, w := range s {
		if w != 0 {
			return false
		}
	}
	return true
}

// first gives the smallest option, -1 for none.
func (s set) first() int {
	for i, w := range s {
		if w != 0 {
			return i*wordBits + bits.TrailingZeros64(w)
		}
	}
	return -1
}

func (s set) within(t set) bool {
	for i, w := range s {
		if w&^t[i] != 0 {
			return false
		}
	}
	return true
}

func (s set) apart(t set) bool {
	for i, w := range s {
		if w&t[i] != 0 {
			return false
		}
	}
	return true
}

func (s set) and(t set) set { return s.combine(t, func(a, b uint64) uint64 { return a & b }) }
func (s set) or(t set) set  { return s.combine(t, func(a, b uint64) uint64 { return a | b }) }

// minus gives what is in s and not in t.
func (s set) minus(t set) set { return s.combine(t, func(a, b uint64) uint64 { return a &^ b }) }

func (s set) combine(t set, f func(a, b uint64) uint64) set {
	r := make(set, len(s))
	for i, w := range s {
		r[i] = f(w, t[i])
	}
	return r
}
