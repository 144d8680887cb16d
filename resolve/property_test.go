package resolve

import (
	"errors"
	"slices"
	"testing"

	"github.com/Masterminds/semver/v3"
	"github.com/google/go-cmp/cmp"
	"github.com/loadr-plugins/loadr/manifest"
	"pgregory.net/rapid"
)

var (
	someTargets = []manifest.Target{linux, arm, mac, musl, manifest.Neutral}
	genABI      = rapid.Custom(func(t *rapid.T) manifest.ABI {
		return rapid.SampledFrom([]manifest.ABI{
			{}, abi("native/1.0.0"), abi("native/1.2.0"), abi("native/2.0.0"), abi("c/1.0.0"), abi("c/2.0.0"), abi("component/0.1.0"), abi("component/0.1.3"),
		}).Draw(t, "abi")
	})
	genOffer = rapid.Custom(func(t *rapid.T) Offer {
		o := Offer{
			RequiresABI: rapid.SampledFrom([]string{"", "", "", "^1", "^2", "junk"}).Draw(t, "requires"),
			Withdrawn:   rapid.SampledFrom([]string{"", "", "", "bad"}).Draw(t, "withdrawn"),
			Problem:     rapid.SampledFrom([]string{"", "", "", "", "not a plugin"}).Draw(t, "problem"),
		}
		for _, target := range rapid.SliceOfNDistinct(rapid.SampledFrom(someTargets), 0, 5, rapid.ID).Draw(t, "targets") {
			o.Targets = append(o.Targets, TargetOffer{
				Target: target,
				ABI:    genABI.Draw(t, "abi"),
				Libc:   rapid.SampledFrom([]manifest.Libc{{}, libc("glibc>=2.17"), libc("glibc>=2.34"), libc("musl>=1.2")}).Draw(t, "libc"),
			})
		}
		return o
	})
	genUniverse = rapid.Custom(func(t *rapid.T) *source {
		s := &source{offers: rapid.MapOfN(genVersion, genOffer, 0, 12).Draw(t, "offers")}
		for v, o := range s.offers {
			o.Version = v
			s.offers[v] = o
		}
		return s
	})
	genQuery = rapid.Custom(func(t *rapid.T) Query {
		return Query{
			Requirement: Requirement{"p", mustRange(rapid.OneOf(genRange, rapid.SampledFrom([]string{"*", "^1", ">=0", "^1.0.0-rc.1"})).Draw(t, "range"))},
			Host: Host{
				ABI: map[manifest.Family]string{
					"native":    rapid.SampledFrom([]string{"1.0.0", "1.0.3", "1.1.0"}).Draw(t, "native"),
					"c":         "1.0.0",
					"component": rapid.SampledFrom([]string{"0.1.0", "0.1.3"}).Draw(t, "component"),
				},
				Libc: rapid.SampledFrom([]manifest.Libc{{}, libc("glibc>=2.31")}).Draw(t, "libc"),
			},
			Targets: rapid.SliceOfNDistinct(rapid.SampledFrom(someTargets[:4]), 0, 2, rapid.ID).Draw(t, "asked"),
		}
	})
)

// satisfies is the oracle: the rules of docs/resolution.md as one condition, without reasons and without order.
func satisfies(q Query, o Offer, locked bool) bool {
	if !defined2(q.Range, o.Version) || o.Problem != "" || o.Withdrawn != "" && !locked {
		return false
	}
	for _, target := range q.Targets {
		var own, neutral *TargetOffer
		for i := range o.Targets {
			switch o.Targets[i].Target {
			case target:
				own = &o.Targets[i]
			case manifest.Neutral:
				neutral = &o.Targets[i]
			}
		}
		if own == nil {
			own = neutral
		}
		if own == nil || !accepted(q.Host, own.ABI) || !required(q.Host, own.ABI, o.RequiresABI) {
			return false
		}
		if own.Libc.Name == "glibc" && q.Host.Libc.Version != "" && manifest.CompareVersions(own.Libc.Version, q.Host.Libc.Version) > 0 {
			return false
		}
	}
	return o.RequiresABI != "junk"
}

