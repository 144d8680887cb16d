package registry

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/registry/directory"
)

// ReferenceError is a reference that cannot be read.
type ReferenceError struct {
	Text string `json:"text"`
	Want string `json:"want"` // what is wrong and what was expected
}

func (e *ReferenceError) Error() string { return fmt.Sprintf("reference %q: %s", e.Text, e.Want) }

// Hint shows the forms.
func (e *ReferenceError) Hint() string {
	return "references are written name, name@^1.2, host/namespace/name@1.4.0 or host/namespace/name@sha256:..."
}

// NotFoundError says that the registry was reached, was satisfied with who asked, and does not have it.
type NotFoundError struct {
	Repository Repository `json:"repository"`
	What       string     `json:"what"` // a version, digest or blob; empty: the repository itself
}

func (e *NotFoundError) Error() string {
	if e.What == "" {
		return fmt.Sprintf("plugin %q: not in %s", e.Repository.Name, e.Repository.Source())
	}
	return fmt.Sprintf("plugin %q: %s not in %s", e.Repository.Name, e.What, e.Repository.Source())
}

// AuthError says that a registry wants other credentials. It never means that something is absent.
type AuthError struct {
	Registry string `json:"registry"`
	Denied   bool   `json:"denied"` // the credentials were accepted and are not allowed to do this
	Cause    error  `json:"-"`
}

func (e *AuthError) Error() string {
	if e.Denied {
		return fmt.Sprintf("registry %q: access denied: %v", e.Registry, e.Cause)
	}
	return fmt.Sprintf("registry %q: not logged in, or the credentials were refused: %v", e.Registry, e.Cause)
}

func (e *AuthError) Unwrap() error { return e.Cause }

// Hint says how to log in.
func (e *AuthError) Hint() string {
	if e.Denied {
		return "ask the owner of the namespace for access, or log in as someone else: loadr registry login " + e.Registry
	}
	return "log in: loadr registry login " + e.Registry
}

// UnavailableError says that a registry did not answer, or not with what its protocol promises: nothing is known about
// what it holds.
type UnavailableError struct {
	Registry string `json:"registry"`
	Status   int    `json:"status"` // of the HTTP response; 0 when there was none
	Timeout  bool   `json:"timeout"`
	// Mirrors is what became of those of its mirrors that failed before, one line each.
	Mirrors []string `json:"mirrors,omitempty"`
	// Unasked: it has mirrors that are not allowed to answer this, which has no digest.
	Unasked bool  `json:"-"`
	Cause   error `json:"-"`
}

func (e *UnavailableError) Error() string {
	text := fmt.Sprintf("registry %q: %v", e.Registry, e.Cause)
	if e.Timeout {
		text = fmt.Sprintf("registry %q: no answer in time: %v", e.Registry, e.Cause)
	}
	for _, mirror := range e.Mirrors {
		text += "; mirror " + mirror
	}
	return text
}

func (e *UnavailableError) Unwrap() error { return e.Cause }

// Hint says what to look at.
func (e *UnavailableError) Hint() string {
	switch {
	case e.Unasked:
		return "its mirrors serve what a lock names; to let those that you trust say which versions there are, set resolve = true in config.toml"
	case e.Status >= 500 || e.Status == http.StatusTooManyRequests:
		return "the registry is overloaded or broken: try again later"
	case e.Status >= 400 && e.Status != http.StatusNotFound:
		return "the registry refused the request: it may not accept OCI artifacts, or not under this name"
	}
	return "check the registry's name, the network and the proxy settings"
}

// IntegrityError is content that is not what its digest or length promised.
type IntegrityError struct {
	Object  string `json:"object"` // what was read
	Want    string `json:"want"`   // digest or length
	Got     string `json:"got"`
	Altered bool   `json:"altered"` // the content is a whole, sound artifact: a copy that was rewritten on the way
	// Mirror is who served it, where that was not the registry itself. Asking again asks elsewhere.
	Mirror string `json:"mirror,omitempty"`
}

func (e *IntegrityError) Error() string {
	if e.Altered {
		return fmt.Sprintf("%s: expected %s, found %s: the copy was altered", e.Object, e.Want, e.Got)
	}
	return fmt.Sprintf("%s: expected %s, found %s", e.Object, e.Want, e.Got)
}

// Hint says what happened and what to do.
func (e *IntegrityError) Hint() string {
	if e.Altered {
		return "some tools rewrite an index while they copy it; copy it again with one that keeps digests, such as crane copy or oras cp -r"
	}
	return "the content was damaged or tampered with: try again, and tell the registry's owner if it stays"
}

// InvalidArtifactError is content that is what its digest promised, and not a plugin, or not the one asked for.
type InvalidArtifactError struct {
	Object  string `json:"object"`
	Problem string `json:"problem"` // what was expected and found
}

func (e *InvalidArtifactError) Error() string { return e.Object + ": " + e.Problem }

// NotReferrerError says that a registry lists a manifest as a referrer which refers to something else.
type NotReferrerError struct {
	Object  string        `json:"object"`
	Subject digest.Digest `json:"subject"` // what it refers to; empty: nothing
}

func (e *NotReferrerError) Error() string {
	if e.Subject == "" {
		return e.Object + ": listed, but refers to nothing"
	}
	return fmt.Sprintf("%s: listed, but refers to %s", e.Object, e.Subject)
}

// VersionExistsError refuses to publish other content under a version that is taken.
type VersionExistsError struct {
	Repository  Repository    `json:"repository"`
	Version     string        `json:"version"`
	Existing    digest.Digest `json:"existing"`    // index digest of what is there
	Differences []string      `json:"differences"` // what differs, one line each
}

func (e *VersionExistsError) Error() string {
	return fmt.Sprintf("plugin %q %s: already published in %s with other content (%s): %s",
		e.Repository.Name, e.Version, e.Repository.Source(), e.Existing, strings.Join(e.Differences, "; "))
}

// Hint says what to do instead.
func (e *VersionExistsError) Hint() string {
	return "a published version never changes: publish under a new version"
}

// BusyError says that another process is writing the directory registry.
type BusyError = directory.BusyError
