package resolve

import (
	"errors"
	"strings"
	"testing"
)

func TestCheckVersion(t *testing.T) {
	for _, good := range []string{"0.0.0", "1.2.3", "1.2.3-rc.1", "1.0.0--", "18446744073709551615.0.0"} {
		if err := CheckVersion(good); err != nil {
			t.Error(err)
		}
	}
	for bad, detail := range map[string]string{
		"": "MAJOR.MINOR.PATCH", "1": "MAJOR.MINOR.PATCH", "v1.0.0": "MAJOR.MINOR.PATCH", "01.0.0": "MAJOR.MINOR.PATCH",
		"1.0.0-01": "MAJOR.MINOR.PATCH", "18446744073709551616.0.0": "MAJOR.MINOR.PATCH", "1.0.0 ": "MAJOR.MINOR.PATCH",
		"1.0.0+b": "build metadata", "1.0.0-" + strings.Repeat("a", 200): "at most 128 bytes",
	} {
		var v *VersionError
		if err := CheckVersion(bad); !errors.As(err, &v) || !strings.Contains(err.Error(), detail) || len(err.Error()) > 200 {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestShortVersions(t *testing.T) {
	for in, want := range map[string]string{"1.0.0": "1.0", "1.2.3": "1.2.3", "1.10.0": "1.10", "0.0.0": "0.0", "1.0.0-rc.1": "1.0.0-rc.1", "one\x1b": "one"} {
		if got := shorten(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestNewest(t *testing.T) {
	for _, c := range []struct {
		words []string
		want  string
	}{
		{nil, ""},
		{[]string{"latest", "v1.0.0"}, ""},
		{[]string{"1.9.0", "latest", "1.10.0", "1.2.0"}, "1.10.0"},
		{[]string{"2.0.0-rc.1", "1.0.0", "2.0.0-rc.2"}, "1.0.0"},
		{[]string{"2.0.0-rc.2", "2.0.0-rc.10"}, "2.0.0-rc.10"},
	} {
		if got := Newest(c.words); got != c.want {
			t.Errorf("%q: %q, expected %q", c.words, got, c.want)
		}
	}
}
