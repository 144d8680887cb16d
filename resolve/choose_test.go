package resolve

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/loadr-plugins/loadr/manifest"
)

// source is what a registry offers, and a log of what was looked at.
type source struct {
	offers map[string]Offer
	looked []string
}

func (s *source) look(version string) (Offer, error) {
	s.looked = append(s.looked, version)
	o, ok := s.offers[version]
	if !ok {
		return Offer{}, fmt.Errorf("connection refused")
	}
	return o, nil
}

func (s *source) versions() (out []string) {
	for v := range s.offers {
		out = append(out, v)
	}
	return out
}

// offering builds a source from lines "version targets abi libc [!withdrawn]".
func offering(lines ...string) *source {
	s := &source{offers: map[string]Offer{}}
	for _, line := range lines {
		words, withdrawn, _ := strings.Cut(line, "!")
		f := strings.Fields(words)
		o := Offer{Version: f[0], Withdrawn: withdrawn}
		for _, t := range strings.Split(f[1], ",") {
			l := TargetOffer{Target: map[string]manifest.Target{"linux": linux, "arm": arm, "mac": mac}[t], ABI: abi(f[2])}
			if t != "mac" {
				l.Libc = libc("glibc>=" + f[3])
			}
			o.Targets = append(o.Targets, l)
		}
		s.offers[o.Version] = o
	}
	return s
}

var universe = []string{
	"2.0.0 linux,arm native/2.0.0 2.17",
	"1.5.0 linux,mac native/1.0.0 2.17",
	"1.5.0-rc.1 linux,arm native/1.0.0 2.17",
	"1.4.3 linux,arm native/1.0.0 2.17 !loses data on reconnect; use 1.4.2",
	"1.4.2 linux,arm native/1.0.0 2.17",
	"1.4.1 linux,arm native/1.0.0 2.17",
	"0.9.0 linux,arm native/1.0.0 2.17",
}

func query(rng, locked string, versions []string) Query {
	return Query{
		Requirement: Requirement{Name: "echo-proto", Range: mustRange(rng)},
		Host:        host, Targets: []manifest.Target{linux, arm},
		Versions: versions, Locked: locked,
	}
}

func TestChooseExplains(t *testing.T) {
	s := offering(universe...)
	got, err := Choose(query("*", "", append(s.versions(), "latest", "1.4.2", "v1.6.0", "1.7.0+b", "latest")), s.look)
	if err != nil {
		t.Fatal(err)
	}
	want := Choice{Version: "1.4.2", Offer: s.offers["1.4.2"], Ignored: []string{"1.7.0+b", "latest", "v1.6.0"}, Rejected: []Rejection{
		{"2.0.0", ABI, "built against native ABI 2.0, this host accepts ^1.0"},
		{"1.5.0", NoTarget, "has no library for aarch64-unknown-linux-gnu (has: aarch64-apple-darwin, x86_64-unknown-linux-gnu)"},
		{"1.5.0-rc.1", PreRelease, "pre-release, which * does not ask for"},
		{"1.4.3", Withdrawn, "withdrawn: loses data on reconnect; use 1.4.2"},
		{"1.4.1", Older, "older than 1.4.2"},
		{"0.9.0", Older, "older than 1.4.2"},
	}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"2.0.0", "1.5.0", "1.4.3", "1.4.2"}, s.looked); d != "" {
		t.Error("looked at:", d)
	}
	text := `chose echo-proto 1.4.2
  2.0.0       built against native ABI 2.0, this host accepts ^1.0
  1.5.0       has no library for aarch64-unknown-linux-gnu (has: aarch64-apple-darwin, x86_64-unknown-linux-gnu)
  1.5.0-rc.1  pre-release, which * does not ask for
  1.4.3       withdrawn: loses data on reconnect; use 1.4.2
`
	if d := cmp.Diff(text, Explain("echo-proto", got)); d != "" {
		t.Error(d)
	}
}

func TestChooseLooksAtNothingNeedless(t *testing.T) {
	s := offering(universe...)
	got, err := Choose(query("1.4.1", "", s.versions()), s.look)
	if err != nil || got.Version != "1.4.1" {
		t.Fatal(got, err)
	}
	if d := cmp.Diff([]string{"1.4.1"}, s.looked); d != "" {
		t.Error(d)
	}
	codes := map[Code]int{}
	for _, r := range got.Rejected {
		codes[r.Code]++
	}
	if d := cmp.Diff(map[Code]int{OutOfRange: 5, Older: 1}, codes); d != "" {
		t.Error(d)
	}
}

