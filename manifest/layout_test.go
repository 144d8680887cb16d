package manifest_test

import (
	"strings"
	"testing"

	"github.com/loadr-plugins/loadr/manifest"
)

func TestIsLayoutDigest(t *testing.T) {
	hex := strings.Repeat("0a", 32)
	for s, want := range map[string]bool{
		"layout-v1:sha256:" + hex:                     true,
		"layout-v12:sha256:" + hex:                    true,
		"":                                            false,
		"sha256:" + hex:                               false,
		"layout-v:sha256:" + hex:                      false,
		"layout-v0:sha256:" + hex:                     false,
		"layout-v01:sha256:" + hex:                    false,
		"layout-v1:sha512:" + hex:                     false,
		"layout-v1:sha256:" + hex[1:]:                 false,
		"layout-v1:sha256:" + hex + "0":               false,
		"layout-v1:sha256:" + hex + "\n":              false,
		"layout-v1:sha256:" + strings.ToUpper(hex):    false,
		"layout-v1:sha256:" + hex + "\nlayout-v1:a:b": false,
	} {
		if manifest.IsLayoutDigest(s) != want {
			t.Errorf("%q: %v", s, !want)
		}
	}
}

func TestSameLayout(t *testing.T) {
	a, b := "layout-v1:sha256:"+strings.Repeat("a", 64), "layout-v1:sha256:"+strings.Repeat("b", 64)
	later := "layout-v2:sha256:" + strings.Repeat("b", 64)
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{a, a, true}, {"", "", true}, {a, later, true}, {later, a, true}, {a, b, false}, {a, "", false}, {"", a, false},
	} {
		if manifest.SameLayout(c.a, c.b) != c.want {
			t.Errorf("%q and %q: %v", c.a, c.b, !c.want)
		}
	}
}
