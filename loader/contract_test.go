package loader_test

import (
	"testing"

	"github.com/loadr-plugins/loadr/internal/testplugin"
	"github.com/loadr-plugins/loadr/loader"
	"github.com/loadr-plugins/loadr/loader/plugin"
	"github.com/loadr-plugins/loadr/loader/plugin/plugintest"
)

// TestContract holds a library in a worker to the same as one in this process.
func TestContract(t *testing.T) {
	target, ok := loader.HostTarget()
	if !ok {
		t.Skip("this machine's target is not known")
	}
	built := testplugin.Rust(t, target, "loader/native/testdata/trouble", testplugin.RustOptions{})
	plugintest.Run(t, func(t *testing.T) plugin.Library { return startLibrary(t, options(t, built)) })
}
