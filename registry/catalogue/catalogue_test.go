package catalogue

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func entry(name, version string) Entry {
	return Entry{
		Name: name, Version: version, Kind: "protocol", Type: "native", Description: "What " + name + " does", Keywords: []string{"Load Test"},
		Schemes: []string{name + "s"}, License: "MIT", Targets: []string{"x86_64-unknown-linux-gnu"}, ABI: []string{"c/1.0.0"},
	}
}

func withPreview(e Entry, preview string) Entry {
	e.Preview = preview
	return e
}

// TestMerge: the release counts, whatever is published after it, and pre-releases stand beside it.
func TestMerge(t *testing.T) {
	for _, test := range []struct {
		versions         []string
		version, preview string
	}{
		{[]string{"1.0.0"}, "1.0.0", ""},
		{[]string{"2.0.0", "1.0.1"}, "2.0.0", ""},
		{[]string{"1.10.0", "1.9.0"}, "1.10.0", ""},
		{[]string{"1.0.0-rc.1"}, "1.0.0-rc.1", ""},
		{[]string{"1.0.0-rc.2", "1.0.0-rc.1"}, "1.0.0-rc.2", ""},
		{[]string{"1.0.0", "2.0.0-rc.1"}, "1.0.0", "2.0.0-rc.1"},
		{[]string{"2.0.0-rc.1", "1.0.0", "2.0.0-rc.2"}, "1.0.0", "2.0.0-rc.2"},
		{[]string{"2.0.0-rc.1", "2.0.0", "1.0.0"}, "2.0.0", ""},
	} {
		merged := entry("echo", test.versions[0])
		for _, v := range test.versions[1:] {
			merged = Merge(merged, entry("echo", v))
		}
		if merged.Version != test.version || merged.Preview != test.preview {
			t.Errorf("%v: found %s and preview %q, expected %s and %q", test.versions, merged.Version, merged.Preview, test.version, test.preview)
		}
		if err := merged.check(); err != nil {
			t.Errorf("%v: %v", test.versions, err)
		}
		for _, v := range test.versions {
			if !merged.Covers(v) {
				t.Errorf("%v: does not cover %s", test.versions, v)
			}
		}
		for _, v := range []string{"3.0.0", "3.0.0-rc.1"} {
			if merged.Covers(v) {
				t.Errorf("%v: covers %s", test.versions, v)
			}
		}
	}
	if preview := entry("echo", "2.0.0-rc.1"); preview.Covers("1.0.0") {
		t.Error("a pre-release covers a release, whose texts are the ones to show")
	}
}

// TestMergeOrder: whoever publishes when, and however often compactions come between, the entry is the same.
func TestMergeOrder(t *testing.T) {
	versions := []string{"1.0.0", "1.0.1", "1.10.0", "2.0.0-rc.1", "2.0.0-rc.10", "2.0.0", "3.0.0-a"}
	rapid.Check(t, func(t *rapid.T) {
		entries := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Entry {
			e := entry("echo", rapid.SampledFrom(versions).Draw(t, "version"))
			e.Description = rapid.SampledFrom([]string{"one", "two"}).Draw(t, "description") // of programs of different age
			return e
		}), 1, 8).Draw(t, "entries")
		one := fold(entries)
		shuffled := rapid.Permutation(entries).Draw(t, "shuffled")
		cut := rapid.IntRange(1, len(shuffled)).Draw(t, "cut")
		other := fold(append(shuffled[cut:], fold(shuffled[:cut]), shuffled[0]))
		if !reflect.DeepEqual(one, other) {
			t.Fatalf("in one order %+v, in another %+v", one, other)
		}
		if err := one.check(); err != nil {
			t.Fatal(err)
		}
	})
}

func fold(entries []Entry) Entry {
	merged := entries[0]
	for _, e := range entries[1:] {
		merged = Merge(merged, e)
	}
	return merged
}

