package oracle

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"

	"github.com/loadr-plugins/loadr/loader/abistable"
	"github.com/loadr-plugins/loadr/loader/binfile"
	"github.com/loadr-plugins/loadr/manifest"
)

// TestWalkOfTheFile reads each library's layout from its file: it is what the oracle reads from the loaded library.
func TestWalkOfTheFile(t *testing.T) {
	forAll(t, func(t *testing.T, l Library, path string) {
		// A host of the library's own version: a layout is not read for one of another major version.
		report := inspectAs(t, cmp.Or(l.Header, l.Version, "1.0"), SDK, path)
		if l.NoText != "" {
			if report.Graph != nil || report.ABI.Layout != "" || !hasRule(report, l.NoText) {
				t.Errorf("expected no layout for rule %s, found %+v", l.NoText, report.ABI)
			}
			return
		}
		if report.Graph == nil {
			t.Fatalf("no layout: %+v", report.ABI)
		}
		if want, got := Dump(t, path), report.Graph.Text(); !bytes.Equal(want, got) {
			t.Errorf("the file's layout is not the oracle's:\n%s", differences(want, got))
		}
	})
}

// TestVerdicts compares our verdict on each file with abi_stable's, and prints both.
func TestVerdicts(t *testing.T) {
	var table table
	t.Run("all", func(t *testing.T) {
		forAll(t, func(t *testing.T, l Library, path string) {
			for _, host := range l.Hosts() {
				real, _ := Verdict(t, host, path)
				report := inspect(t, host, path)
				table.add(l.Name, host, real, report)
				compareVerdicts(t, l, host, real, report)
			}
		})
	})
	t.Log("\n" + table.String())
}

func compareVerdicts(t *testing.T, l Library, host string, real bool, report *abistable.Report) {
	t.Helper()
	ours := report.ABI.Verdict == manifest.Fits
	switch {
	case l.NoText == "code-shape":
		if report.ABI.Verdict != manifest.Unverifiable {
			t.Errorf("host %s: expected a library that can't be verified, found %+v", host, report.ABI)
		}
	case l.Stricter != "":
		if !real || ours || !hasRule(report, l.Stricter) {
			t.Errorf("host %s: abi_stable says %v; expected it to accept and us to refuse by rule %s, found %+v", host, real, l.Stricter, report.ABI)
		}
	case real != ours:
		t.Errorf("host %s: abi_stable says %v, we say %+v", host, real, report.ABI)
	case !ours && len(report.ABI.Problems) == 0:
		t.Errorf("host %s: refused without a reason", host)
	}
}

// TestOneTextForAllBuilds holds that options, linkers and versions of abi_stable leave no trace in the text.
func TestOneTextForAllBuilds(t *testing.T) {
	want := inspect(t, SDK, Base().Path(t)).ABI.Layout
	for _, l := range append(builds(), onLinux()...) {
		if l.NoText != "" {
			continue
		}
		if got := inspect(t, SDK, l.Path(t)).ABI.Layout; got != want {
			t.Errorf("%s: expected layout %s, found %s", l.Name, want, got)
		}
	}
}

// TestOurHostKnowsMinorVersions: a host that knows 1.0 and 1.1 runs libraries of either, and one that knows 1.0 runs
// those of 1.1. A Rust host of 1.1 refuses those of 1.0; the table has that.
func TestOurHostKnowsMinorVersions(t *testing.T) {
	older := abistable.Host{{Version: "1.0", Graph: hostGraph(t, SDK)}}
	newer := append(abistable.Host{{Version: "1.1", Graph: hostGraph(t, Next)}}, older...)
	libraries := minorVersions()
	for _, test := range []struct {
		host      abistable.Host
		library   Library
		satisfies string
	}{
		{older, Base(), "1.0"},
		{newer, Base(), "1.0"},
		{older, libraries[0], "1.0"},
		{newer, libraries[0], "1.1"},
		{newer, libraries[1], "1.0"},
		{newer, libraries[2], "1.0"},
	} {
		report, err := test.host.Inspect(open(t, test.library.Path(t)))
		if err != nil {
			t.Fatal(err)
		}
		if report.ABI.Verdict != manifest.Fits || report.Satisfies != test.satisfies {
			t.Errorf("%s, host of %d versions: expected to satisfy %s, found %q: %+v",
				test.library.Name, len(test.host), test.satisfies, report.Satisfies, report.ABI)
		}
	}
}

func inspect(t *testing.T, host, path string) *abistable.Report {
	t.Helper()
	return inspectAs(t, map[string]string{SDK: "1.0", Next: "1.1", Rich: "1.0"}[host], host, path)
}

// inspectAs inspects for a host that knows one interface, and takes it to be of this version.
func inspectAs(t *testing.T, version, host, path string) *abistable.Report {
	t.Helper()
	report, err := abistable.Host{{Version: version, Graph: hostGraph(t, host)}}.Inspect(open(t, path))
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return report
}

func open(t *testing.T, path string) *binfile.File {
	t.Helper()
	file, err := binfile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	return file
}

func hasRule(report *abistable.Report, rule string) bool {
	return slices.ContainsFunc(report.ABI.Problems, func(p manifest.Problem) bool { return p.Rule == rule })
}

// table collects what is said about each library. Safe for concurrent use.
type table struct {
	mu   sync.Mutex
	rows []string
}

func (x *table) add(name, host string, real bool, report *abistable.Report) {
	row := fmt.Sprintf("%s\t%s\t%s\t%s\t", name, host, map[bool]string{true: "fits", false: "differs"}[real], report.ABI.Verdict)
	if len(report.ABI.Problems) > 0 {
		p := report.ABI.Problems[len(report.ABI.Problems)-1]
		row += fmt.Sprintf("%s: %s: expected %s, found %s", p.Path, p.Rule, p.Want, p.Got)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.rows = append(x.rows, row)
}

// String gives the rows in the order of their names.
func (x *table) String() string {
	slices.Sort(x.rows)
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "library\thost\tabi_stable\twe\tour last problem")
	for _, row := range x.rows {
		fmt.Fprintln(w, row)
	}
	_ = w.Flush()
	return out.String()
}
