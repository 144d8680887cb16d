package manifest

import (
	"fmt"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// Family names a binary interface between host and plugin.
type Family string

// The families. Each is versioned with semver, independently of the others.
const (
	FamilyNative    Family = "native"    // abi_stable root module of a Rust library
	FamilyC         Family = "c"         // the frozen plain C ABI
	FamilyComponent Family = "component" // WIT package of a WebAssembly component
)

// Families lists every family, sorted by name.
func Families() []Family { return []Family{FamilyC, FamilyComponent, FamilyNative} }

// ABI is the interface version that a library was built against, written "family/version": "c/1.0.0". The zero value
// means that none was recognised.
type ABI struct {
	Family  Family
	Version string // strict semver
}

// ParseABI reads the written form. The error says what was expected.
func ParseABI(s string) (ABI, error) {
	family, version, ok := strings.Cut(s, "/")
	if !ok {
		return ABI{}, fmt.Errorf("abi %q: expected family/version, such as c/1.0.0", s)
	}
	if !Family(family).valid() {
		return ABI{}, fmt.Errorf("abi %q: unknown family %q, expected one of %v", s, family, Families())
	}
	if _, err := semver.StrictNewVersion(version); err != nil {
		return ABI{}, fmt.Errorf("abi %q: version %q is not semver (MAJOR.MINOR.PATCH)", s, version)
	}
	return ABI{Family(family), version}, nil
}

// String gives the written form; empty for the zero value.
func (a ABI) String() string {
	if a == (ABI{}) {
		return ""
	}
	return string(a.Family) + "/" + a.Version
}

// MarshalText gives the written form.
func (a ABI) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads the written form; empty text gives the zero value.
func (a *ABI) UnmarshalText(text []byte) (err error) {
	if len(text) == 0 {
		*a = ABI{}
		return nil
	}
	*a, err = ParseABI(string(text))
	return err
}

func (f Family) valid() bool { return f == FamilyNative || f == FamilyC || f == FamilyComponent }
