package manifest

import (
	"fmt"
	"reflect"
	"slices"
)

// Difference is a fact in which two reports of a library differ.
type Difference struct {
	Field     string // its name in the JSON form
	Want, Got string
}

// Difference compares a report that somebody claims with one that was found, and gives the first fact that differs, in
// the order of the JSON form; ok is false where none does. The verdict and its problems depend on who asks and are left
// out, and an absent list is an empty one.
func (l Library) Difference(found Library) (d Difference, ok bool) {
	claimed := reflect.ValueOf(l.facts())
	there := reflect.ValueOf(found.facts())
	for i := range claimed.NumField() {
		want, got := claimed.Field(i).Interface(), there.Field(i).Interface()
		if !reflect.DeepEqual(want, got) {
			return Difference{claimed.Type().Field(i).Tag.Get("json"), fmt.Sprint(want), fmt.Sprint(got)}, true
		}
	}
	return Difference{}, false
}

func (l Library) facts() Library {
	l.ABI.Verdict, l.ABI.Problems = "", nil
	l.Needs, l.Exports = slices.Concat([]string{}, l.Needs), slices.Concat([]string{}, l.Exports)
	return l
}