func TestTag(t *testing.T) {
	tag := Tag{12, "echo-proto", "1.0.0-rc.1"}
	if s := tag.String(); s != "g0000000012.echo-proto.1.0.0-rc.1" {
		t.Error(s)
	}
	if back, ok := ParseTag(tag.String()); !ok || back != tag {
		t.Errorf("read back %+v", back)
	}
	longest := Tag{MaxGeneration, strings.Repeat("n", 64), "1.0.0-" + strings.Repeat("v", MaxVersion-6)}
	if s := longest.String(); len(s) > 128 {
		t.Errorf("a tag of %d characters", len(s))
	} else if _, ok := ParseTag(s); !ok {
		t.Errorf("%s is not read", s)
	}
	for _, s := range []string{
		"", "index", "1.0.0", "g12.echo.1.0.0", "g0000000012.echo", "g0000000012.echo.1", "g0000000012.Echo.1.0.0", "g0000000012.con.1.0.0",
		"g0000000012.echo.01.0.0", "g0000000012.echo.1.0.0\n", "g0000000012.../x.1.0.0", "g0000000012.echo.1.0.0-" + strings.Repeat("v", 60),
	} {
		if tag, ok := ParseTag(s); ok {
			t.Errorf("%q is read as %+v", s, tag)
		}
	}
	for _, test := range []struct {
		generation int64
		seen       bool
	}{{3, true}, {4, true}, {5, true}, {2, false}} {
		if got := After(Tag{test.generation, "a", "1.0.0"}.String(), Since(4)); got != test.seen {
			t.Errorf("a tag of generation %d is listed at generation 4: %v", test.generation, got)
		}
	}
	if !After(Tag{0, "a", "1.0.0"}.String(), Since(0)) || !After(Tag{0, "a", "1.0.0"}.String(), Since(1)) {
		t.Error("tags of the first generation are left out")
	}
}

// TestClip: what any plugin.toml says becomes an entry.
func TestClip(t *testing.T) {
	e := entry("echo", "1.0.0")
	e.Description = "One line\n\tand another " + strings.Repeat("ü", 400)
	e.Keywords = slices.Repeat([]string{strings.Repeat("k", 500)}, 64)
	e.License = strings.Repeat("MIT OR ", 200) + "MIT"
	clipped, err := e.Clip()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(clipped.Description, "One line and another üü") || len(clipped.Description) > maxDescription || !strings.HasSuffix(clipped.Description, "ü...") {
		t.Errorf("description %q", clipped.Description)
	}
	if len(clipped.Keywords) != keptWords || len(clipped.Keywords[0]) != maxText {
		t.Errorf("keywords %q", clipped.Keywords)
	}
	if text := clipped.Append(nil); len(text) > MaxLine {
		t.Errorf("%d bytes", len(text))
	} else if back, err := ParseEntry(text); err != nil || !reflect.DeepEqual(back, clipped) {
		t.Errorf("read back %+v, %v", back, err)
	}
	long := entry("echo", "1.0.0-"+strings.Repeat("a", MaxVersion))
	if _, err := long.Clip(); err == nil || !strings.Contains(err.Error(), "version") {
		t.Errorf("a version that is too long: %v", err)
	}
}

func TestHostileEntries(t *testing.T) {
	good := string(entry("echo", "1.0.0").Append(nil))
	if _, err := ParseEntry([]byte(good)); err != nil {
		t.Fatal(err)
	}
	if _, err := ParseEntry([]byte(strings.Replace(good, `{`, `{"later":[1],`, 1))); err != nil {
		t.Errorf("a key that we do not know: %v", err)
	}
	for field, change := range map[string][2]string{
		"name":        {`"name":"echo"`, `"name":"../../etc"`},
		"version":     {`"version":"1.0.0"`, `"version":"1.0"`},
		"kind":        {`"protocol"`, `"\u001b[31m"`},
		"type":        {`"type":"native"`, `"type":""`},
		"description": {`"What echo does"`, `"\u001b]0;title\u0007"`},
		"license":     {`"MIT"`, `"` + strings.Repeat("M", 1000) + `"`},
		"keywords":    {`"Load Test"`, `"a\nb"`},
		"schemes":     {`"echos"`, `"a\tb"`},
		"targets":     {`["x86_64-unknown-linux-gnu"]`, `[` + strings.Repeat(`"a",`, 200) + `"a"]`},
		"abi":         {`"c/1.0.0"`, `"\u202ec"`},
		"preview":     {`"kind"`, `"preview":"0.9.0-rc.1","kind"`},
		"entry":       {`{`, `[`},
	} {
		text := strings.Replace(good, change[0], change[1], 1)
		var broken *EntryError
		if _, err := ParseEntry([]byte(text)); !errors.As(err, &broken) || broken.Field != field || len(err.Error()) > 400 {
			t.Errorf("%s: %v", field, err)
		}
	}
	if _, err := ParseEntry(append([]byte(good[:len(good)-1]), strings.Repeat(" ", MaxLine)+"}"...)); err == nil {
		t.Error("a long entry is read")
	}
}

