package resolve

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/Masterminds/semver/v3"

	"github.com/loadr-plugins/loadr/manifest"
)

// Host is what will run the plugins.
type Host struct {
	// ABI holds the host's interface version per family. A family that is absent is one the host cannot load.
	ABI map[manifest.Family]string
	// Libc is the oldest C library in use. A library is held to it where the name is the same and both versions are
	// known.
	Libc manifest.Libc
}

// Requirement is a plugin that is wanted.
type Requirement struct {
	Name  string // for messages only
	Range Range  // zero: every release
}

// Offer is what a source says about one version: facts that are in its index, so that no library has to be fetched.
type Offer struct {
	Version string
	// RequiresABI is the range of the host's own ABI version that the plugin asks for besides what its libraries were
	// built against; empty for none.
	RequiresABI string
	// RequiresPlugins has the ranges of other plugins that it requires, by name.
	RequiresPlugins map[string]string
	Targets         []TargetOffer
	// Withdrawn is the reason for which the author withdrew the version; empty while it stands. A source that has to
	// ask for it may leave it out of an offer that does not suit the host anyway.
	Withdrawn string
	// Problem says why the version is not usable at all: it is not a plugin, or its index contradicts itself. Empty
	// for a sound one. Failures to reach the source are errors of the look-up, never a Problem.
	Problem string
}

// TargetOffer is one library of an offered version.
type TargetOffer struct {
	Target manifest.Target
	ABI    manifest.ABI  // built against; zero: not known
	Libc   manifest.Libc // what it needs; zero: nothing or not known
}

// Code is the stable word for the reason of a rejection.
type Code string

// The codes, in the order in which a version is examined: it is rejected for the first that applies.
const (
	OutOfRange  Code = "range"        // not in the wanted range
	PreRelease  Code = "pre-release"  // a pre-release that the range does not ask for
	Kept        Code = "locked"       // newer than the locked version, which was kept
	Older       Code = "older"        // older than the chosen version; not looked at
	Invalid     Code = "invalid"      // not a usable plugin
	Withdrawn   Code = "withdrawn"    // by its author
	NoTarget    Code = "target"       // no library for a wanted target
	ABI         Code = "abi"          // built against an interface that the host does not accept
	RequiresABI Code = "requires-abi" // asks for another host version
	Libc        Code = "libc"         // needs a newer C library
	Required    Code = "required"     // outside of what a chosen plugin requires
	Conflict    Code = "conflict"     // requires what can't be had together with the rest
	Gone        Code = "gone"         // locked, but no longer offered
)

// Rejection says why a version was not chosen.
type Rejection struct {
	Version string `json:"version"`
	Code    Code   `json:"code"`
	Detail  string `json:"detail"` // for people, on one line; follows the version
}

// Fits examines one offer for a requirement, a host and every one of targets. It returns the first reason against the
// offer, and ok where there is none. Choose uses it for candidates; callers may use it to see whether what a lock holds
// still serves.
func Fits(req Requirement, host Host, targets []manifest.Target, o Offer) (reason Rejection, ok bool) {
	code, detail := inRange(req.Range, o.Version)
	if code == "" {
		code, detail = examine(host, targets, o)
	}
	return Rejection{o.Version, code, detail}, code == ""
}

// Suits says whether an offer serves a host and every one of targets, whatever range it is wanted in.
func Suits(host Host, targets []manifest.Target, o Offer) bool {
	code, _ := examine(host, targets, o)
	return code == ""
}

func inRange(r Range, version string) (Code, string) {
	v, err := parseVersion(version)
	if err != nil {
		return Invalid, "unusable: not a version"
	}
	return inRangeOf(r, v)
}

func inRangeOf(r Range, v *semver.Version) (Code, string) {
	switch {
	case r.allows(v):
		return "", ""
	case v.Prerelease() != "" && r.withPreReleases(v):
		return PreRelease, fmt.Sprintf("pre-release, which %s does not ask for", r)
	}
	return OutOfRange, fmt.Sprintf("outside %s", r)
}

// withPreReleases says whether v would be in the range if pre-releases were treated like releases.
func (r Range) withPreReleases(v *semver.Version) bool {
	return len(r.groups) == 0 || slices.ContainsFunc(r.groups, func(g group) bool {
		all := *g.all
		all.IncludePrerelease = true
		return all.Check(v)
	})
}

// examine holds an offer against everything but the range.
func examine(host Host, targets []manifest.Target, o Offer) (Code, string) {
	if o.Problem != "" {
		return Invalid, "unusable: " + clean(o.Problem)
	}
	if o.Withdrawn != "" {
		return Withdrawn, "withdrawn: " + clean(o.Withdrawn)
	}
	libraries, missing := o.librariesFor(targets)
	if len(missing) > 0 {
		return NoTarget, fmt.Sprintf("has no library for %s (has: %s)", join(missing), orNone(join(o.targets())))
	}
	for _, rule := range []func(Host, Offer, []library) (Code, string){checkABI, checkRequires, checkLibc} {
		if code, detail := rule(host, o, libraries); code != "" {
			return code, detail
		}
	}
	return "", ""
}

// library is an offered library and the target that it is wanted for, which differ where it serves every target.
type library struct {
	TargetOffer
	wanted manifest.Target
}

func (o Offer) librariesFor(targets []manifest.Target) (found []library, missing []manifest.Target) {
	for _, t := range sorted(targets) {
		if l, ok := o.libraryFor(t); ok {
			found = append(found, library{l, t})
		} else {
			missing = append(missing, t)
		}
	}
	return found, missing
}

// libraryFor prefers a library made for the target to one that serves all.
func (o Offer) libraryFor(t manifest.Target) (TargetOffer, bool) {
	for _, serves := range []func(manifest.Target) bool{
		func(has manifest.Target) bool { return has == t },
		func(has manifest.Target) bool { return has.Satisfies(t) },
	} {
		if i := slices.IndexFunc(o.Targets, func(l TargetOffer) bool { return serves(l.Target) }); i >= 0 {
			return o.Targets[i], true
		}
	}
	return TargetOffer{}, false
}

func (o Offer) targets() []manifest.Target {
	out := make([]manifest.Target, len(o.Targets))
	for i, l := range o.Targets {
		out[i] = l.Target
	}
	return sorted(out)
}

func checkLibc(host Host, _ Offer, libraries []library) (Code, string) {
	for _, l := range libraries {
		if l.Libc.Name != host.Libc.Name || l.Libc.Version == "" || host.Libc.Version == "" {
			continue
		}
		if manifest.CompareVersions(l.Libc.Version, host.Libc.Version) > 0 {
			return Libc, fmt.Sprintf("library for %s needs %s %s, the oldest in use is %s",
				l.wanted, l.Libc.Name, l.Libc.Version, host.Libc.Version)
		}
	}
	return "", ""
}

func sorted(targets []manifest.Target) []manifest.Target {
	out := slices.Clone(targets)
	slices.Sort(out)
	return slices.Compact(out)
}

func join(targets []manifest.Target) string {
	words := make([]string, len(targets))
	for i, t := range targets {
		words[i] = clean(string(t))
	}
	return strings.Join(words, ", ")
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// maxDetail bounds how much of an outsider's text a reason repeats, in bytes.
const maxDetail = 300

// clean makes one printable line of text that came from a registry, so that it can't drive the reader's terminal.
func clean(s string) string {
	if len(s) > maxDetail {
		s = s[:maxDetail] + "..."
	}
	s = strings.ToValidUTF8(s, "?")
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || unicode.In(r, unicode.Bidi_Control)
	}), " ")
}
