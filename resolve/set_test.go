package resolve

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// world is several plugins in memory.
type world map[string]map[string]Offer

var errUnlisted = errors.New("connection refused")

func (w world) Versions(name string) ([]string, error) { return slices.Sorted(maps.Keys(w[name])), nil }

func (w world) Look(name, version string) (Offer, error) {
	o, ok := w[name][version]
	if !ok {
		return Offer{}, errUnlisted
	}
	return o, nil
}

// plugins builds a world from lines "name version requirement..." of plugins for Linux, a requirement written name@range.
func plugins(lines ...string) world {
	w := world{}
	for _, line := range lines {
		words := strings.Fields(line)
		name, o := words[0], Offer{Version: words[1], Targets: []TargetOffer{library1(linux, "c/1.0.0", "")}}
		for _, r := range words[2:] {
			required, rng, _ := strings.Cut(r, "@")
			if o.RequiresPlugins == nil {
				o.RequiresPlugins = map[string]string{}
			}
			o.RequiresPlugins[required] = rng
		}
		if w[name] == nil {
			w[name] = map[string]Offer{}
		}
		w[name][o.Version] = o
	}
	return w
}

func asks(pairs ...string) (out []Requirement) {
	for _, pair := range pairs {
		name, rng, _ := strings.Cut(pair, "@")
		out = append(out, Requirement{name, mustRange(rng)})
	}
	return out
}

func versionsOf(choices map[string]Choice) map[string]string {
	out := map[string]string{}
	for name, c := range choices {
		out[name] = c.Version
	}
	return out
}

