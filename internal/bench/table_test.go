//go:build unix

package main

import (
	"bytes"
	"testing"
)

func TestTable(t *testing.T) {
	hosts := []*host{{name: "base"}, {name: "other", base: "base"}}
	var out bytes.Buffer
	table(&out, "title", hosts, [][]float64{{4, 2, 3}, {9, 12, 10, 11}})
	const want = `
| title | ns a call: minimum | median | ratio of minima | of medians |
|---|---:|---:|---:|---:|
| base | 2 | 3 | | |
| other | 9 | 10 | 4.50 | 3.50 |
`
	if out.String() != want {
		t.Errorf("expected %s\nfound %s", want, out.String())
	}
}