func TestChooseWithLock(t *testing.T) {
	for _, c := range []struct {
		name, rng, locked, want string
		kept                    bool
		replaces, looked        string
		reasons                 map[string]Code
	}{
		{"kept although older", "^1", "1.4.1", "1.4.1", true, "", "1.4.1", map[string]Code{"1.5.0": Kept, "1.4.2": Kept, "0.9.0": Older, "1.5.0-rc.1": Kept}},
		{"kept although withdrawn", "^1", "1.4.3", "1.4.3", true, "", "1.4.3", map[string]Code{"1.5.0": Kept}},
		{"outside the new range", "~1.4.2", "1.4.1", "1.4.2", false, "1.4.1", "1.4.3 1.4.2", map[string]Code{"1.4.1": OutOfRange, "1.5.0": OutOfRange}},
		{"no longer fits the host", "*", "2.0.0", "1.4.2", false, "2.0.0", "2.0.0 1.5.0 1.4.3 1.4.2", map[string]Code{"2.0.0": ABI}},
		{"gone", "^1", "1.4.9", "1.4.2", false, "1.4.9", "1.5.0 1.4.3 1.4.2", map[string]Code{"1.4.9": Gone}},
		{"gone, older", "^1", "1.0.0", "1.4.2", false, "1.0.0", "1.5.0 1.4.3 1.4.2", map[string]Code{"1.0.0": Gone}},
		{"a locked pre-release that nobody asks for any more", "^1", "1.5.0-rc.1", "1.4.2", false, "1.5.0-rc.1", "1.5.0 1.4.3 1.4.2", map[string]Code{"1.5.0-rc.1": PreRelease}},
		{"a pre-release that is asked for", "^1.5.0-rc.1", "", "1.5.0-rc.1", false, "", "1.5.0 1.5.0-rc.1", map[string]Code{"1.4.2": Older, "1.5.0": NoTarget}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := offering(universe...)
			got, err := Choose(query(c.rng, c.locked, s.versions()), s.look)
			if err != nil {
				t.Fatal(err)
			}
			if got.Version != c.want || got.Kept != c.kept || got.Replaces != c.replaces || strings.Join(s.looked, " ") != c.looked {
				t.Errorf("%+v, looked %v", got, s.looked)
			}
			for _, r := range got.Rejected {
				if want, ok := c.reasons[r.Version]; ok && r.Code != want {
					t.Errorf("%+v, want %s", r, want)
				}
				delete(c.reasons, r.Version)
			}
			if len(c.reasons) > 0 {
				t.Errorf("no reason for %v in %v", c.reasons, got.Rejected)
			}
			if !slices.IsSortedFunc(got.Rejected, func(a, b Rejection) int { return Compare(b.Version, a.Version) }) {
				t.Errorf("not newest first: %v", got.Rejected)
			}
			if c.replaces != "" && !strings.Contains(Explain("p", got), "  "+c.replaces) {
				t.Errorf("the replaced version is not explained:\n%s", Explain("p", got))
			}
		})
	}
	s := offering(universe...)
	kept, _ := Choose(query("^1", "1.4.3", s.versions()), s.look)
	if kept.Offer.Withdrawn == "" {
		t.Error("the caller cannot see that the kept version is withdrawn")
	}
	if !strings.HasPrefix(Explain("p", kept), "kept p 1.4.3, which is locked\n") {
		t.Error(Explain("p", kept))
	}
}

func TestChooseErrors(t *testing.T) {
	s := offering(universe...)
	delete(s.offers, "1.5.0")
	for _, locked := range []string{"", "1.5.0"} {
		_, err := Choose(query("^1", locked, []string{"1.5.0", "1.4.2"}), s.look)
		if err == nil || err.Error() != "connection refused" {
			t.Errorf("a version that can't be looked at must not be skipped: %v", err)
		}
	}
	s.offers["1.5.0"] = s.offers["1.4.2"] // the tag holds another version
	got, err := Choose(query("^1", "", []string{"1.5.0", "1.4.2"}), s.look)
	if err != nil || got.Version != "1.4.2" || got.Rejected[0].Detail != `unusable: it says that it is version "1.4.2"` {
		t.Error(got, err)
	}
}

