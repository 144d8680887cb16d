package manifest

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Names of C libraries.
const (
	Glibc = "glibc"
	Musl  = "musl"
)

// Libc is a C library: for a plugin's library what it needs, with Version as the floor; for a host what it has. The
// zero value means none, or unknown.
type Libc struct {
	Name    string // Glibc or Musl
	Version string // MAJOR.MINOR[.PATCH]; empty where it is not known or does not matter
}

var libcPattern = regexp.MustCompile(`^(glibc|musl)(?:>=(\d{1,6}(?:\.\d{1,6}){1,2}))?$`)

// ParseLibc reads "glibc>=2.34", "glibc", "musl>=1.2" or "musl"; empty text gives the zero value.
func ParseLibc(s string) (Libc, error) {
	if s == "" {
		return Libc{}, nil
	}
	m := libcPattern.FindStringSubmatch(s)
	if m == nil {
		return Libc{}, fmt.Errorf("libc %q: expected a form such as glibc>=2.34 or musl", s)
	}
	return Libc{m[1], m[2]}, nil
}

// String gives the form that ParseLibc reads.
func (l Libc) String() string {
	if l.Version == "" {
		return l.Name
	}
	return l.Name + ">=" + l.Version
}

// MarshalText gives the written form.
func (l Libc) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText reads the written form.
func (l *Libc) UnmarshalText(text []byte) (err error) {
	*l, err = ParseLibc(string(text))
	return err
}

// CompareVersions orders two dotted version numbers; a missing part counts as zero.
func CompareVersions(a, b string) int {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range max(len(as), len(bs)) {
		if d := part(as, i) - part(bs, i); d != 0 {
			return d
		}
	}
	return 0
}

func part(parts []string, i int) int {
	if i >= len(parts) {
		return 0
	}
	n, _ := strconv.Atoi(parts[i])
	return n
}
