package resolve

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/Masterminds/semver/v3"
	"pgregory.net/rapid"
)

func TestRangeAllows(t *testing.T) {
	for _, c := range []struct{ rng, in, out string }{
		{"1.2.0", "1.2.0", "1.2.1 1.1.9 2.0.0 1.2.0-rc.1"},
		{"=1.2.0", "1.2.0", "1.2.1 1.2.0-rc.1"},
		{"= 1.2.0", "1.2.0", "1.2.1"},
		{"^1.2.3", "1.2.3 1.2.4 1.9.0", "1.2.2 2.0.0 1.3.0-rc.1 2.0.0-rc.1"},
		{"^1.2", "1.2.0 1.9.0", "1.1.9 2.0.0"},
		{"^1", "1.0.0 1.9.9", "0.9.0 2.0.0"},
		{"^0.1", "0.1.0 0.1.9", "0.2.0 0.0.9 1.0.0"},
		{"^0.1.2", "0.1.2 0.1.9", "0.1.1 0.2.0"},
		{"^0.0.3", "0.0.3", "0.0.2 0.0.4 0.1.0"},
		{"^0.0", "0.0.0 0.0.9", "0.1.0"},
		{"^0", "0.0.0 0.9.0", "1.0.0"},
		{"~2.1", "2.1.0 2.1.9", "2.2.0 2.0.9"},
		{"~2.1.3", "2.1.3 2.1.9", "2.1.2 2.2.0"},
		{"~2", "2.0.0 2.9.0", "3.0.0"},
		{"~0.0.0", "0.0.0 0.0.9", "0.1.0 1.0.0"}, // the library takes it for everything
		{">=1.0 <3", "1.0.0 2.9.9", "0.9.9 3.0.0"},
		{">=1.0, <3", "1.0.0 2.9.9", "0.9.9 3.0.0"},
		{"> 1.2.0", "1.2.1", "1.2.0"},
		{">1.2", "1.3.0", "1.2.0 1.2.9"},
		{"<=1.2", "1.2.9 0.1.0", "1.3.0"},
		{"!=1.3.0 ^1", "1.2.0 1.4.0", "1.3.0 2.0.0"},
		{"1.x", "1.0.0 1.9.0", "2.0.0 0.9.0"},
		{"1.2.*", "1.2.0 1.2.9", "1.3.0"},
		{"*", "0.0.0 1.0.0 99.0.0", "1.0.0-rc.1"},
		{"^1 || ^3", "1.5.0 3.1.0", "2.0.0 4.0.0"},
		{"^1.2.0-rc.1", "1.2.0-rc.1 1.2.0-rc.2 1.2.0 1.3.0", "1.2.0-beta.9 1.3.0-rc.1 2.0.0"},
		{"1.2.0-rc.1", "1.2.0-rc.1", "1.2.0 1.2.0-rc.2"},
		{">=1.0.0 <2.0.0-rc.2", "1.5.0 2.0.0-rc.1", "2.0.0-rc.2 1.5.0-rc.1 2.0.0"},
		{"^1 || 2.0.0-rc.1", "1.1.0 2.0.0-rc.1", "1.1.0-rc.1 2.0.0"}, // a group does not speak for another one
	} {
		r, err := ParseRange(c.rng)
		if err != nil {
			t.Errorf("%s: %v", c.rng, err)
			continue
		}
		for _, v := range strings.Fields(c.in) {
			if !r.Allows(v) {
				t.Errorf("%s should hold %s", c.rng, v)
			}
		}
		for _, v := range strings.Fields(c.out) {
			if r.Allows(v) {
				t.Errorf("%s should not hold %s", c.rng, v)
			}
		}
	}
}

func TestRangeRefused(t *testing.T) {
	for _, c := range []struct{ rng, detail, hint string }{
		{"", "a part of it is empty", "write *"},
		{"  ", "a part of it is empty", "write *"},
		{"^1 ||", "a part of it is empty", "write *"},
		{"1.2", `"1.2" is not a complete version`, "write 1.2.x"},
		{"=1", `"1" is not a complete version`, "^1"},
		{"v1.2.0", `found "v1.2.0"`, "write 1.2.0, without the v"},
		{"^v1.2", `found "v1.2"`, "write ^1.2, without the v"},
		{"1.2.0+b1", "build metadata", "leave out the +"},
		{"^", "no version follows", ""},
		{"^01.2.0", `found "01.2.0"`, "write a range"},
		{"1.2.0-01", `found "1.2.0-01"`, ""},
		{"^*", `found "*"`, ""},
		{"=1.x", `found "1.x"`, ""},
		{"x", `found "x"`, ""},
		{"1|2", `found "1|2"`, ""},
		{"latest", `found "latest"`, ""},
		{"1.0.0 - 2.0.0", `found "-"`, ""},
		{"1.2.0\n^1", `found "1.2.0\n^1"`, ""},
		{"~>1.2", `found ">1.2"`, ""},
		{"^1.2-rc.1", `found "1.2-rc.1"`, ""},
		{"1.0.0 & 2.0.0", `found "&"`, ""},
		{"^99999999999999999999", "too large", ""},
		{"99999999999999999999.0.0", "expected a version", ""},
		{strings.Repeat("1", 300), "at most 256 bytes, found 300", ""},
		{"1.2.0\n\x1b[31m", "", ""},
	} {
		_, err := ParseRange(c.rng)
		var re *RangeError
		if !errors.As(err, &re) {
			t.Errorf("%q: %v", c.rng, err)
			continue
		}
		if !strings.Contains(re.Error(), c.detail) || !strings.Contains(re.Hint(), c.hint) || re.Hint() == "" {
			t.Errorf("%q: %s / %s", c.rng, re, re.Hint())
		}
		if strings.ContainsAny(re.Error(), "\n\x1b") {
			t.Errorf("%q: control characters in the message", c.rng)
		}
	}
}

