package oracle

import (
	"bytes"
	"cmp"
	"fmt"
	"regexp"
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
	table := table{broken: map[string]bool{}, alone: map[string]bool{}}
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
	t.Logf("%d verdicts on %d libraries\n%s", len(table.rows), len(family(t)), table.String())
	if asked := verdicts(All()); len(table.rows) == asked { // not under -short or with a part of the tests only
		table.holdRules(t)
	}
}

// unbroken are rules that no library breaks which abi_stable's macros make.
var unbroken = map[string]string{
	"primitive":      "primitives of another kind have another name",
	"exhaustiveness": "an enum of the same name in the same place is of the same sort",
	"storage":        "the macros refuse to compile it",
	"limit":          "no bad library is that bad",
}

// neverAlone are rules that are broken together with others only.
var neverAlone = map[string]string{
	"nonzero":           "a field's type differs too",
	"discriminant-type": "so does repr",
	"parameter-count":   "the result stands where a parameter is expected",
}

// holdRules: of the rules that docs/spec/native-abi.md lists for types, each decided the verdict on some library alone, and
// no other rule was heard of.
func (x *table) holdRules(t *testing.T) {
	t.Helper()
	_, text, _ := strings.Cut(read(t, "docs/spec/native-abi.md"), "### Rules of compatibility")
	text, _, _ = strings.Cut(text, "Of a field that")
	listed := map[string]bool{"abi-stable-version": true, "interface-version": true, "layout-constant": true, "code-shape": true, "layout-graph": true}
	for line := range strings.Lines(text) {
		if cells := strings.Split(line, "|"); len(cells) > 2 {
			for _, rule := range regexp.MustCompile("`([a-z-]+)`").FindAllStringSubmatch(cells[1], -1) {
				listed[rule[1]] = true
				x.holdRule(t, rule[1])
			}
		}
	}
	for rule := range x.broken {
		if !listed[rule] {
			t.Errorf("docs/spec/native-abi.md does not list rule %s", rule)
		}
	}
}

func (x *table) holdRule(t *testing.T, rule string) {
	t.Helper()
	if broken, want := x.broken[rule], unbroken[rule] == ""; broken != want {
		t.Errorf("rule %s: broken by some library is %v, expected %v", rule, broken, want)
	}
	if alone, want := x.alone[rule], unbroken[rule]+neverAlone[rule] == ""; alone != want {
		t.Errorf("rule %s: broken alone by some library is %v, expected %v", rule, alone, want)
	}
}

// verdicts counts the questions that are asked about libraries.
func verdicts(libraries []Library) (n int) {
	for _, l := range libraries {
		n += len(l.Hosts())
	}
	return n
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
	for _, l := range family(t) {
		if l.Build.isPlain() || l.NoText != "" {
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

// TestLibrariesAreNotComparedWithOneAnother: abi_stable refuses a library whose added field conflicts with that of one that
// it has loaded before. We don't, as we never read added fields. A deliberate difference.
func TestLibrariesAreNotComparedWithOneAnother(t *testing.T) {
	first, second := nextLibrary().Path(t), find(t, "field added after the last prefix field").Path(t)
	for _, path := range []string{first, second} {
		if fits, reasons := Verdict(t, SDK, path); !fits {
			t.Errorf("abi_stable refuses a library on its own: %s", reasons)
		}
		if report := inspect(t, SDK, path); report.ABI.Verdict != manifest.Fits {
			t.Errorf("we refuse: %+v", report.ABI)
		}
	}
	if fits, _ := Verdict(t, SDK, second, first); fits {
		t.Error("abi_stable accepts the second library after the first: the difference is gone")
	}
	if fits, reasons := Verdict(t, SDK, Base().Path(t), first); !fits {
		t.Errorf("abi_stable refuses a library without the added field after one with it: %s", reasons)
	}
}

func find(t *testing.T, name string) Library {
	t.Helper()
	all := All()
	i := slices.IndexFunc(all, func(l Library) bool { return l.Name == name })
	if i < 0 {
		t.Fatalf("no library %q", name)
	}
	return all[i]
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
	mu            sync.Mutex
	rows          []string
	broken, alone map[string]bool // rules: those of all problems, and those of libraries that break one only
}

func (x *table) add(name, host string, real bool, report *abistable.Report) {
	row := fmt.Sprintf("%s\t%s\t%s\t%s\t", name, host, map[bool]string{true: "fits", false: "differs"}[real], report.ABI.Verdict)
	if len(report.ABI.Problems) > 0 {
		p := report.ABI.Problems[len(report.ABI.Problems)-1]
		row += fmt.Sprintf("%s: %s: expected %s, found %s", p.Path, p.Rule, p.Want, p.Got)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	var rules []string
	for _, p := range report.ABI.Problems {
		rules = append(rules, p.Rule)
		x.broken[p.Rule] = true
	}
	if slices.Sort(rules); len(slices.Compact(rules)) == 1 {
		x.alone[rules[0]] = true
	}
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
