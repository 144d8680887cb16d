package resolve

import (
	"fmt"
	"slices"
	"strings"
)

// Explain gives the text form of a choice: which version, and each newer one with the reason against it, as well as the
// version that the lock held before. Lines end in a newline; the result is for people, the Choice is the data.
//
//	chose echo-proto 1.4.2
//	  2.0.0  built against native ABI 2.0, this host accepts ^1.0
//	  1.4.3  withdrawn: loses data on reconnect; use 1.4.2
func Explain(name string, c Choice) string {
	heading := fmt.Sprintf("chose %s %s\n", name, c.Version)
	if c.Kept {
		heading = fmt.Sprintf("kept %s %s, which is locked\n", name, c.Version)
	}
	return heading + table(slices.DeleteFunc(slices.Clone(c.Rejected), func(r Rejection) bool {
		return r.Version != c.Replaces && Compare(r.Version, c.Version) < 0
	}))
}

// table writes one line per rejection, or per run of several in a row with the same reason.
func table(rejected []Rejection) string {
	type line struct{ versions, detail string }
	var lines []line
	width := 0
	for len(rejected) > 0 {
		n := run(rejected)
		versions := rejected[0].Version
		if n > 1 {
			versions = fmt.Sprintf("%s to %s (%d versions)", versions, rejected[n-1].Version, n)
		}
		lines = append(lines, line{versions, rejected[0].Detail})
		width = max(width, len(versions))
		rejected = rejected[n:]
	}
	var b strings.Builder
	for _, l := range lines {
		fmt.Fprintf(&b, "  %-*s  %s\n", width, l.versions, l.detail)
	}
	return b.String()
}

// minRun is how many versions in a row are worth a line together; fewer read better one by one.
const minRun = 4

// run counts the rejections at the front that share a line.
func run(rejected []Rejection) int {
	first := rejected[0]
	n := slices.IndexFunc(rejected, func(r Rejection) bool { return r.Code != first.Code || r.Detail != first.Detail })
	if n < 0 {
		n = len(rejected)
	}
	if n < minRun {
		return 1
	}
	return n
}
