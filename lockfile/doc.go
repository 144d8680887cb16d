// Package lockfile reads, writes and compares a project's two files: loadr.toml, which says what is wanted, and
// loadr.lock, which says what exactly was chosen. docs/spec/lock.md defines both formats.
//
// Everything takes and gives text and values. loadr.toml belongs to its author, so it is edited by byte range: comments,
// order, spacing and line ends stay. loadr.lock belongs to the program and is written whole, the same bytes for the same
// content.
//
// It does no I/O, does not know what a range of versions means (Compare is told by a function), and neither resolves
// nor fetches. Functions are safe for concurrent use; values are as safe as their fields.
package lockfile

import "github.com/loadr-plugins/loadr/manifest"

// Names of the two files, which lie in the same folder.
const (
	ProjectName = "loadr.toml"
	LockName    = "loadr.lock"
)

// Limits on what is read, in bytes. Both files are written by hand or by this program; larger ones are something else.
const (
	MaxProject = 1 << 20
	MaxLock    = 16 << 20
)

// Host describes the engine that runs the plugins, as far as the choice of versions depends on it.
type Host struct {
	ABI   map[manifest.Family]string // interface version per family, strict semver; nil for none
	Glibc string                     // version of the oldest glibc in use; empty where unknown or irrelevant
}

// IsZero says whether nothing is known of the host.
func (h Host) IsZero() bool { return len(h.ABI) == 0 && h.Glibc == "" }

// Libc gives the C library that libraries are held to; zero where none is recorded.
func (h Host) Libc() manifest.Libc {
	if h.Glibc == "" {
		return manifest.Libc{}
	}
	return manifest.Libc{Name: manifest.Glibc, Version: h.Glibc}
}
