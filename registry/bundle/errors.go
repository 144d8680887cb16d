package bundle

import (
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"
)

// FormatError is something that is not a bundle, or not one that can be trusted to be read the same by everyone.
type FormatError struct {
	Bundle  string `json:"bundle"` // path
	Part    string `json:"part"`   // file in the bundle; empty: the bundle itself
	Problem string `json:"problem"`
}

func (e *FormatError) Error() string {
	if e.Part == "" {
		return fmt.Sprintf("bundle %s: %s", e.Bundle, e.Problem)
	}
	return fmt.Sprintf("bundle %s: %s: %s", e.Bundle, e.Part, e.Problem)
}

// Hint says where bundles come from.
func (e *FormatError) Hint() string { return "bundles are made with 'loadr plugin bundle'" }

// TruncatedError is a tar file whose end is missing.
type TruncatedError struct {
	Bundle string `json:"bundle"` // path
	Size   int64  `json:"size"`   // bytes that are there
}

func (e *TruncatedError) Error() string {
	return fmt.Sprintf("bundle %s: ends after %d bytes, in the middle", e.Bundle, e.Size)
}

// Hint says what to do.
func (e *TruncatedError) Hint() string { return "it was not copied completely: copy it again" }

// MissingError says that a bundle has a plugin, but not this blob of it.
type MissingError struct {
	Bundle string        `json:"bundle"` // path
	Plugin string        `json:"plugin"`
	Digest digest.Digest `json:"digest"`
	Cause  error         `json:"-"` // a *registry.NotFoundError
}

func (e *MissingError) Error() string {
	return fmt.Sprintf("bundle %s: plugin %q: %s is not in it", e.Bundle, e.Plugin, e.Digest)
}

func (e *MissingError) Unwrap() error { return e.Cause }

// Hint says the usual reason.
func (e *MissingError) Hint() string {
	return "a bundle holds the libraries of the platforms that it was made for: make it again with --target for this one"
}

// MissingArchiveError says that a bundle has no archive from a location.
type MissingArchiveError struct {
	Bundle   string `json:"bundle"`   // path
	Location string `json:"location"` // a URL, or file:PATH
}

func (e *MissingArchiveError) Error() string {
	return fmt.Sprintf("bundle %s: %s is not in it", e.Bundle, strings.TrimPrefix(e.Location, "file:"))
}

// Hint says what bundles have.
func (e *MissingArchiveError) Hint() string {
	return "a bundle holds the archives that a lock names for some platforms, and no index to choose others from: " +
		"install with that loadr.lock, or make the bundle again from this one"
}

// ExistsError refuses to write over what is not a bundle.
type ExistsError struct {
	Path  string `json:"path"`
	Found string `json:"found"`
	Force bool   `json:"force"` // it was forced, and that is not enough
}

func (e *ExistsError) Error() string {
	return fmt.Sprintf("%s: expected nothing or an earlier bundle, found %s", e.Path, e.Found)
}

// Hint says what to do.
func (e *ExistsError) Hint() string {
	if e.Force {
		return "choose another path, or remove it"
	}
	return "choose another path, or replace it with --force"
}
