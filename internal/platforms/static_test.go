package platforms_test

import (
	"strings"
	"testing"

	"github.com/loadr-plugins/loadr/loader"
	"github.com/loadr-plugins/loadr/manifest"
)

// TestFilesOfAllPlatforms reads the same plugin compiled for each platform, also for those whose programs can't run here: the
// layout must be found, fit, and be the same everywhere.
func TestFilesOfAllPlatforms(t *testing.T) {
	digests := map[string][]manifest.Target{}
	for _, target := range []manifest.Target{
		"x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu", "x86_64-pc-windows-gnu", "x86_64-apple-darwin", "aarch64-apple-darwin",
	} {
		t.Run(string(target), func(t *testing.T) {
			for _, example := range []string{protocol, output, service} {
				found, err := loader.Inspect(library(t, target, example))
				if err != nil {
					t.Fatal(err)
				}
				if abi := found.ABI; abi.Family != manifest.FamilyNative || abi.Version != "1.0.0" || abi.Verdict != manifest.Fits ||
					len(abi.Problems) > 0 || !strings.HasPrefix(abi.Layout, "layout-v1:sha256:") {
					t.Errorf("%s: found %+v", example, abi)
				}
				digests[found.ABI.Layout] = append(digests[found.ABI.Layout], target)
			}
		})
	}
	if len(digests) > 1 {
		t.Errorf("expected one layout, found %v", digests)
	}
}
