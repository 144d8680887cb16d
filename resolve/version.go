package resolve

import (
	"fmt"

	"github.com/Masterminds/semver/v3"
	"github.com/loadr-plugins/loadr/manifest"
)

// VersionError is text that is not a version.
type VersionError struct {
	Text   string `json:"text"`
	Detail string `json:"detail"` // what was expected
}

func (e *VersionError) Error() string { return fmt.Sprintf("version %q: %s", e.Text, e.Detail) }

// CheckVersion says whether s is a version: strict semver without build metadata, because two versions that differ in
// metadata alone have no order. The error is a *VersionError.
func CheckVersion(s string) error {
	_, err := parseVersion(s)
	return err
}

func isVersion(s string) bool { return CheckVersion(s) == nil }

func parseVersion(s string) (*semver.Version, error) {
	if len(s) > manifest.MaxVersion {
		return nil, &VersionError{s[:32] + "...", fmt.Sprintf("expected at most %d bytes", manifest.MaxVersion)}
	}
	v, err := semver.StrictNewVersion(s)
	switch {
	case err != nil:
		return nil, &VersionError{s, "expected MAJOR.MINOR.PATCH with an optional -PRERELEASE"}
	case v.Metadata() != "":
		return nil, &VersionError{s, "expected no build metadata"}
	}
	return v, nil
}

// Newest gives the newest release among words that may not all be versions, or the newest pre-release where there is no
// release; empty for none.
func Newest(words []string) string {
	var newest *semver.Version
	for _, word := range words {
		v, err := parseVersion(word)
		if err != nil {
			continue
		}
		if newest == nil || released(v) && !released(newest) || released(v) == released(newest) && v.GreaterThan(newest) {
			newest = v
		}
	}
	if newest == nil {
		return ""
	}
	return newest.Original()
}

func released(v *semver.Version) bool { return v.Prerelease() == "" }

// Compare orders two versions by semver precedence: negative where a is older. Text that is not a version is older than
// any version, so that the order is total.
func Compare(a, b string) int {
	va, errA := parseVersion(a)
	vb, errB := parseVersion(b)
	switch {
	case errA == nil && errB == nil:
		return va.Compare(vb)
	case errA == nil:
		return 1
	case errB == nil:
		return -1
	}
	return 0
}
