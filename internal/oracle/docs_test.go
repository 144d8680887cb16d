package oracle

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// TestDocumentedNumbers holds the numbers of docs/verification.md, which are those on Linux.
func TestDocumentedNumbers(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the family is smaller here")
	}
	var differ, checked, walked, live, built int
	for _, l := range All() {
		words := l.NoText == "" || l.NoText == "code-shape"
		switch {
		case l.Stricter != "" || l.NoText == "code-shape":
			differ += len(l.Accepts)
		}
		if words && l.Header != "2.0.0" {
			checked += len(l.Hosts())
		}
		if words {
			live++
		}
		if l.NoText == "" {
			walked++
		}
		if l.NoText == "" && !l.Build.isPlain() {
			built++
		}
	}
	page := read(t, "docs/verification.md")
	for _, want := range []string{
		fmt.Sprintf("| %d verdicts on %d libraries | `TestRealVerdicts` |", verdicts(All()), len(All())),
		fmt.Sprintf("| the same %d; %d differ, as listed above | `TestVerdicts` |", verdicts(All()), differ),
		fmt.Sprintf("| %d verdicts | `TestCheckIsThatOfTheOracle` |", checked),
		fmt.Sprintf("| %d libraries; %d can't be read, each for the expected reason | `TestWalkOfTheFile` |", walked, len(All())-walked),
		fmt.Sprintf("| %d libraries | `TestLiveWalkIsThatOfTheOracle` in `loader/native` |", live),
		fmt.Sprintf("| %d builds, one digest | `TestOneTextForAllBuilds` |", built),
	} {
		if !strings.Contains(page, want) {
			t.Errorf("docs/verification.md does not say %q", want)
		}
	}
}
