package oracle

import (
	"bytes"
	"testing"

	"github.com/loadr-plugins/loadr/internal/testplugin"
	"github.com/loadr-plugins/loadr/loader/abistable"
	"github.com/loadr-plugins/loadr/manifest"
)

// TestEveryPlatformHasTheSameText walks real plugins for other platforms from their files. They can't be loaded here, but
// their layout is that of the SDK on this machine: nothing in it depends on the system, or on the machine as long as its
// pointers have 64 bits.
func TestEveryPlatformHasTheSameText(t *testing.T) {
	want := Dump(t, SDK)
	for _, target := range []manifest.Target{
		"x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu", "x86_64-pc-windows-gnu", "x86_64-apple-darwin", "aarch64-apple-darwin",
	} {
		for _, profile := range []string{"release", "dev"} {
			t.Run(string(target)+"/"+profile, func(t *testing.T) {
				if profile == "dev" && testing.Short() {
					t.Skip("-short: release builds only")
				}
				options := map[string]testplugin.RustOptions{"dev": {Profile: "dev"}}[profile] // the zero value: stripped
				report, err := abistable.Default().Inspect(open(t, testplugin.Rust(t, target, "examples/echo-proto", options)))
				if err != nil {
					t.Fatal(err)
				}
				if report.Graph == nil || report.ABI.Verdict != manifest.Fits {
					t.Fatalf("expected a library that fits, found %+v", report.ABI)
				}
				if got := report.Graph.Text(); !bytes.Equal(want, got) {
					t.Errorf("the layout is not that of the SDK on this machine:\n%s", differences(want, got))
				}
			})
		}
	}
}