func defined2(r Range, version string) bool {
	switch r.String() {
	case "*", ">=0":
		return semver.MustParse(version).Prerelease() == ""
	case "^1":
		return defined("^1.0.0", semver.MustParse(version))
	}
	return defined(r.String(), semver.MustParse(version))
}

func accepted(h Host, a manifest.ABI) bool {
	if a == (manifest.ABI{}) {
		return false
	}
	host, built := semver.MustParse(h.ABI[a.Family]), semver.MustParse(a.Version)
	switch a.Family {
	case "native":
		return built.Major() == host.Major() && built.Minor() >= host.Minor()
	case "c":
		return built.Major() == host.Major()
	}
	return built.Minor() == host.Minor() && built.Compare(host) <= 0 // generated ones are 0.x
}

func required(h Host, a manifest.ABI, rng string) bool {
	host := semver.MustParse(h.ABI[a.Family])
	return rng == "" || rng == "^1" && host.Major() == 1
}

// oracle tries every version.
func oracle(q Query, s *source) string {
	if o, ok := s.offers[q.Locked]; ok && !q.Renew && satisfies(q, o, true) {
		return q.Locked
	}
	best := ""
	for v, o := range s.offers {
		if satisfies(q, o, false) && (best == "" || semver.MustParse(v).GreaterThan(semver.MustParse(best))) {
			best = v
		}
	}
	return best
}

func draw(t *rapid.T) (Query, *source) {
	q, s := genQuery.Draw(t, "query"), genUniverse.Draw(t, "universe")
	versions := s.versions()
	slices.Sort(versions)
	q.Versions = versions
	if len(versions) > 0 && rapid.Bool().Draw(t, "has lock") {
		q.Locked = rapid.SampledFrom(append(versions, "7.7.7")).Draw(t, "locked")
		q.Renew = rapid.Bool().Draw(t, "renew")
	}
	return q, s
}

// answer is everything that must not depend on accidents.
func answer(q Query, s *source) (Choice, string) {
	c, err := Choose(q, s.look)
	if err == nil {
		return c, Explain("p", c)
	}
	none := (*NoVersionError)(nil)
	if !errors.As(err, &none) {
		panic(err)
	}
	return Choice{Rejected: none.Rejected, Ignored: none.Ignored}, none.Explanation() + none.Error() + none.Hint()
}

func TestChoiceEqualsBruteForce(t *testing.T) {
	chosen, none := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		q, s := draw(t)
		got, text := answer(q, s)
		if want := oracle(q, s); got.Version != want {
			t.Fatalf("chose %q, brute force %q\n%s", got.Version, want, text)
		}
		if got.Version == "" {
			none++
		} else {
			chosen++
		}
	})
	if chosen == 0 || none == 0 {
		t.Errorf("the generated universes are one-sided: %d chosen, %d without", chosen, none)
	}
}

func TestEveryOtherVersionHasOneReason(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q, s := draw(t)
		got, _ := answer(q, s)
		want := slices.DeleteFunc(slices.Clone(q.Versions), func(v string) bool { return v == got.Version })
		if q.Locked != "" && !slices.Contains(q.Versions, q.Locked) {
			want = append(want, q.Locked)
		}
		var have []string
		for _, r := range got.Rejected {
			have = append(have, r.Version)
			if r.Code == "" || r.Detail == "" {
				t.Fatalf("no reason: %+v", r)
			}
		}
		if !slices.IsSortedFunc(have, func(a, b string) int { return Compare(b, a) }) {
			t.Fatalf("not newest first: %v", have)
		}
		slices.Sort(want)
		slices.Sort(have)
		if !slices.Equal(want, have) {
			t.Fatal(cmp.Diff(want, have))
		}
	})
}

