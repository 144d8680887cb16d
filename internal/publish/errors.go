package publish

import (
	"fmt"
	"strings"

	"github.com/loadr-plugins/loadr/manifest"
)

// NoLibraryError says that no library is known for a platform; with an empty Target, for none at all.
type NoLibraryError struct {
	Name   string            `json:"name"`
	Target manifest.Target   `json:"target,omitempty"`
	Known  []manifest.Target `json:"known,omitempty"`
}

func (e *NoLibraryError) Error() string {
	if e.Target == "" {
		return fmt.Sprintf("plugin %q: plugin.toml names no library to pack", e.Name)
	}
	return fmt.Sprintf("plugin %q: plugin.toml names no library for %s; it has %v", e.Name, e.Target, e.Known)
}

// Hint says where to name it.
func (e *NoLibraryError) Hint() string {
	return "add it under [build.targets], or name it with --target TARGET=PATH"
}

// MissingLibrariesError lists the libraries of [build.targets] that have not been built.
type MissingLibrariesError struct {
	Name    string            `json:"name"`
	Missing []Missing         `json:"missing"`
	Found   []manifest.Target `json:"found"`
}

// Missing is a library that is not there.
type Missing struct {
	Target manifest.Target `json:"target"`
	Path   string          `json:"path"`
}

func (e *MissingLibrariesError) Error() string {
	lines := make([]string, len(e.Missing))
	for i, m := range e.Missing {
		lines[i] = fmt.Sprintf("%s: %s", m.Target, m.Path)
	}
	return fmt.Sprintf("plugin %q: %d of its libraries are not there:\n  %s", e.Name, len(lines), strings.Join(lines, "\n  "))
}

// Hint says what to do.
func (e *MissingLibrariesError) Hint() string {
	if len(e.Found) == 0 {
		return "build them first"
	}
	words := make([]string, len(e.Found))
	for i, t := range e.Found {
		words[i] = "--target " + string(t)
	}
	return "build them first, or pack only what is there: " + strings.Join(words, " ") + " (packs from several machines merge into one publish)"
}

// ReplacementError says that a version can't stand in for one that is withdrawn.
type ReplacementError struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Problem string `json:"problem"`
}

func (e *ReplacementError) Error() string {
	return fmt.Sprintf("plugin %q: version %s to use instead: %s", e.Name, e.Version, e.Problem)
}

// Hint says what to name.
func (e *ReplacementError) Hint() string {
	return "name a published version that was not withdrawn, or leave --use out"
}