func lines(entries ...Entry) string {
	var b []byte
	for _, e := range entries {
		b = append(e.Append(b), '\n')
	}
	return string(b)
}

func TestReadLines(t *testing.T) {
	a, b := entry("a", "1.0.0"), entry("b", "1.0.0")
	for name, test := range map[string]struct {
		text string
		line int
	}{
		"a name twice":    {lines(a, a), 2},
		"out of order":    {lines(b, a), 2},
		"no end":          {strings.TrimSuffix(lines(a, b), "\n"), 2},
		"an empty line":   {lines(a) + "\n", 2},
		"a long line":     {lines(a) + strings.Repeat("x", 1<<20) + "\n", 2},
		"a line too long": {"{" + strings.Repeat(" ", MaxLine-1) + "}\n", 1},
		"not JSON":        {"x\n", 1},
	} {
		err := ReadLines(strings.NewReader(test.text), func(Entry, []byte) error { return nil })
		var broken *LineError
		if !errors.As(err, &broken) || broken.Line != test.line {
			t.Errorf("%s: %v, expected line %d", name, err, test.line)
		}
	}
	stop := errors.New("stop")
	if err := ReadLines(strings.NewReader(lines(a, b)), func(Entry, []byte) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("each's own error: %v", err)
	}
	if err := ReadLines(io.MultiReader(strings.NewReader(lines(a)), failing{stop}), func(Entry, []byte) error { return nil }); !errors.Is(err, stop) {
		t.Errorf("the reader's own error: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// TestCompact merges by name, and gives the same bytes for the same entries whatever came when.
func TestCompact(t *testing.T) {
	compact := func(old string, fresh ...Entry) string {
		byName := map[string]Entry{}
		for _, e := range fresh {
			byName[e.Name] = e
		}
		var out bytes.Buffer
		count, err := Compact(&out, strings.NewReader(old), byName)
		if err != nil || count != strings.Count(out.String(), "\n") {
			t.Fatalf("%d entries, %v: %s", count, err, out.String())
		}
		return out.String()
	}
	a, b, c, d := entry("a", "1.0.0"), entry("b", "1.0.0"), entry("c", "2.0.0"), entry("d", "1.0.0")
	old := compact("", b, c)
	got := compact(old, a, entry("c", "1.0.1"), entry("b", "1.1.0"), d)
	if want := lines(a, entry("b", "1.1.0"), c, d); got != want {
		t.Errorf("expected\n%sfound\n%s", want, got)
	}
	if all := compact("", d, entry("b", "1.1.0"), c, a); all != got {
		t.Errorf("at once\n%sin steps\n%s", all, got)
	}
	if again := compact(got, b); again != got {
		t.Errorf("an old entry again changed it:\n%s", again)
	}
	if _, err := Compact(io.Discard, strings.NewReader("x\n"), nil); err == nil {
		t.Error("a broken old state is taken")
	}
}

// held is a table in memory.
type held struct{ rows, lines string }

func (h held) table() Table { return Table{strings.NewReader(h.rows), strings.NewReader(h.lines)} }

func tableOf(t testing.TB, entries ...Entry) held {
	t.Helper()
	h, n, err := writeTable(lines(entries...))
	if err != nil || n != len(entries) {
		t.Fatalf("%d, %v", n, err)
	}
	return h
}

func writeTable(text string) (held, int, error) {
	var rows, kept bytes.Buffer
	n, err := WriteTable(&rows, &kept, strings.NewReader(text))
	return held{rows.String(), kept.String()}, n, err
}

func described(name, description string, keywords ...string) Entry {
	return Entry{Name: name, Version: "1.0.0", Kind: "output", Type: "native", Description: description, Keywords: keywords}
}

// TestSearch: names before keywords before descriptions, and by name among equals.
func TestSearch(t *testing.T) {
	table := tableOf(t,
		described("a-json", "Writes things"),
		described("csv", "Writes tables, and JSON too"),
		described("files", "Writes what you like", "CSV", "Ärger"),
		described("json", "Writes objects"),
		described("json-lines", "One object per line"),
		described("pad", "Not what superjson is"),
		entry("web", "1.0.0"))
	for _, test := range []struct {
		terms string
		kind  string
		want  string
		total int
	}{
		{"json", "", "json json-lines a-json csv", 4},
		{"JSON", "", "json json-lines a-json csv", 4},
		{"csv", "", "csv files", 2},
		{"ärger", "", "files", 1},
		{"json,object", "", "json json-lines", 2},
		{"writes", "", "a-json csv files json", 4},
		{"rites", "", "", 0},
		{"load test", "", "web", 1},
		{"webs", "", "web", 1}, // its scheme
		{"what", "", "files pad web", 3},
		{"what", "output", "files pad", 2},
		{"native", "", "", 0}, // a value that nobody looks for
		{"nothing", "", "", 0},
		{"json, ,", "", "json json-lines a-json csv", 4},
		{"", "", "a-json csv files json", 7},
		{"\t", "", "a-json csv files json", 7},
	} {
		m, err := Search(table.table(), nil, Query{strings.Split(test.terms, ","), test.kind, 4})
		if err != nil {
			t.Fatal(err)
		}
		if got := names(m); got != test.want || m.Total != test.total {
			t.Errorf("%q of kind %q: found %s of %d, expected %s of %d", test.terms, test.kind, got, m.Total, test.want, test.total)
		}
	}
}

func names(m Matches) string {
	var out []string
	for _, b := range m.Best {
		out = append(out, b.Entry.Name)
	}
	return strings.Join(out, " ")
}

// TestSearchFresh: what was published since the compaction counts as if it were in it.
func TestSearchFresh(t *testing.T) {
	table := tableOf(t, described("a", "one"), described("c", "one"), described("d", "other"))
	newer := described("c", "two")
	newer.Version = "2.0.0"
	older := described("d", "two")
	older.Version = "0.1.0"
	fresh := map[string]Entry{"b": described("b", "one"), "c": newer, "d": older, "z": described("z", "two")}
	for terms, want := range map[string]string{"one": "a b", "two": "c z", "other": "d", "": "a b c d z"} {
		m, err := Search(table.table(), fresh, Query{[]string{terms}, "", 10})
		if err != nil || names(m) != want {
			t.Errorf("%q: %s, %v; expected %s", terms, names(m), err, want)
		}
	}
	m, err := Search(EmptyTable(), fresh, Query{Limit: 1})
	if err != nil || names(m) != "b" || m.Total != 4 {
		t.Errorf("without a table: %s of %d, %v", names(m), m.Total, err)
	}
	found, err := Lookup(table.table(), map[string]bool{"c": true, "x": true})
	if err != nil || len(found) != 1 || found["c"].Description != "one" {
		t.Errorf("looked up %+v, %v", found, err)
	}
}

// TestSearchMemory: a search of a catalogue twenty times as large takes no more memory.
func TestSearchMemory(t *testing.T) {
	allocs := func(n int) float64 {
		table := tableOf(t, benchmarkEntries(n)...)
		return testing.AllocsPerRun(3, func() {
			if m, err := Search(table.table(), nil, Query{[]string{"load"}, "", 25}); err != nil || m.Total != n {
				t.Fatalf("%d of %d, %v", m.Total, n, err)
			}
		})
	}
	if small, large := allocs(1_000), allocs(20_000); large > small+10 {
		t.Errorf("%v allocations for 1000 plugins, %v for 20000", small, large)
	}
}

// TestBrokenTable: a damaged file on this machine is noticed where that changes a result, and made again.
func TestBrokenTable(t *testing.T) {
	whole := tableOf(t, described("a", "one"), described("b", "one"))
	for name, h := range map[string]held{
		"empty":            {"", whole.lines},
		"another head":     {"x" + whole.rows, whole.lines},
		"cut":              {whole.rows[:len(whole.rows)-2], whole.lines},
		"no columns":       {tableHead + "a\n", whole.lines},
		"a long row":       {tableHead + strings.Repeat("x", 1<<20) + "\n", whole.lines},
		"no number":        {strings.Replace(whole.rows, "\t0\n", "\tx\n", 1), whole.lines},
		"no lines":         {whole.rows, ""},
		"another name":     {whole.rows, strings.Replace(whole.lines, `"name":"a"`, `"name":"x"`, 1)},
		"a broken entry":   {whole.rows, strings.Replace(whole.lines, "{", "[", 1)},
		"an endless entry": {whole.rows, strings.ReplaceAll(whole.lines, "\n", strings.Repeat(" ", 1<<20))},
	} {
		if _, err := Search(h.table(), nil, Query{[]string{"one"}, "", 5}); !errors.Is(err, ErrTable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzLines: no text that is offered as a catalogue crashes, and what is accepted is searched and compacted to itself.
func FuzzLines(f *testing.F) {
	f.Add(lines(entry("a", "1.0.0"), withPreview(entry("b", "1.0.0"), "2.0.0-rc.1")))
	f.Add(`{"name":"a","version":"1.0.0","kind":"k","type":"t","description":"ÄÖ` + "\xff" + `"}` + "\n")
	f.Add("{}\n")
	f.Fuzz(func(t *testing.T, text string) {
		var same bytes.Buffer
		table, count, err := writeTable(text)
		if err != nil {
			return
		}
		m, err := Search(table.table(), nil, Query{Limit: 1 << 20})
		if err != nil || m.Total != count || len(m.Best) != count {
			t.Fatalf("%d of %d plugins found, %v", m.Total, count, err)
		}
		if n, err := Compact(&same, strings.NewReader(text), nil); err != nil || n != count {
			t.Fatalf("compacted %d of %d, %v", n, count, err)
		}
		for _, b := range m.Best {
			if b.Entry.check() != nil {
				t.Fatalf("accepted %+v", b.Entry)
			}
		}
	})
}

// FuzzTag: a tag that is read is written the same.
func FuzzTag(f *testing.F) {
	f.Add("g0000000012.echo-proto.1.0.0-rc.1")
	f.Fuzz(func(t *testing.T, s string) {
		if tag, ok := ParseTag(s); ok && tag.String() != s {
			t.Fatalf("%q became %q", s, tag)
		}
	})
}

// benchmarkEntries are as long as those of real plugins.
func benchmarkEntries(n int) []Entry {
	words := []string{"sends", "requests", "over", "kafka", "metrics", "Prometheus", "latency", "gRPC", "streams", "writes", "CSV", "a", "TLS"}
	out := make([]Entry, n)
	for i := range out {
		var text []string
		for j := range 10 {
			text = append(text, words[(i*7+j*j+i/13)%len(words)])
		}
		out[i] = entry(fmt.Sprintf("%s-plugin-%06d", strings.ToLower(words[i%len(words)]), i), "1.2.3")
		out[i].Description, out[i].Keywords = strings.Join(text, " "), []string{words[i%len(words)], "load", words[(i+5)%len(words)]}
		out[i].Targets = []string{"aarch64-apple-darwin", "x86_64-pc-windows-msvc", "x86_64-unknown-linux-gnu"}
	}
	slices.SortFunc(out, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func BenchmarkSearch(b *testing.B) {
	for _, n := range []int{1_000, 10_000, 100_000} {
		table := tableOf(b, benchmarkEntries(n)...)
		for _, terms := range [][]string{{"kafka-plugin-000003"}, {"prometheus"}, {"nothing-like-it"}, {"load", "metrics"}} {
			b.Run(fmt.Sprintf("%d/%s", n, strings.Join(terms, "+")), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := Search(table.table(), nil, Query{terms, "", 25}); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkWriteTable(b *testing.B) {
	for _, n := range []int{1_000, 10_000, 100_000} {
		text := lines(benchmarkEntries(n)...)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := WriteTable(io.Discard, io.Discard, strings.NewReader(text)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
