package cli

import (
	"testing"

	"github.com/loadr-plugins/loadr/loader/abistable"
	"github.com/loadr-plugins/loadr/manifest"
)

// What resolution takes for the host's version is the newest that the loader knows.
func TestHostABIIsTheLoaders(t *testing.T) {
	if newest := abistable.Default()[0].Version + ".0"; hostABI[manifest.FamilyNative] != newest {
		t.Errorf("native %s, the loader knows %s", hostABI[manifest.FamilyNative], newest)
	}
}