func TestSetChoosesTogether(t *testing.T) {
	for name, test := range map[string]struct {
		world  world
		asks   []Requirement
		locked map[string]string
		want   map[string]string
	}{
		"required plugins come along": {
			plugins("kafka 1.0.0 tokens@^1", "tokens 1.0.0", "tokens 1.2.0", "tokens 2.0.0", "other 1.0.0"),
			asks("kafka@*"), nil, map[string]string{"kafka": "1.0.0", "tokens": "1.2.0"},
		},
		"an older version that can be had with the rest": {
			plugins("kafka 1.0.0 tokens@^1", "kafka 1.1.0 tokens@^2", "tokens 1.0.0", "tokens 2.0.0"),
			asks("kafka@^1", "tokens@^1"), nil, map[string]string{"kafka": "1.0.0", "tokens": "1.0.0"},
		},
		"first by name gets the newest": {
			plugins("a 1.0.0 c@1.0.0", "a 2.0.0 c@2.0.0", "b 1.0.0 c@1.0.0", "b 2.0.0 c@1.0.0", "b 3.0.0 c@2.0.0", "c 1.0.0", "c 2.0.0"),
			asks("b@*", "a@*"), nil, map[string]string{"a": "2.0.0", "b": "3.0.0", "c": "2.0.0"},
		},
		"locked ones stay": {
			plugins("kafka 1.0.0 tokens@^1", "kafka 1.1.0 tokens@^1", "tokens 1.0.0", "tokens 1.1.0"),
			asks("kafka@^1"), map[string]string{"kafka": "1.0.0", "tokens": "1.0.0"}, map[string]string{"kafka": "1.0.0", "tokens": "1.0.0"},
		},
		"circles": {
			plugins("a 1.0.0 b@^1", "b 1.0.0 a@^1"),
			asks("a@*"), nil, map[string]string{"a": "1.0.0", "b": "1.0.0"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ChooseSet(Set{Requirements: test.asks, Host: host, Locked: test.locked}, test.world)
			if diff := cmp.Diff(test.want, versionsOf(got)); err != nil || diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestSetSaysWhy(t *testing.T) {
	w := plugins("kafka 1.0.0 tokens@^1", "kafka 1.1.0 tokens@^2", "tokens 1.0.0", "tokens 2.0.0", "tokens 0.9.0")
	got, err := ChooseSet(Set{Requirements: asks("kafka@^1", "tokens@<3"), Host: host, Locked: map[string]string{"tokens": "1.0.0"}}, w)
	if err != nil {
		t.Fatal(err)
	}
	want := []Rejection{{"1.0.0", Required, "outside ^2, which kafka 1.1.0 requires"}, {"0.9.0", Older, "older than 2.0.0"}}
	if diff := cmp.Diff(want, got["tokens"].Rejected); diff != "" || got["tokens"].Replaces != "1.0.0" {
		t.Errorf("%+v (-want +got):\n%s", got["tokens"], diff)
	}
	got, err = ChooseSet(Set{Requirements: asks("kafka@^1", "tokens@<2"), Host: host}, w)
	if err != nil {
		t.Fatal(err)
	}
	want = []Rejection{{"1.1.0", Conflict, "requires tokens ^2, but 1.0.0 was chosen"}}
	if diff := cmp.Diff(want, got["kafka"].Rejected); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSetConflict(t *testing.T) {
	w := plugins("kafka 1.0.0 auth@^1", "auth 1.0.0 tokens@^2", "auth 1.1.0 tokens@^2", "tokens 1.0.0", "tokens 2.0.0")
	_, err := ChooseSet(Set{Requirements: asks("kafka@^1", "tokens@^1"), Host: host}, w)
	var conflict *ConflictError
	if !errors.As(err, &conflict) {
		t.Fatalf("%v", err)
	}
	for _, part := range []string{"kafka 1.0.0 requires auth ^1", "auth 1.0.0 requires tokens ^2", "tokens ^1 is asked for", "there is no solution"} {
		if !strings.Contains(conflict.Explanation(), part) {
			t.Errorf("lacks %q:\n%s", part, conflict.Explanation())
		}
	}
	var none *NoVersionError
	if _, err := ChooseSet(Set{Requirements: asks("kafka@^2", "tokens@^1"), Host: host}, w); !errors.As(err, &none) || none.Name != "kafka" {
		t.Errorf("a plugin without a version by itself: %v", err)
	}
	if _, err := ChooseSet(Set{Requirements: asks("absent@*"), Host: host}, w); !errors.As(err, &none) || none.Name != "absent" {
		t.Errorf("an absent plugin: %v", err)
	}
	w["tokens"]["1.0.0"] = Offer{Version: "1.0.0", RequiresPlugins: map[string]string{"kafka": "latest"}}
	if _, err := ChooseSet(Set{Requirements: asks("tokens@^1"), Host: host}, w); !errors.As(err, &conflict) ||
		!strings.Contains(conflict.Explanation(), `range "latest"`) {
		t.Errorf("a range that can't be read: %v", err)
	}
}

// TestSetOfOneIsChoose: plugins that require nothing are chosen as if they were alone, with the same reasons.
func TestSetOfOneIsChoose(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q, s := draw(t)
		alone, text := answer(q, s)
		set := Set{Requirements: []Requirement{q.Requirement}, Host: q.Host, Targets: q.Targets, Locked: map[string]string{"p": q.Locked}}
		set.Renew = map[string]bool{"p": q.Renew}
		got, err := ChooseSet(set, world{"p": s.offers})
		if alone.Version == "" {
			var none *NoVersionError
			if !errors.As(err, &none) || none.Explanation()+none.Error()+none.Hint() != text {
				t.Fatalf("%v, want %s", err, text)
			}
			return
		}
		if diff := cmp.Diff(alone, got["p"]); err != nil || diff != "" {
			t.Fatalf("%v (-Choose +ChooseSet):\n%s", err, diff)
		}
	})
}

// genWorld has a few plugins that require each other.
var genWorld = rapid.Custom(func(t *rapid.T) world {
	names := []string{"a", "b", "c", "d"}
	w := world{}
	for _, name := range names {
		w[name] = rapid.MapOfN(rapid.SampledFrom([]string{"1.0.0", "1.1.0", "1.2.0", "2.0.0", "2.1.0"}), genOffer, 0, 5).Draw(t, name)
		for v, o := range w[name] {
			o.Version, o.RequiresABI = v, ""
			o.RequiresPlugins = rapid.MapOfN(rapid.SampledFrom(names), rapid.SampledFrom([]string{"*", "^1", "^2", "<1.2.0", ">=1.1.0"}), 0, 2).Draw(t, "requires")
			w[name][v] = o
		}
	}
	return w
})

func TestSetProperties(t *testing.T) {
	solved := 0
	rapid.Check(t, func(t *rapid.T) {
		w := genWorld.Draw(t, "world")
		s := Set{Host: host, Requirements: asks("a@*", "c@"+rapid.SampledFrom([]string{"*", "^1"}).Draw(t, "range"))}
		got, err := ChooseSet(s, w)
		if err != nil {
			return
		}
		solved++
		for name, c := range got {
			checkChosen(t, s, w, got, name, c)
		}
		s.Requirements = rapid.Permutation(s.Requirements).Draw(t, "order")
		s.Locked = versionsOf(got)
		again, err := ChooseSet(s, w)
		if diff := cmp.Diff(versionsOf(got), versionsOf(again)); err != nil || diff != "" {
			t.Fatalf("a lock is no fixed point: %v\n%s", err, diff)
		}
	})
	if solved == 0 {
		t.Error("no generated world has a solution")
	}
}

// checkChosen: what is chosen fits, its requirements hold, somebody wants it, and every other version has one reason.
func checkChosen(t rapid.TB, s Set, w world, got map[string]Choice, name string, c Choice) {
	wanted := false
	for _, r := range s.Requirements {
		if r.Name == name {
			wanted = true
			if reason, ok := Fits(r, s.Host, s.Targets, c.Offer); !ok {
				t.Fatalf("%s: %+v", name, reason)
			}
		}
	}
	for other, oc := range got {
		if rng, ok := oc.Offer.RequiresPlugins[name]; ok {
			wanted = true
			if !Allows(rng, c.Version) {
				t.Fatalf("%s %s is outside %s, which %s requires", name, c.Version, rng, other)
			}
		}
	}
	if !wanted {
		t.Fatalf("nobody wants %s", name)
	}
	for required := range c.Offer.RequiresPlugins {
		if _, ok := got[required]; !ok {
			t.Fatalf("%s requires %s, which is not chosen", name, required)
		}
	}
	seen := map[string]bool{c.Version: true}
	for _, r := range c.Rejected {
		if seen[r.Version] || r.Code == "" || r.Detail == "" {
			t.Fatalf("%s: %+v", name, r)
		}
		seen[r.Version] = true
	}
	if len(seen) != len(w[name]) {
		t.Fatalf("%s: %d versions have a reason, there are %d", name, len(seen), len(w[name]))
	}
}
