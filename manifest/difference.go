package manifest

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Difference is a fact in which two reports of a library differ.
type Difference struct {
	Field     string // its name in the JSON form
	Want, Got string
}

// Difference compares a report that somebody claims with one that was found, and gives the first fact that differs, in
// the order of the JSON form; ok is false where none does. The verdict and its problems depend on who asks and are left
// out, an absent list is an empty one, and layout digests of two forms of the text are not compared.
func (l Library) Difference(found Library) (d Difference, ok bool) {
	if d, ok = differenceIn("", l.facts(), found.facts()); ok {
		return d, ok
	}
	want, got := l.ABI.facts(), found.ABI.facts()
	if SameLayout(want.Layout, got.Layout) {
		got.Layout = want.Layout
	}
	return differenceIn("abi.", want, got)
}

// differenceIn compares two values of one struct type, field by field.
func differenceIn(prefix string, want, got any) (d Difference, ok bool) {
	claimed, there := reflect.ValueOf(want), reflect.ValueOf(got)
	for i := range claimed.NumField() {
		want, got := claimed.Field(i).Interface(), there.Field(i).Interface()
		if !reflect.DeepEqual(want, got) {
			name, _, _ := strings.Cut(claimed.Type().Field(i).Tag.Get("json"), ",")
			return Difference{prefix + name, orNothing(want), orNothing(got)}, true
		}
	}
	return Difference{}, false
}

// orNothing writes a fact for people; one that is not there has a word of its own.
func orNothing(fact any) string { return cmp.Or(fmt.Sprint(fact), "nothing") }

func (l Library) facts() Library {
	l.ABI = ABIReport{}
	l.Needs, l.Exports = slices.Concat([]string{}, l.Needs), slices.Concat([]string{}, l.Exports)
	return l
}

func (r ABIReport) facts() ABIReport {
	r.Verdict, r.Problems = "", nil
	return r
}
