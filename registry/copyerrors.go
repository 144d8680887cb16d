package registry

import (
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/manifest"
)

// TagTakenError refuses to copy a version over another one.
type TagTakenError struct {
	Repository Repository    `json:"repository"`
	Version    string        `json:"version"`
	Existing   digest.Digest `json:"existing"` // of the index that is there
	Want       digest.Digest `json:"want"`
}

func (e *TagTakenError) Error() string {
	return fmt.Sprintf("plugin %q %s: in %s: expected nothing or %s, found %s",
		e.Repository.Name, e.Version, e.Repository.Source(), e.Want, e.Existing)
}

// Hint says what to do.
func (e *TagTakenError) Hint() string {
	return "a version never changes: nothing was copied; choose another namespace, or find out who published the other one"
}

// SparseError says which blobs are neither at the origin nor where they are copied to. Nothing was copied.
type SparseError struct {
	Missing []MissingBlob `json:"missing"`
}

func (e *SparseError) Error() string {
	lines := make([]string, len(e.Missing))
	for i, m := range e.Missing {
		lines[i] = m.String()
	}
	return fmt.Sprintf("blobs to copy are missing, and nothing was copied:\n  %s", strings.Join(lines, "\n  "))
}

// Hint says how to get them, or to do without.
func (e *SparseError) Hint() string {
	return "registries want every platform that an index names: make the bundle with --all-targets; " +
		"for a registry that does without, name the platforms that are there with --target"
}

// SparseRefusedError says that a registry wants every platform of a release.
type SparseRefusedError struct {
	Repository Repository        `json:"repository"`
	Version    string            `json:"version"`
	Targets    []manifest.Target `json:"targets"` // that were copied
	Cause      error             `json:"-"`
}

func (e *SparseRefusedError) Error() string {
	return fmt.Sprintf("plugin %q %s: registry %q refuses an index without all of its platforms: %v", e.Repository.Name, e.Version, e.Repository.Registry, e.Cause)
}

func (e *SparseRefusedError) Unwrap() error { return e.Cause }

// Hint says what to do.
func (e *SparseRefusedError) Hint() string {
	return "copy all platforms: leave out --target, and make a bundle with --all-targets"
}

// MissingBlob is a blob that an origin does not hold.
type MissingBlob struct {
	Repository Repository      `json:"repository"`
	Version    string          `json:"version"`
	Target     manifest.Target `json:"target,omitempty"` // empty: of what refers to the release
	Digest     digest.Digest   `json:"digest"`
}

func (m MissingBlob) compare(other MissingBlob) int {
	return slices.Compare([]string{string(m.Target), m.Digest.String()}, []string{string(other.Target), other.Digest.String()})
}

func (m MissingBlob) String() string {
	what := "for " + string(m.Target)
	if m.Target == "" {
		what = "of what refers to it"
	}
	return fmt.Sprintf("plugin %q %s: %s %s", m.Repository.Name, m.Version, m.Digest, what)
}
