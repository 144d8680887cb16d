package catalogue

import (
	"bytes"
	"errors"
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