func TestRangeForms(t *testing.T) {
	if (Range{}).String() != "*" || !(Range{}).Allows("1.0.0") || (Range{}).Allows("1.0.0-rc.1") || (Range{}).Allows("x") {
		t.Error("the zero range is every release")
	}
	for text, want := range map[string]string{"1.2.0": "1.2.0", "=1.2.0": "1.2.0", " 1.2.0-rc.1 ": "1.2.0-rc.1", "^1.2.0": "", "*": "", "1.2.0 1.2.0": ""} {
		r, err := ParseRange(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := r.Exact(); ok != (want != "") || ok && got != want {
			t.Errorf("%q: exact %q %v", text, got, ok)
		}
	}
	if r, err := Caret("1.4.2"); err != nil || r.String() != "^1.4.2" {
		t.Error(r, err)
	}
	if _, err := Caret("1.4"); err == nil {
		t.Error("not a version")
	}
	if !Allows("^1", "1.2.0") || Allows("^1", "2.0.0") || Allows("junk", "1.0.0") || Allows("^1", "junk") {
		t.Error("Allows")
	}
	if Compare("1.10.0", "1.9.0") <= 0 || Compare("1.0.0-rc.1", "1.0.0") >= 0 || Compare("junk", "0.0.1") >= 0 || Compare("1.0.0", "junk") <= 0 || Compare("a", "b") != 0 {
		t.Error("Compare")
	}
}

var genVersion = rapid.Custom(func(t *rapid.T) string {
	part := rapid.IntRange(0, 3)
	v := fmt.Sprintf("%d.%d.%d", part.Draw(t, "major"), part.Draw(t, "minor"), part.Draw(t, "patch"))
	return v + rapid.SampledFrom([]string{"", "", "", "-rc.1", "-rc.2"}).Draw(t, "pre")
})

var genRange = rapid.Custom(func(t *rapid.T) string {
	comparator := rapid.Custom(func(t *rapid.T) string {
		op := rapid.SampledFrom([]string{"^", "~", ">=", "<=", ">", "<", "=", "!=", ""}).Draw(t, "op")
		return op + genVersion.Draw(t, "version")
	})
	group := rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(comparator, 1, 3).Draw(t, "and"), " ")
	})
	return strings.Join(rapid.SliceOfN(group, 1, 2).Draw(t, "or"), " || ")
})

// TestRangeMeaning compares with the definition of each operator as bounds, written without the semver library's own
// constraints.
func TestRangeMeaning(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text, version := genRange.Draw(t, "range"), genVersion.Draw(t, "version")
		r, err := ParseRange(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := r.Allows(version), defined(text, semver.MustParse(version)); got != want {
			t.Fatalf("%q holds %s: %v, by definition %v", text, version, got, want)
		}
	})
}

func defined(text string, v *semver.Version) bool {
	for _, group := range strings.Split(text, "||") {
		all, named := true, v.Prerelease() == ""
		for _, word := range strings.Fields(group) {
			op := strings.TrimRight(word, "0123456789.-rc")
			p := semver.MustParse(word[len(op):])
			all = all && definedOne(op, p, v)
			named = named || p.Prerelease() != "" && p.Major() == v.Major() && p.Minor() == v.Minor() && p.Patch() == v.Patch()
		}
		if all && named {
			return true
		}
	}
	return false
}

func definedOne(op string, p, v *semver.Version) bool {
	switch op {
	case "", "=":
		return v.Equal(p)
	case "!=":
		return !v.Equal(p)
	case ">":
		return v.GreaterThan(p)
	case ">=":
		return v.GreaterThanEqual(p)
	case "<":
		return v.LessThan(p)
	case "<=":
		return v.LessThanEqual(p)
	case "~":
		return v.GreaterThanEqual(p) && v.Major() == p.Major() && v.Minor() == p.Minor()
	}
	line := v.Major() == p.Major()
	if p.Major() == 0 {
		line = line && v.Minor() == p.Minor()
		if p.Minor() == 0 {
			line = line && v.Patch() == p.Patch()
		}
	}
	return v.GreaterThanEqual(p) && line
}

func FuzzRange(f *testing.F) {
	for _, seed := range []string{"1.2.0", "^1.2", "~0.0.0", ">=1, <3 || 4.x", "*", "1.2.0-rc.1", "v1", "", "|| ^1", "1.2.0+x", "^99999999999999999999.0.0"} {
		f.Add(seed, "1.2.3")
	}
	f.Fuzz(func(t *testing.T, text, version string) {
		r, err := ParseRange(text)
		if err != nil {
			if h, ok := err.(interface{ Hint() string }); !ok || h.Hint() == "" || strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		again, err := ParseRange(r.String())
		if err != nil || again.Allows(version) != r.Allows(version) {
			t.Fatalf("%q read back from %q: %v", text, r, err)
		}
		if exact, ok := r.Exact(); ok && !r.Allows(exact) {
			t.Fatalf("%q does not hold %q", text, exact)
		}
		if r.Allows(version) && CheckVersion(version) != nil {
			t.Fatalf("%q holds %q, which is not a version", text, version)
		}
	})
}
