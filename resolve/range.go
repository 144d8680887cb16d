package resolve

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// Any is the range that every release and no pre-release is in. The zero Range means the same.
const Any = "*"

// MaxRange is the length of the longest range that is read, in bytes.
const MaxRange = 256

// Range is a set of versions, written as comparators (^1.2, ~2.1, >=1.0 <3, 1.x, *) that must all hold, or several such
// groups separated by ||. A bare 1.2.0 is exactly that version. A pre-release is in a group only if the group names a
// pre-release of the same major.minor.patch. Values are immutable and safe for concurrent use.
type Range struct {
	text   string
	groups []group
	every  bool // pre-releases too
}

// anyVersion allows everything, where ranges were looked at before.
var anyVersion = Range{every: true}

// group is the comparators between two ||.
type group struct {
	all *semver.Constraints
	pre []*semver.Version // the pre-releases that it names
}

// RangeError is text that is not a range.
type RangeError struct {
	Text   string `json:"text"`   // as given
	Detail string `json:"detail"` // which part, and what is wrong with it
	Advice string `json:"advice"` // what to write instead; may be empty
}

func (e *RangeError) Error() string { return fmt.Sprintf("range %q: %s", e.Text, e.Detail) }

// Hint says what to write instead.
func (e *RangeError) Hint() string {
	if e.Advice != "" {
		return e.Advice
	}
	return "write a range such as ^1.2, ~1.2.3, >=1.0 <3, 1.x or *, or 1.2.0 for exactly that version"
}

// ParseRange reads a range; the error is a *RangeError. It is stricter than the semver library, whose guesses differ
// from what other tools make of the same text: no v before a version, no build metadata, no leading zeros, and a bare
// version is complete.
func ParseRange(s string) (Range, error) {
	if len(s) > MaxRange {
		return Range{}, &RangeError{Text: s[:32] + "...", Detail: fmt.Sprintf("expected at most %d bytes, found %d", MaxRange, len(s))}
	}
	r := Range{text: strings.Trim(s, " \t")}
	for part := range strings.SplitSeq(s, "||") {
		g, err := parseGroup(part)
		if err != nil {
			err.Text = s
			return Range{}, err
		}
		r.groups = append(r.groups, g)
	}
	return r, nil
}

// Caret is the range of versions compatible with version: what install records.
func Caret(version string) (Range, error) {
	if _, err := parseVersion(version); err != nil {
		return Range{}, err
	}
	return ParseRange("^" + version)
}

// Allows says whether version is in the range written rng. It is false where either can't be read.
func Allows(rng, version string) bool {
	r, err := ParseRange(rng)
	return err == nil && r.Allows(version)
}

// String gives the range as it was written.
func (r Range) String() string {
	if r.text == "" {
		return Any
	}
	return r.text
}

// MarshalText gives the range as it was written.
func (r Range) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// Exact gives the version of a range that was written to hold exactly one.
func (r Range) Exact() (version string, ok bool) {
	version = strings.TrimSpace(strings.TrimPrefix(r.text, "="))
	_, err := parseVersion(version)
	return version, err == nil
}

// Allows says whether version is in the range. It is false for text that is not a version.
func (r Range) Allows(version string) bool {
	v, err := parseVersion(version)
	return err == nil && r.allows(v)
}

func (r Range) allows(v *semver.Version) bool {
	if len(r.groups) == 0 {
		return r.every || v.Prerelease() == ""
	}
	return slices.ContainsFunc(r.groups, func(g group) bool {
		return (v.Prerelease() == "" || g.names(v)) && g.all.Check(v)
	})
}

// names says whether the group names a pre-release of v's major.minor.patch.
func (g group) names(v *semver.Version) bool {
	return slices.ContainsFunc(g.pre, func(p *semver.Version) bool {
		return p.Major() == v.Major() && p.Minor() == v.Minor() && p.Patch() == v.Patch()
	})
}

const number = `(?:0|[1-9][0-9]*)`

var (
	separator = regexp.MustCompile(`[ \t]*,[ \t]*|[ \t]+`)
	operator  = regexp.MustCompile(`(\^|~|>=|<=|!=|>|<|=)[ \t]+`)
	operators = []string{"^", "~", ">=", "<=", "!=", ">", "<", "="}
	partial   = regexp.MustCompile(`^` + number + `(\.` + number + `)?$`)
	wildcard  = regexp.MustCompile(`^(\*|` + number + `\.[xX*]|` + number + `\.` + number + `\.[xX*])$`)
)

func parseGroup(s string) (g group, _ *RangeError) {
	s = operator.ReplaceAllString(strings.Trim(s, " \t"), "$1")
	if s == "" {
		return g, &RangeError{Detail: "a part of it is empty", Advice: "write * for every release"}
	}
	var comparators []string
	for _, word := range separator.Split(s, -1) {
		comparator, named, err := parseComparator(word)
		if err != nil {
			return g, err
		}
		comparators = append(comparators, comparator)
		if named != nil && named.Prerelease() != "" {
			g.pre = append(g.pre, named)
		}
	}
	all, err := semver.NewConstraint(strings.Join(comparators, " "))
	if err != nil {
		return g, &RangeError{Detail: fmt.Sprintf("%q is not usable: a number in it is too large", s)}
	}
	g.all = all
	return g, nil
}

// parseComparator gives one comparator in a form that means the same to the semver library, and the complete version
// in it, if it has one.
func parseComparator(word string) (string, *semver.Version, *RangeError) {
	op := ""
	if i := slices.IndexFunc(operators, func(o string) bool { return strings.HasPrefix(word, o) }); i >= 0 {
		op = operators[i]
	}
	version := word[len(op):]
	switch {
	case op == "" && wildcard.MatchString(version):
		return version, nil, nil
	case op != "" && op != "=" && op != "!=" && partial.MatchString(version):
		return word, nil, nil
	}
	v, err := parseVersion(version)
	if err != nil {
		return "", nil, comparatorError(op, version)
	}
	if op == "~" && v.Major() == 0 && v.Minor() == 0 && v.Patch() == 0 {
		return fmt.Sprintf(">=%s <0.1.0", v), v, nil // the library takes ~0.0.0 for every version
	}
	return op + v.String(), v, nil
}

func comparatorError(op, version string) *RangeError {
	e := &RangeError{Detail: fmt.Sprintf("expected a version, found %q", version)}
	switch bare := strings.TrimPrefix(version, "v"); {
	case version == "":
		e.Detail = fmt.Sprintf("no version follows %q", op)
	case partial.MatchString(version):
		e.Detail = fmt.Sprintf("%q is not a complete version", version)
		e.Advice = fmt.Sprintf("write %[1]s.x for every %[1]s release, or ^%[1]s for those and later compatible ones", version)
	case bare != version && (partial.MatchString(bare) || isVersion(bare)):
		e.Advice = fmt.Sprintf("write %s%s, without the v", op, bare)
	case strings.Contains(version, "+"):
		e.Detail = fmt.Sprintf("%q has build metadata, which versions of plugins don't have", version)
		e.Advice = "leave out the + and what follows it"
	}
	return e
}
