package resolve

import (
	"fmt"
	"testing"

	"github.com/loadr-plugins/loadr/manifest"
)

// sizes are how many versions a plugin has.
var sizes = []int{10, 100, 1000, 10_000}

func versionNumber(i int) string { return fmt.Sprintf("%d.%d.%d", i/1000, i/10%100, i%10) }

// oneOf gives a plugin's versions, each with a library for Linux, and what it requires.
func oneOf(versions int, requires func(version string) map[string]string) map[string]Offer {
	offers := map[string]Offer{}
	for i := range versions {
		o := Offer{Version: versionNumber(i), Targets: []TargetOffer{library1(linux, "c/1.0.0", "glibc>=2.17")}}
		if requires != nil {
			o.RequiresPlugins = requires(o.Version)
		}
		offers[o.Version] = o
	}
	return offers
}

// BenchmarkChoose is for one plugin: the newest version fits; the last one in a range that most are outside of; none is in
// the range; each is looked at and lacks a library.
func BenchmarkChoose(b *testing.B) {
	for _, size := range sizes {
		offers := oneOf(size, nil)
		var versions []string
		for v := range offers {
			versions = append(versions, v)
		}
		look := func(v string) (Offer, error) { return offers[v], nil }
		for _, c := range []struct {
			name, rng string
			target    manifest.Target
			none      bool
		}{{"newest", "*", linux, false}, {"oldest", "^0.0.0 || =0.0.1", linux, false}, {"none in range", ">=99", linux, true}, {"all looked at", "*", mac, true}} {
			b.Run(fmt.Sprintf("%s/%d", c.name, size), func(b *testing.B) {
				q := Query{Requirement: Requirement{"p", mustRange(c.rng)}, Host: host, Targets: []manifest.Target{c.target}, Versions: versions}
				for b.Loop() {
					if _, err := Choose(q, look); (err != nil) != c.none {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkChooseSet is for plugins together: one alone, three in a chain of requirements with so many versions each, and a
// growing number of plugins that each require the next two.
func BenchmarkChooseSet(b *testing.B) {
	run := func(name string, w world) {
		b.Run(name, func(b *testing.B) {
			listed := lists(w)
			for b.Loop() {
				if _, err := ChooseSet(Set{Requirements: asks("a0@*"), Host: host, Targets: []manifest.Target{linux}}, listed); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	atMost := func(names ...string) func(string) map[string]string {
		return func(version string) map[string]string {
			out := map[string]string{}
			for _, name := range names {
				out[name] = "<=" + version
			}
			return out
		}
	}
	for _, size := range sizes {
		run(fmt.Sprintf("one/%d", size), world{"a0": oneOf(size, nil)})
		run(fmt.Sprintf("chain of three/%d", size), world{"a0": oneOf(size, atMost("a1")), "a1": oneOf(size, atMost("a2")), "a2": oneOf(size, nil)})
	}
	for _, plugins := range []int{10, 50, 200} {
		w := world{}
		for i := range plugins {
			name := func(n int) string { return fmt.Sprintf("a%d", min(n, plugins-1)) }
			w[name(i)] = oneOf(50, atMost(name(i+1), name(i+2)))
		}
		run(fmt.Sprintf("plugins of 50 versions/%d", plugins), w)
	}
}

// listed answers from lists that are made before the clock runs.
type listed struct {
	world
	versions map[string][]string
}

func lists(w world) listed {
	out := listed{w, map[string][]string{}}
	for name := range w {
		out.versions[name], _ = w.Versions(name)
	}
	return out
}

func (l listed) Versions(name string) ([]string, error) { return l.versions[name], nil }
