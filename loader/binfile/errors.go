package binfile

import (
	"fmt"
	"strings"

	"github.com/loadr-plugins/loadr/manifest"
)

// UnknownFormatError says that a file is no image at all.
type UnknownFormatError struct {
	Guess string // what it seems to be: "a gzip file"
}

// Error names what was found and what is expected.
func (e *UnknownFormatError) Error() string {
	return "not a dynamic library: expected an ELF, Mach-O or PE image, found " + e.Guess
}

// UniversalError says that a file holds Mach-O images for several machines. Each target has a file of its own in an
// artifact, so one of them has to be chosen by the author.
type UniversalError struct {
	Slices []string // machines, in file order
}

// Error names the slices.
func (e *UniversalError) Error() string {
	return fmt.Sprintf("universal Mach-O file with slices %s: expected an image for one machine",
		strings.Join(e.Slices, ", "))
}

// Hint says how to take a slice out.
func (e *UniversalError) Hint() string {
	return "take one slice out with `lipo FILE -thin arm64 -output FILE.arm64` (or x86_64), and name each file under its target"
}

// UnsupportedError says that an image is of a kind that no loadr target has, so that it was not read.
type UnsupportedError struct {
	Format manifest.Format
	Want   string
	Found  string
}

// Error names what was expected and what was found.
func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("%s image: expected %s, found %s", e.Format, e.Want, e.Found)
}

// FormatError says that an image is damaged, truncated, or beyond what any real library contains.
type FormatError struct {
	Format  manifest.Format
	Part    string // which part: "symbol table"
	Problem string // what is wrong with it
}

// Error names the part and its problem.
func (e *FormatError) Error() string {
	return fmt.Sprintf("damaged %s image: %s: %s", e.Format, e.Part, e.Problem)
}