// TestReasonsAreTrue: a reason that is about the version itself makes the oracle refuse it too.
func TestReasonsAreTrue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q, s := draw(t)
		got, _ := answer(q, s)
		for _, r := range got.Rejected {
			comparative := r.Code == Older || r.Code == Kept || r.Code == Gone
			if !comparative && satisfies(q, s.offers[r.Version], r.Version == q.Locked && !q.Renew) {
				t.Fatalf("%+v, but it fits", r)
			}
		}
	})
}

func TestOrderDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q, s := draw(t)
		q.Versions = append(q.Versions, "latest", "v1.0.0")
		first, text := answer(q, s)
		q.Versions = append(rapid.Permutation(q.Versions).Draw(t, "shuffled"), q.Versions...)
		q.Targets = append(rapid.Permutation(q.Targets).Draw(t, "targets"), q.Targets...)
		for v, o := range s.offers {
			o.Targets = rapid.Permutation(o.Targets).Draw(t, "libraries")
			s.offers[v] = o
		}
		second, again := answer(q, s)
		first.Offer, second.Offer = Offer{}, Offer{}
		if d := cmp.Diff(first, second); d != "" || text != again {
			t.Fatal(d, cmp.Diff(text, again))
		}
	})
}

// TestWorseCandidateChangesNothing: one more version that does not fit, or is older, leaves the choice as it was.
func TestWorseCandidateChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q, s := draw(t)
		before, _ := answer(q, s)
		version, offer := genVersion.Draw(t, "another"), genOffer.Draw(t, "its offer")
		offer.Version = version
		if _, taken := s.offers[version]; taken {
			t.Skip()
		}
		kept := version == q.Locked && !q.Renew
		worse := !satisfies(q, offer, kept) || before.Version != "" && Compare(version, before.Version) < 0 && !kept
		s.offers[version] = offer
		q.Versions = append(q.Versions, version)
		after, _ := answer(q, s)
		if worse && after.Version != before.Version {
			t.Fatalf("%s made it %q instead of %q", version, after.Version, before.Version)
		}
		if !worse && after.Version != version && (q.Renew || !after.Kept) {
			t.Fatalf("%s is better than %q and was not chosen", version, after.Version)
		}
	})
}

// TestLockIsAFixedPoint: what was chosen, once locked, is chosen again, whatever is published meanwhile.
func TestLockIsAFixedPoint(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q, s := draw(t)
		first, _ := answer(q, s)
		if first.Version == "" {
			t.Skip()
		}
		q.Locked, q.Renew = first.Version, false
		for v, o := range rapid.MapOfN(genVersion, genOffer, 0, 5).Draw(t, "published meanwhile") {
			if _, taken := s.offers[v]; !taken {
				o.Version = v
				s.offers[v] = o
				q.Versions = append(q.Versions, v)
			}
		}
		s.looked = nil
		second, _ := answer(q, s)
		if second.Version != first.Version || !second.Kept || !slices.Equal(s.looked, []string{first.Version}) {
			t.Fatalf("%+v, looked at %v", second, s.looked)
		}
	})
}

// TestLooksStopEarly: newest first, each once, and nothing below the chosen one.
func TestLooksStopEarly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q, s := draw(t)
		q.Locked = ""
		got, _ := answer(q, s)
		if got.Version == "" {
			t.Skip()
		}
		if !slices.IsSortedFunc(s.looked, func(a, b string) int { return Compare(b, a) }) || s.looked[len(s.looked)-1] != got.Version ||
			len(slices.Compact(slices.Clone(s.looked))) != len(s.looked) {
			t.Fatalf("chose %s, looked at %v", got.Version, s.looked)
		}
		for _, v := range s.looked {
			if !q.Range.Allows(v) {
				t.Fatalf("looked at %s, which is outside %s", v, q.Range)
			}
		}
	})
}
