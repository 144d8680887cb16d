package resolve

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestPageIsTrue holds the tables of docs/resolution.md against the code.
func TestPageIsTrue(t *testing.T) {
	page, err := os.ReadFile("../docs/resolution.md")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(page), `\|`, "¦")
	code := regexp.MustCompile("`([^`]+)`")
	_, table, _ := strings.Cut(text, "## Ranges")
	table, _, _ = strings.Cut(table, "\n\n`install`")
	rows := 0
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) != 6 || !strings.Contains(line, "`") {
			continue
		}
		rows++
		ranges := code.FindAllStringSubmatch(cells[1], -1)
		r := mustRange(strings.ReplaceAll(ranges[len(ranges)-1][1], "¦", "|"))
		if strings.Contains(cells[1], "1.2.x") {
			r = mustRange(ranges[0][1])
		}
		for i, want := range map[int]bool{3: true, 4: false} {
			for _, v := range code.FindAllStringSubmatch(cells[i], -1) {
				if r.Allows(v[1]) != want {
					t.Errorf("%s: holds %s is %v", r, v[1], !want)
				}
			}
		}
	}
	if rows != 9 {
		t.Errorf("%d rows", rows)
	}
	for _, c := range []Code{OutOfRange, PreRelease, Invalid, Withdrawn, NoTarget, ABI, RequiresABI, Libc, Older, Kept, Gone} {
		if !strings.Contains(text, "| `"+string(c)+"` |") {
			t.Errorf("code %s is not described", c)
		}
	}
	s := offering(universe[0], universe[1], universe[3], universe[4])
	got, err := Choose(query("*", "", s.versions()), s.look)
	if err != nil || !strings.Contains(text, "```text\n"+Explain("echo-proto", got)+"```") {
		t.Error("the explanation at the top is not what is printed", err)
	}
}