func TestNoVersion(t *testing.T) {
	gnu := []manifest.Target{linux}
	for _, c := range []struct {
		name          string
		offers        []string
		rng           string
		targets       []manifest.Target
		message, hint string
		looked        string
	}{
		{"nothing offered", nil, "^1", gnu,
			`plugin "p": expected a version in ^1, found no versions at all`, "check the name", ""},
		{"range", []string{"2.0.0 linux c/1.0.0 2.17", "3.0.0 linux c/1.0.0 2.17"}, "^1", gnu,
			`plugin "p": no version fits ^1: 3.0.0 outside ^1 (and 1 more)`, "offered are 3.0.0, 2.0.0: widen the range", ""},
		{"pre-releases only", []string{"1.0.0-rc.1 linux c/1.0.0 2.17", "2.0.0 linux c/1.0.0 2.17"}, "^1.0.0", gnu,
			`no version fits ^1.0.0: 2.0.0`, "offered are 2.0.0, 1.0.0-rc.1", ""},
		{"a pre-release in the range", []string{"1.1.0-rc.1 linux c/1.0.0 2.17", "2.0.0 linux c/1.0.0 2.17"}, "^1.0.0", gnu,
			`1.1.0-rc.1 pre-release, which ^1.0.0 does not ask for (and 1 more)`, "to use a pre-release, name it: 1.1.0-rc.1", ""},
		{"target, had by one outside the range", []string{"2.0.0 linux c/1.0.0 2.17", "2.1.0 linux c/1.0.0 2.17", "1.0.0 linux,arm c/1.0.0 2.17"}, "^2", []manifest.Target{linux, arm},
			`2.1.0 has no library for aarch64-unknown-linux-gnu (has: x86_64-unknown-linux-gnu) (and 2 more)`,
			"aarch64-unknown-linux-gnu: in 1.0.0 (outside ^2)", "2.1.0 2.0.0 1.0.0"},
		{"target, had by one with another fault", []string{"2.1.0 linux c/1.0.0 2.17", "2.0.0 linux,arm c/2.0.0 2.17"}, "^2", []manifest.Target{linux, arm},
			`2.1.0 has no library`, "aarch64-unknown-linux-gnu: in 2.0.0 (built against c ABI 2.0, this host accepts 1.x)", "2.1.0 2.0.0"},
		{"target, had by none", []string{"1.0.0 linux c/1.0.0 2.17"}, "*", []manifest.Target{mac},
			`1.0.0 has no library for aarch64-apple-darwin (has: x86_64-unknown-linux-gnu)`, "none of the versions looked at has aarch64-apple-darwin", "1.0.0"},
		{"abi, older one fits", []string{"2.0.0 linux c/2.0.0 2.17", "1.0.0 linux c/1.0.0 2.17"}, "^2", gnu,
			`2.0.0 built against c ABI 2.0, this host accepts 1.x (and 1 more)`, "1.0.0 (outside ^2) fits this host: widen the range", "2.0.0 1.0.0"},
		{"abi", []string{"2.0.0 linux c/2.0.0 2.17"}, "*", gnu,
			`2.0.0 built against c ABI 2.0`, "update the engine", "2.0.0"},
		{"libc", []string{"2.0.0 linux c/1.0.0 2.38"}, "*", gnu,
			`2.0.0 library for x86_64-unknown-linux-gnu needs glibc 2.38, the oldest in use is 2.31`, "raise glibc in [host]", "2.0.0"},
		{"withdrawn", []string{"1.1.0 linux c/1.0.0 2.17 !bad", "2.0.0 linux c/1.0.0 2.17"}, "^1", gnu,
			`1.1.0 withdrawn: bad (and 1 more)`, "every version in ^1 was withdrawn", "1.1.0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := offering(c.offers...)
			_, err := Choose(Query{Requirement: Requirement{"p", mustRange(c.rng)}, Host: host, Targets: c.targets, Versions: s.versions()}, s.look)
			var none *NoVersionError
			if !errors.As(err, &none) {
				t.Fatal(err)
			}
			if !strings.Contains(none.Error(), c.message) || !strings.Contains(none.Hint(), c.hint) {
				t.Errorf("%s\nhint: %s", none, none.Hint())
			}
			if len(none.Rejected) != len(c.offers) || strings.Join(s.looked, " ") != c.looked {
				t.Errorf("rejected %v, looked %v", none.Rejected, s.looked)
			}
			for _, r := range none.Rejected {
				if !strings.Contains(none.Explanation(), r.Version) || r.Detail == "" {
					t.Errorf("%v is not explained:\n%s", r, none.Explanation())
				}
			}
		})
	}
}

// TestAdviceIsBounded: a failure must not ask for every version there is, nor fail because advice could not be had.
func TestAdviceIsBounded(t *testing.T) {
	var lines []string
	for i := range 50 {
		lines = append(lines, fmt.Sprintf("1.%d.0 linux c/1.0.0 2.17", i))
	}
	s := offering(append(lines, "2.0.0 linux c/1.0.0 2.17")...)
	q := Query{Requirement: Requirement{"p", mustRange("^2")}, Host: host, Targets: []manifest.Target{mac}, Versions: s.versions()}
	if _, err := Choose(q, s.look); err == nil || len(s.looked) != 1+maxAdvised {
		t.Error(err, s.looked)
	}
	delete(s.offers, "1.49.0")
	_, err := Choose(q, s.look)
	if none := (*NoVersionError)(nil); !errors.As(err, &none) {
		t.Error(err)
	}
}

func TestExplainJoinsRuns(t *testing.T) {
	var rejected []Rejection
	for i := 9; i >= 0; i-- {
		rejected = append(rejected, Rejection{fmt.Sprintf("2.%d.0", i), OutOfRange, "outside ^1"})
	}
	rejected = append(rejected, Rejection{"1.1.0", Withdrawn, "withdrawn: x"}, Rejection{"1.0.0", Older, "older"})
	want := `chose p 1.0.1
  2.9.0 to 2.0.0 (10 versions)  outside ^1
  1.1.0                         withdrawn: x
`
	if d := cmp.Diff(want, Explain("p", Choice{Version: "1.0.1", Rejected: rejected})); d != "" {
		t.Error(d)
	}
	if got := Explain("p", Choice{Version: "1.0.0"}); got != "chose p 1.0.0\n" {
		t.Error(got)
	}
}
