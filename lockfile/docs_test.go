package lockfile

import (
	"os"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestSpecificationIsTrue reads the two files that docs/spec/lock.md shows.
func TestSpecificationIsTrue(t *testing.T) {
	page, err := os.ReadFile("../docs/spec/lock.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```toml\n(.*?)```").FindAllSubmatch(page, -1)
	if len(blocks) != 2 {
		t.Fatalf("%d blocks of TOML", len(blocks))
	}
	want := fullMeaning
	if d := cmp.Diff(&want, parse(t, string(blocks[0][1])), noPlaces); d != "" {
		t.Error(d)
	}
	l, err := ParseLock(LockName, blocks[1][1])
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(blocks[1][1]), string(l.Encode())); d != "" {
		t.Error("the shown lock is not in the form that is written:", d)
	}
}
