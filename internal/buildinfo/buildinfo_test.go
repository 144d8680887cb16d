package buildinfo

import (
	"runtime/debug"
	"testing"

	"github.com/Masterminds/semver/v3"
)

func TestCommit(t *testing.T) {
	tests := map[string]struct {
		settings []debug.BuildSetting
		want     string
	}{
		"not recorded": {nil, ""},
		"clean":        {[]debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: "false"}}, "abc"},
		"changed":      {[]debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: "true"}}, "abc+dirty"},
		"only changed": {[]debug.BuildSetting{{Key: "vcs.modified", Value: "true"}}, ""},
	}
	for name, tt := range tests {
		if got := commit(tt.settings); got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}

func TestVersionIsSemver(t *testing.T) {
	if _, err := semver.StrictNewVersion(Version); err != nil {
		t.Errorf("version %q: %v", Version, err)
	}
}
