package manifest

import (
	"regexp"
	"strings"
)

// layoutDigest is the form's name and version, and the digest of the text in that form.
var layoutDigest = regexp.MustCompile(`^layout-v[1-9][0-9]{0,8}:sha256:[0-9a-f]{64}$`)

// IsLayoutDigest says whether s has the form of a layout digest, such as "layout-v1:sha256:" and 64 hexadecimal digits. A
// later program may write a later form of the text, so any version is one.
func IsLayoutDigest(s string) bool { return layoutDigest.MatchString(s) }

// SameLayout says whether two layout digests, either of which may be empty, may stand for the same layout: they are equal,
// or digests of two different forms of the text, which can't be compared.
func SameLayout(a, b string) bool {
	formA, _, _ := strings.Cut(a, ":")
	formB, _, _ := strings.Cut(b, ":")
	return a == b || a != "" && b != "" && formA != formB
}
