package loader

import (
	"fmt"
	"slices"

	"github.com/loadr-plugins/loadr/manifest"
)

// Matches says whether an inspected library can be one for target: nil if its format, machine and C library are the
// target's, else a *TargetMismatchError about the first that is not. A library that uses no C library serves both
// kinds of Linux. Versions are not compared: that is for resolution, which knows the host.
//
// Windows triples of one machine can't be told apart, and are not: their libraries have the same format and C ABI.
func Matches(lib *manifest.Library, target manifest.Target) error {
	switch {
	case lib.Format != target.Format():
		return &TargetMismatchError{target, "format", string(target.Format()), string(lib.Format)}
	case lib.Machine != target.Machine():
		return &TargetMismatchError{target, "machine", target.Machine(), lib.Machine}
	}
	if want, got := systemLibrary(target), libraryOf(lib); got != "" && got != want {
		return &TargetMismatchError{target, "C library", want, got}
	}
	return nil
}

// freebsdLibc is the name of FreeBSD's C library, which tells its libraries from those of Linux.
const freebsdLibc = "libc.so.7"

func systemLibrary(target manifest.Target) string {
	if target.Platform().OS == "freebsd" {
		return freebsdLibc
	}
	return target.Libc()
}

func libraryOf(lib *manifest.Library) string {
	if lib.Format == manifest.ELF && slices.Contains(lib.Needs, freebsdLibc) {
		return freebsdLibc
	}
	return lib.Libc.Name
}

// TargetMismatchError says that a library is not one for a target.
type TargetMismatchError struct {
	Target manifest.Target `json:"target"`
	Fact   string          `json:"fact"` // what differs: "format", "machine", "C library"
	Want   string          `json:"want"`
	Found  string          `json:"found"`
}

// Error names the target, what was expected and what was found.
func (e *TargetMismatchError) Error() string {
	return fmt.Sprintf("library does not match target %s: expected %s %s, found %s", e.Target, e.Fact, e.Want, e.Found)
}
