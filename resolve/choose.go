package resolve

import (
	"fmt"
	"slices"

	"github.com/Masterminds/semver/v3"
	"github.com/loadr-plugins/loadr/manifest"
)

// Query is one question: which version of a plugin?
type Query struct {
	Requirement
	Host Host
	// Targets each need a library. None means that nothing is asked of the libraries.
	Targets []manifest.Target
	// Versions are what the source lists, in any order, with repetitions. What is not a version is ignored.
	Versions []string
	// Locked is the version in the lock, which is kept if it still fits even where newer ones do, and even where it was
	// withdrawn: the lock is not changed behind its owner's back. Empty for none.
	Locked string
	// Renew takes the advantage from the locked version: it is a candidate like any other, and one that was withdrawn is
	// none.
	Renew bool
}

// Look gives the facts about one listed version. An error ends the resolution: leaving out a version because it could
// not be looked at would make the answer depend on the network.
type Look func(version string) (Offer, error)

// Choice is the answer, and why it is not another one.
type Choice struct {
	Version string `json:"version"`
	Offer   Offer  `json:"-"`
	// Kept says that the version is the locked one.
	Kept bool `json:"kept"`
	// Replaces is the locked version where it no longer fits; it is among the rejected. Else empty.
	Replaces string `json:"replaces,omitempty"`
	// Rejected holds every other version, newest first, each once.
	Rejected []Rejection `json:"rejected"`
	// Ignored are listed words that are not versions, sorted.
	Ignored []string `json:"ignored,omitempty"`
}

// Choose gives the locked version if it still fits and is not to be renewed, else the newest one that does. Candidates are looked at one by one,
// newest first, and none after the first that fits; versions outside the range are not looked at. Where none fits the
// error is a *NoVersionError, and some versions outside the range may have been looked at to give better advice. Other
// errors are those of look.
func Choose(q Query, look Look) (Choice, error) {
	s := newSearch(q, look)
	chosen, err := s.locked()
	if err == nil && chosen < 0 {
		chosen, err = s.newest()
	}
	if err != nil {
		return Choice{}, err
	}
	if chosen < 0 {
		return Choice{}, s.failure()
	}
	return s.choice(chosen), nil
}

// search examines candidates. reasons and offers run parallel to candidates; an empty code means not yet examined, or
// fitting.
type search struct {
	Query
	look       Look
	candidates []*semver.Version // newest first, each once
	reasons    []Rejection
	offers     map[int]Offer // what was looked at
	ignored    []string
}

func newSearch(q Query, look Look) *search {
	s := &search{Query: q, look: look, offers: map[int]Offer{}}
	for _, word := range q.Versions {
		if v, err := parseVersion(word); err == nil {
			s.candidates = append(s.candidates, v)
		} else {
			s.ignored = append(s.ignored, word)
		}
	}
	slices.SortFunc(s.candidates, func(a, b *semver.Version) int { return b.Compare(a) })
	s.candidates = slices.CompactFunc(s.candidates, (*semver.Version).Equal)
	s.reasons = make([]Rejection, len(s.candidates))
	slices.Sort(s.ignored)
	s.ignored = slices.Compact(s.ignored)
	return s
}

// locked gives the index of the locked version if it may be kept, else -1.
func (s *search) locked() (int, error) {
	if s.Renew {
		return -1, nil
	}
	i := slices.IndexFunc(s.candidates, func(v *semver.Version) bool { return v.Original() == s.Locked })
	if i < 0 {
		return -1, nil
	}
	fits, err := s.examine(i, true)
	if !fits {
		return -1, err
	}
	return i, nil
}

// newest gives the index of the newest version that fits, else -1.
func (s *search) newest() (int, error) {
	for i := range s.candidates {
		if s.reasons[i].Code != "" {
			continue // the locked one, which was looked at before
		}
		if fits, err := s.examine(i, false); fits || err != nil {
			return i, err
		}
	}
	return -1, nil
}

// examine says whether candidate i fits, and records the reason where it does not.
func (s *search) examine(i int, evenWithdrawn bool) (bool, error) {
	code, detail := inRangeOf(s.Range, s.candidates[i])
	if code == "" {
		offer, err := s.offer(i)
		if err != nil {
			return false, err
		}
		if evenWithdrawn {
			offer.Withdrawn = ""
		}
		code, detail = examine(s.Host, s.Targets, offer)
	}
	if code != "" {
		s.reject(i, code, detail)
	}
	return code == "", nil
}

func (s *search) offer(i int) (Offer, error) {
	if o, ok := s.offers[i]; ok {
		return o, nil
	}
	version := s.candidates[i].Original()
	o, err := s.look(version)
	if err != nil {
		return o, err
	}
	if o.Version != version && o.Problem == "" {
		o.Problem = fmt.Sprintf("it says that it is version %q", o.Version)
	}
	s.offers[i] = o
	return o, nil
}

func (s *search) reject(i int, code Code, detail string) {
	s.reasons[i] = Rejection{s.candidates[i].Original(), code, detail}
}

// choice gives every version that was not examined its reason, and takes all of them down.
func (s *search) choice(chosen int) Choice {
	version := s.candidates[chosen].Original()
	c := Choice{Version: version, Offer: s.offers[chosen], Kept: version == s.Locked, Ignored: s.ignored}
	newer, older := fmt.Sprintf("newer, but %s is locked", version), "older than "+version
	for i := range s.candidates {
		switch {
		case i == chosen || s.reasons[i].Code != "":
		case i < chosen:
			s.reject(i, Kept, newer)
		default:
			s.reject(i, Older, older)
		}
	}
	c.Rejected = s.rejected()
	if s.Locked != "" && !c.Kept {
		c.Replaces = s.Locked
	}
	return c
}

// rejected lists the reasons.
func (s *search) rejected() []Rejection {
	out := make([]Rejection, 0, len(s.reasons))
	for _, r := range s.reasons {
		if r.Code != "" {
			out = append(out, r)
		}
	}
	if s.Locked == "" {
		return out
	}
	return withGone(out, s.candidates, s.Locked)
}

// withGone adds a reason for a locked version that is no longer listed.
func withGone(rejected []Rejection, listed []*semver.Version, locked string) []Rejection {
	if slices.ContainsFunc(listed, func(v *semver.Version) bool { return v.Original() == locked }) {
		return rejected
	}
	gone := Rejection{locked, Gone, "locked, but no longer offered"}
	at, _ := slices.BinarySearchFunc(rejected, gone, func(a, b Rejection) int { return Compare(b.Version, a.Version) })
	return slices.Insert(rejected, at, gone)
}
