package oracle

import (
	"fmt"
	"runtime"
	"strings"
)

// Hosts are the interfaces that the oracle knows: that of sdk/rust; its next minor version, 1.1, which has one more
// field and one more method; and the rich one of testdata.
const (
	SDK  = "sdk"
	Next = "next"
	Rich = "rich"
)

// Library is one of the family. The zero value of a field means what most libraries have.
type Library struct {
	Name    string
	Rich    bool   // of the rich interface, and not of the SDK's
	Edits   []Edit // to the interface's source
	Package string // that declares the types; empty: loadr-plugin-api
	Version string // of that package; empty: 1.0.0
	Header  string // version in the library's header; empty: that of the package
	Crate   string // the library's own name; empty: family
	Build   Build

	// What abi_stable must say, so that a mistake that is common to everyone is noticed too. Accepts and Refuses
	// have the hosts that are asked.
	Accepts, Refuses []string

	// NoText is the rule by which we read no layout from the library's file. Empty: we do.
	NoText string

	// Stricter is the rule by which we refuse a library that abi_stable accepts: a deliberate difference. Empty: none.
	Stricter string
}

// Edit replaces a piece of text that must occur exactly once.
type Edit struct{ Old, New string }

// Build says how abi_stable and the library are compiled. The zero value is the newest abi_stable in a release build.
type Build struct {
	ABIStable string   // version; empty: 0.11.3
	Profile   []string // options of rustc -C that cargo knows too, for abi_stable and all that it needs and for the library
	Flags     []string // other flags of rustc, for the same
	Last      []string // flags of rustc for the library alone
	Strip     bool
}

// All gives the whole family. Names are unique.
func All() []Library {
	var all []Library
	for _, part := range [][]Library{fieldVariants(), traitVariants(), crateVariants(), minorVersions(), richVariants(), builds()} {
		all = append(all, part...)
	}
	if runtime.GOOS == "linux" {
		all = append(all, onLinux()...)
	}
	return all
}

// Base is the library of the SDK's interface as it is.
func Base() Library { return Library{Name: "base", Accepts: []string{SDK}, Refuses: []string{Next}} }

// kept makes a library of the SDK's interface that its host accepts.
func kept(name string, edits ...Edit) Library {
	return Library{Name: name, Edits: edits, Accepts: []string{SDK}}
}

// broken makes a library of the SDK's interface that its host refuses.
func broken(name string, edits ...Edit) Library {
	return Library{Name: name, Edits: edits, Refuses: []string{SDK}}
}

// Hosts gives the names of the hosts that are asked about the library.
func (l Library) Hosts() []string {
	return append(append([]string(nil), l.Accepts...), l.Refuses...)
}

// edit applies the edits to a text.
func (l Library) edit(text string) (string, error) {
	edits := l.Edits
	if l.Header != "" {
		edits = append(edits[:len(edits):len(edits)], Edit{"package_version_strings!();", fmt.Sprintf("VersionStrings::new(%q);", l.Header)})
	}
	for _, e := range edits {
		if n := strings.Count(text, e.Old); n != 1 {
			return "", fmt.Errorf("library %s: %q occurs %d times, must occur once", l.Name, e.Old, n)
		}
		text = strings.Replace(text, e.Old, e.New, 1)
	}
	return text, nil
}
