package resolve

import (
	"fmt"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
	"github.com/loadr-plugins/loadr/manifest"
)

// NoVersionError says that no version of a plugin fits.
type NoVersionError struct {
	Name    string            `json:"name"`
	Range   Range             `json:"range"`
	Targets []manifest.Target `json:"targets"`
	// Rejected holds every version, newest first, each once.
	Rejected []Rejection `json:"rejected"`
	// Ignored are listed words that are not versions, sorted.
	Ignored []string `json:"ignored"`
	advice  string
}

// Error is one line: what was wanted, and the newest version in question with what is against it. Explanation has all.
func (e *NoVersionError) Error() string {
	if len(e.Rejected) == 0 {
		return fmt.Sprintf("plugin %q: expected a version in %s, found no versions at all", e.Name, e.Range)
	}
	r := e.closest()
	more := ""
	if n := len(e.Rejected) - 1; n > 0 {
		more = fmt.Sprintf(" (and %d more)", n)
	}
	return fmt.Sprintf("plugin %q: no version fits %s: %s %s%s", e.Name, e.Range, r.Version, r.Detail, more)
}

// Hint says what to change to get a version.
func (e *NoVersionError) Hint() string { return e.advice }

// Explanation lists every version with the reason against it, a line each.
func (e *NoVersionError) Explanation() string {
	return fmt.Sprintf("no version of %s fits %s\n", e.Name, e.Range) + Reasons(e.Rejected)
}

// closest is the newest version that got past the range and was not withdrawn; where there is none, the newest.
func (e *NoVersionError) closest() Rejection {
	for _, far := range [][]Code{{OutOfRange, PreRelease, Gone, Withdrawn, Invalid}, {OutOfRange, PreRelease, Gone}, {OutOfRange, Gone}} {
		if i := slices.IndexFunc(e.Rejected, func(r Rejection) bool { return !slices.Contains(far, r.Code) }); i >= 0 {
			return e.Rejected[i]
		}
	}
	return e.Rejected[0]
}

// maxAdvised bounds how many versions outside the range are looked at for the sake of advice: a failure may cost a few
// requests, not one per version.
const maxAdvised = 5

func (s *search) failure() error {
	e := &NoVersionError{Name: s.Name, Range: s.Range, Targets: sorted(s.Targets), Rejected: s.rejected(), Ignored: s.ignored}
	e.advice = s.advise(e)
	return e
}

func (s *search) advise(e *NoVersionError) string {
	if len(e.Rejected) == 0 {
		return "check the name and the namespace it was looked up in"
	}
	switch r := e.closest(); r.Code {
	case OutOfRange:
		return fmt.Sprintf("offered are %s: widen the range", s.offered())
	case PreRelease:
		return fmt.Sprintf("to use a pre-release, name it: %s", r.Version)
	case NoTarget:
		return s.adviseTarget(r)
	case Libc:
		return "use an older version of the plugin, or raise glibc in [host] of loadr.toml once no older system is in use"
	case ABI, RequiresABI:
		return s.adviseHost(r)
	case Withdrawn:
		return fmt.Sprintf("every version in %s was withdrawn or does not fit: widen the range", s.Range)
	}
	return "ask the plugin's author for a version that can be used"
}

// offered names the newest versions.
func (s *search) offered() string {
	var words []string
	for i, v := range s.candidates {
		if i == maxAdvised {
			words = append(words, "...")
			break
		}
		words = append(words, v.Original())
	}
	return strings.Join(words, ", ")
}

// adviseTarget names versions that have the libraries which the closest one lacks.
func (s *search) adviseTarget(r Rejection) string {
	_, missing := s.offers[s.index(r.Version)].librariesFor(s.Targets)
	var have []string
	for i := range s.lookFurther() {
		if _, lacks := s.offers[i].librariesFor(missing); len(lacks) == 0 {
			have = append(have, s.describe(i))
		}
	}
	if len(have) == 0 {
		return fmt.Sprintf("none of the versions looked at has %s: ask the author for it, or take it out of the targets", join(missing))
	}
	return fmt.Sprintf("%s: in %s", join(missing), strings.Join(have, "; "))
}

// adviseHost names the newest version outside the range that the host would accept.
func (s *search) adviseHost(r Rejection) string {
	for i := range s.lookFurther() {
		if code, _ := examine(s.Host, s.Targets, s.offers[i]); code == "" {
			return s.describe(i) + " fits this host: widen the range; or change [host] in loadr.toml if another engine runs the plugins"
		}
	}
	return "update the engine that runs the plugins and [host] in loadr.toml, or choose a version made for this one"
}

func (s *search) describe(i int) string {
	return fmt.Sprintf("%s (%s)", s.candidates[i].Original(), s.reasons[i].Detail)
}

func (s *search) index(version string) int {
	return slices.IndexFunc(s.candidates, func(v *semver.Version) bool { return v.Original() == version })
}

// lookFurther yields the candidates that were looked at, newest first, and up to maxAdvised releases outside the range.
// A look-up that fails ends it: advice is not worth an error that hides the answer.
func (s *search) lookFurther() func(yield func(int) bool) {
	return func(yield func(int) bool) {
		left := maxAdvised
		for i, v := range s.candidates {
			if _, known := s.offers[i]; !known {
				if left == 0 || v.Prerelease() != "" {
					continue
				}
				left--
				if _, err := s.offer(i); err != nil {
					return
				}
			}
			if !yield(i) {
				return
			}
		}
	}
}
