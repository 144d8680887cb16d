package native_test

import (
	"testing"

	"github.com/loadr-plugins/loadr/loader/plugin"
	"github.com/loadr-plugins/loadr/loader/plugin/plugintest"
)

// TestContract holds a library in this process to what every host of a plugin promises.
func TestContract(t *testing.T) {
	plugintest.Run(t, func(t *testing.T) plugin.Library { return openLibrary(t, rustTrouble(t)) })
}
