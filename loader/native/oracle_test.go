package native

import (
	"bytes"
	"cmp"
	"os"
	"testing"

	"github.com/loadr-plugins/loadr/internal/oracle"
	"github.com/loadr-plugins/loadr/loader/abistable"
	"github.com/loadr-plugins/loadr/loader/layout"
)

// TestLiveWalkIsThatOfTheOracle opens every library of the oracle's family, fitting or not, and reads its layout from this
// process's memory, by calling the functions that return layouts: it is what abi_stable itself reads. None of the modules
// is made, and no library is closed again.
func TestLiveWalkIsThatOfTheOracle(t *testing.T) {
	t.Setenv("LLVM_PROFILE_FILE", os.DevNull) // a library that counts writes its counts here
	for _, l := range oracle.All() {
		t.Run(l.Name, func(t *testing.T) {
			path := l.Path(t)
			version := cmp.Or(l.Header, l.Version, "1.0") // a layout is not read for a host of another major version
			report, err := walkLive(path, abistable.Host{{Version: version, Graph: sdkGraph(t)}})
			if err != nil {
				t.Fatal(err)
			}
			if l.NoText != "" && l.NoText != "code-shape" { // called, a getter's code needs no decoding
				if report.Graph != nil {
					t.Errorf("expected no layout for rule %s, found one", l.NoText)
				}
				return
			}
			if report.Graph == nil {
				t.Fatalf("no layout: %+v", report.ABI)
			}
			if want := oracle.Dump(t, path); !bytes.Equal(want, report.Graph.Text()) {
				t.Errorf("expected the oracle's text:\n%s\nfound\n%s", want, report.Graph.Text())
			}
		})
	}
}

func sdkGraph(t *testing.T) *layout.Graph {
	t.Helper()
	graph, err := layout.Parse(oracle.Dump(t, oracle.SDK))
	if err != nil {
		t.Fatal(err)
	}
	return graph
}
