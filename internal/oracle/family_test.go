package oracle

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/loadr-plugins/loadr/loader/layout"
	"github.com/loadr-plugins/loadr/manifest"
)

// TestRealVerdicts holds the table of the family: abi_stable says what is written there.
func TestRealVerdicts(t *testing.T) {
	forAll(t, func(t *testing.T, l Library, path string) {
		for _, host := range l.Hosts() {
			fits, reasons := Verdict(t, host, path)
			if want := slices.Contains(l.Accepts, host); fits != want {
				t.Errorf("host %s: fits is %v, expected %v: %s", host, fits, want, reasons)
			}
		}
	})
}

// TestCheckIsThatOfTheOracle gives our check the layouts that the oracle read, so that nothing but the check is tested.
func TestCheckIsThatOfTheOracle(t *testing.T) {
	forAll(t, func(t *testing.T, l Library, path string) {
		if l.NoText != "" && l.NoText != "code-shape" || l.Header == "2.0.0" {
			return // the layout does not decide, or there is none
		}
		got := parse(t, Dump(t, path))
		for _, host := range l.Hosts() {
			want, problems := slices.Contains(l.Accepts, host), layout.Check(hostGraph(t, host), got)
			switch {
			case l.Stricter != "" && want:
				if !slices.ContainsFunc(problems, func(p manifest.Problem) bool { return p.Rule == l.Stricter }) {
					t.Errorf("host %s: expected a problem of rule %s, found %v", host, l.Stricter, problems)
				}
			case (problems == nil) != want:
				t.Errorf("host %s: fits is %v, expected %v: %v", host, problems == nil, want, problems)
			}
		}
	})
}

// family gives all libraries; with -short those only for which abi_stable need not be compiled anew.
func family(t *testing.T) []Library {
	t.Helper()
	return slices.DeleteFunc(All(), func(l Library) bool {
		return testing.Short() && l.Build.dependencies() != Build{}.dependencies()
	})
}

// isPlain says that nothing was asked.
func (b Build) isPlain() bool {
	return b.ABIStable == "" && !b.Strip && len(b.Profile)+len(b.Flags)+len(b.Last) == 0
}

func forAll(t *testing.T, test func(t *testing.T, l Library, path string)) {
	t.Helper()
	for _, l := range family(t) {
		t.Run(l.Name, func(t *testing.T) {
			t.Parallel()
			test(t, l, l.Path(t))
		})
	}
}

func TestTableOfTheFamily(t *testing.T) {
	names := map[string]bool{}
	for _, l := range All() {
		if names[l.Name] {
			t.Errorf("two libraries are called %q", l.Name)
		}
		names[l.Name] = true
		if len(l.Hosts()) == 0 {
			t.Errorf("library %q: no host is asked", l.Name)
		}
	}
	if len(names) < 40 {
		t.Errorf("expected at least 40 libraries, found %d", len(names))
	}
}

// TestBaseIsTheSDK holds that the family is about the interface of sdk/rust.
func TestBaseIsTheSDK(t *testing.T) {
	if base, sdk := Dump(t, Base().Path(t)), Dump(t, SDK); !bytes.Equal(base, sdk) {
		t.Errorf("the base library's layout is not that of the SDK:\n%s", differences(sdk, base))
	}
}

// TestTheTextIsCanonical reads and writes what the oracle wrote.
func TestTheTextIsCanonical(t *testing.T) {
	for _, host := range []string{SDK, Next, Rich} {
		text := Dump(t, host)
		if again := parse(t, text).Text(); !bytes.Equal(text, again) {
			t.Errorf("host %s:\n%s", host, differences(text, again))
		}
	}
}

var hostGraphs sync.Map

func hostGraph(t *testing.T, host string) *layout.Graph {
	t.Helper()
	if graph, ok := hostGraphs.Load(host); ok {
		return graph.(*layout.Graph)
	}
	graph := parse(t, Dump(t, host))
	hostGraphs.Store(host, graph)
	return graph
}

func parse(t *testing.T, text []byte) *layout.Graph {
	t.Helper()
	graph, err := layout.Parse(text)
	if err != nil {
		t.Fatalf("text of the oracle: %v", err)
	}
	return graph
}

// differences shows the first few lines that are not alike.
func differences(want, got []byte) string {
	w, g := strings.Split(string(want), "\n"), strings.Split(string(got), "\n")
	var out strings.Builder
	for i, shown := 0, 0; i < max(len(w), len(g)) && shown < 5; i++ {
		var a, b string
		if i < len(w) {
			a = w[i]
		}
		if i < len(g) {
			b = g[i]
		}
		if a != b {
			fmt.Fprintf(&out, "line %d: expected %q, found %q\n", i+1, a, b)
			shown++
		}
	}
	return out.String()
}
