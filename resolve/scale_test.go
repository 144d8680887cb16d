package resolve

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loadr-plugins/loadr/manifest"
)

// The properties of property_test.go and set_test.go on universes as large as registries get, where shrinking would take
// longer than reading the seed.

// pick gives one of a few values.
func pick[T any](r *rand.Rand, values ...T) T { return values[r.IntN(len(values))] }

// manyVersions gives n versions, each once, in any order.
func manyVersions(r *rand.Rand, n int) []string {
	seen := map[string]bool{}
	for len(seen) < n {
		v := fmt.Sprintf("%d.%d.%d", r.IntN(3), r.IntN(60), r.IntN(60))
		seen[v+pick(r, "", "", "", "", "-rc.1", "-rc.2")] = true
	}
	words := slices.Sorted(maps.Keys(seen))
	r.Shuffle(n, func(i, j int) { words[i], words[j] = words[j], words[i] })
	return words
}

// anyOffer is seldom one that fits, so that choosing takes a search.
func anyOffer(r *rand.Rand, version string) Offer {
	o := Offer{Version: version, RequiresABI: pick(r, "", "", "^1", "^2", "junk")}
	o.Withdrawn, o.Problem = pick(r, "", "", "bad"), pick(r, "", "", "", "not a plugin")
	for _, target := range []manifest.Target{linux, arm, mac} {
		if r.IntN(3) > 0 {
			built := pick(r, abi("native/1.0.0"), abi("native/2.0.0"), abi("c/1.0.0"), abi("c/2.0.0"), manifest.ABI{})
			o.Targets = append(o.Targets, TargetOffer{target, built, pick(r, manifest.Libc{}, libc("glibc>=2.17"), libc("glibc>=2.34"))})
		}
	}
	return o
}

// anyQuestion is about thousands of versions. Up to four of them fit in each thousand or so.
func anyQuestion(r *rand.Rand) (Query, *source) {
	versions, s := manyVersions(r, 1000+r.IntN(3000)), &source{offers: map[string]Offer{}}
	for _, v := range versions {
		s.offers[v] = anyOffer(r, v)
	}
	q := Query{
		Requirement: Requirement{"p", mustRange(pick(r, "*", "^1", ">=0", "^1.2.0-rc.1", "<1.7.0", ">=0.5.0 <2.30.1"))},
		Host: Host{
			ABI:  map[manifest.Family]string{"native": "1.0.0", "c": "1.0.0"},
			Libc: pick(r, manifest.Libc{}, libc("glibc>=2.31")),
		},
		Targets: pick(r, []manifest.Target{linux}, []manifest.Target{linux, arm}, []manifest.Target{linux, arm, mac}), Versions: versions,
	}
	if r.IntN(2) == 0 {
		q.Locked, q.Renew = pick(r, append(versions, "7.7.7")...), r.IntN(2) == 0
	}
	return q, s
}

func TestThousandsOfVersions(t *testing.T) {
	const runs = 24
	versions, chosen := 0, 0
	for seed := range uint64(runs) {
		r := rand.New(rand.NewPCG(seed, 11))
		q, s := anyQuestion(r)
		got, text := answer(q, s)
		versions += len(q.Versions)
		if want := oracle(q, s); got.Version != want {
			t.Fatalf("seed %d: chose %q, brute force %q", seed, got.Version, want)
		}
		checkReasons(t, q, got)
		checkAccidents(t, r, q, s, got, text)
		if got.Version == "" {
			continue
		}
		chosen++
		q.Locked, q.Renew = got.Version, false
		if again, _ := answer(q, s); again.Version != got.Version || !again.Kept {
			t.Fatalf("seed %d: locked at %s, chosen again %s", seed, got.Version, again.Version)
		}
	}
	if chosen < runs/3 {
		t.Errorf("only %d of %d questions have an answer", chosen, runs)
	}
	t.Logf("%d questions about %d versions, %d of them with an answer", runs, versions, chosen)
}

// checkReasons: every version that is not chosen has exactly one reason, newest first.
func checkReasons(t *testing.T, q Query, got Choice) {
	t.Helper()
	want := slices.DeleteFunc(slices.Clone(q.Versions), func(v string) bool { return v == got.Version })
	if q.Locked != "" && !slices.Contains(q.Versions, q.Locked) {
		want = append(want, q.Locked)
	}
	slices.SortFunc(want, func(a, b string) int { return Compare(b, a) })
	var have []string
	for _, r := range got.Rejected {
		if r.Code == "" || r.Detail == "" {
			t.Fatalf("no reason: %+v", r)
		}
		have = append(have, r.Version)
	}
	if !slices.Equal(want, have) {
		t.Fatal(cmp.Diff(want, have))
	}
}

