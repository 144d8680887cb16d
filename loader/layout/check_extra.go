package layout

import (
	"fmt"
	"strings"
)

// The traits behind the bits of RequiredTraits.
var (
	autoTraits  = []string{"Send", "Sync", "Unpin"}
	otherTraits = []string{"Error", "Clone", "Default", "Display", "Debug", "Serialize", "PartialEq", "Ord", "PartialOrd", "Hash",
		"Iterator", "DoubleEndedIterator", "FmtWrite", "IoWrite", "IoRead", "IoBufRead", "IoSeek", "Deserialize"}
)

// AutoTraits names the auto traits that a known check requires: the same are required of both sides.
func (e *ExtraCheck) AutoTraits() []string { return traits(uint64(e.Auto), autoTraits) }

// OtherTraits names the other traits that a known check requires.
func (e *ExtraCheck) OtherTraits() []string { return traits(e.Other, otherTraits) }

func traits(bits uint64, names []string) []string {
	list := []string{}
	for i := 0; bits>>i != 0; i++ {
		switch {
		case bits>>i&1 == 0:
		case i < len(names):
			list = append(list, names[i])
		default:
			list = append(list, fmt.Sprintf("bit %d", i))
		}
	}
	return list
}

// checks compares tags and extra checks.
func (c *checker) checks(order int, w, g *Type) {
	if w.Tag || g.Tag {
		c.problem(order, "tag", "no tag", "a tag, which cannot be compared")
	}
	switch we, ge := w.Extra, g.Extra; {
	case we == nil && ge == nil:
	case ge == nil:
		c.problem(order, "extra-check", "a check of required traits", "none")
	case !ge.Known || we != nil && !we.Known:
		c.problem(order, "extra-check", "no check but abi_stable's own", "an unknown check")
	case we != nil && we.Auto != ge.Auto:
		c.problem(order, "auto-traits", listOf(we.AutoTraits()), listOf(ge.AutoTraits()))
	case we != nil && we.Other&^ge.Other != 0:
		c.problem(order, "traits", listOf(we.OtherTraits()), listOf(ge.OtherTraits()))
	}
}

func listOf(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
