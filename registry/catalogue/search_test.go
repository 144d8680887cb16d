package catalogue

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
)

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