// checkAccidents: neither the order of what is offered nor one more version that does not fit changes the answer.
func checkAccidents(t *testing.T, r *rand.Rand, q Query, s *source, got Choice, text string) {
	t.Helper()
	q.Versions = append(slices.Clone(q.Versions), q.Versions[0])
	r.Shuffle(len(q.Versions), func(i, j int) { q.Versions[i], q.Versions[j] = q.Versions[j], q.Versions[i] })
	again, sameText := answer(q, s)
	if !reflect.DeepEqual(got, again) || text != sameText { // cmp takes its time over thousands
		t.Fatalf("another order: %s", cmp.Diff(got, again))
	}
	worse := "9.9.9"
	s.offers[worse] = Offer{Version: worse, Problem: "not a plugin"}
	q.Versions = append(q.Versions, worse)
	if again, _ := answer(q, s); again.Version != got.Version {
		t.Fatalf("a version that does not fit made it %q instead of %q", again.Version, got.Version)
	}
	delete(s.offers, worse)
}

// shuffled lists versions in another order each time.
type shuffled struct {
	world
	r *rand.Rand
}

func (s shuffled) Versions(name string) ([]string, error) {
	words, err := s.world.Versions(name)
	s.r.Shuffle(len(words), func(i, j int) { words[i], words[j] = words[j], words[i] })
	return words, err
}

// manyPlugins have hundreds of versions each and require each other, newer versions newer ones.
func manyPlugins(r *rand.Rand) world {
	w := world{}
	const plugins = 12
	for i := range plugins {
		name := string(rune('a' + i))
		w[name] = map[string]Offer{}
		for _, v := range manyVersions(r, 100+r.IntN(200)) {
			o := anyOffer(r, v)
			o.RequiresABI, o.Problem = "", ""
			for range r.IntN(3) {
				if o.RequiresPlugins == nil {
					o.RequiresPlugins = map[string]string{}
				}
				minor := r.IntN(50)
				o.RequiresPlugins[string(rune('a'+r.IntN(plugins)))] = pick(r, "*", "^1", fmt.Sprintf(">=%d.%d", r.IntN(2), minor), fmt.Sprintf("<2.%d", minor), "^1 || ^2")
			}
			w[name][v] = o
		}
	}
	return w
}

func TestThousandsOfVersionsOfMany(t *testing.T) {
	const runs = 16
	versions, solved := 0, 0
	for seed := range uint64(runs) {
		r := rand.New(rand.NewPCG(seed, 12))
		w := manyPlugins(r)
		for _, offers := range w {
			versions += len(offers)
		}
		s := Set{Host: host, Targets: []manifest.Target{linux}, Requirements: asks("a@*", "d@^1", "g@>=0.20 <2.30", "k@^1 || ^2")}
		got, err := ChooseSet(s, w)
		if err != nil {
			continue
		}
		solved++
		for name, c := range got {
			checkChosen(t, s, w, got, name, c)
			checkNewest(t, s, w, got, name)
		}
		r.Shuffle(len(s.Requirements), func(i, j int) { s.Requirements[i], s.Requirements[j] = s.Requirements[j], s.Requirements[i] })
		if again, err := ChooseSet(s, shuffled{w, r}); err != nil || !reflect.DeepEqual(got, again) {
			t.Fatalf("seed %d: another order: %v\n%s", seed, err, cmp.Diff(got, again))
		}
		w["a"]["9.9.9"] = Offer{Version: "9.9.9", Problem: "not a plugin"}
		if again, err := ChooseSet(s, w); err != nil || !maps.Equal(versionsOf(got), versionsOf(again)) {
			t.Fatalf("seed %d: a version that does not fit changed the choice: %v", seed, err)
		}
		s.Locked = versionsOf(got)
		if again, err := ChooseSet(s, w); err != nil || !maps.Equal(versionsOf(got), versionsOf(again)) {
			t.Fatalf("seed %d: a lock is no fixed point: %v", seed, err)
		}
	}
	if solved < runs/4 || solved == runs {
		t.Errorf("%d of %d universes have a solution; that tests one side only", solved, runs)
	}
	t.Logf("%d universes of %d versions, %d of them with a solution", runs, versions, solved)
}

// checkNewest: no chosen version could be exchanged for a newer one while all others stay.
func checkNewest(t *testing.T, s Set, w world, got map[string]Choice, name string) {
	t.Helper()
	for version, o := range w[name] {
		if Compare(version, got[name].Version) > 0 && serves(s, got, name, o) {
			t.Fatalf("%s %s was chosen, %s could be had with the same others", name, got[name].Version, version)
		}
	}
}

// serves says whether an offer meets every requirement of it, and what is chosen all of its own.
func serves(s Set, got map[string]Choice, name string, o Offer) bool {
	requirements := []Requirement{{name, Range{every: true}}}
	for _, r := range s.Requirements {
		if r.Name == name {
			requirements = append(requirements, r)
		}
	}
	for other, c := range got {
		if rng, ok := c.Offer.RequiresPlugins[name]; ok && other != name {
			requirements = append(requirements, Requirement{name, mustRange(rng)})
		}
	}
	for _, r := range requirements {
		if _, ok := Fits(r, s.Host, s.Targets, o); !ok {
			return false
		}
	}
	for required, rng := range o.RequiresPlugins {
		version := got[required].Version
		if required == name {
			version = o.Version
		}
		if !Allows(rng, version) {
			return false
		}
	}
	return true
}
