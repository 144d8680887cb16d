package install

import (
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/lockfile"
	"github.com/loadr-plugins/loadr/manifest"
)

// UsageError is a combination of options that means nothing.
type UsageError struct {
	Detail string `json:"detail"`
}

func (e *UsageError) Error() string { return e.Detail }

// NoLockError says that a lock is needed and absent.
type NoLockError struct {
	Path string `json:"path"`
}

func (e *NoLockError) Error() string {
	return fmt.Sprintf("lock %s: expected a file, found none", e.Path)
}

// Hint says how to get one.
func (e *NoLockError) Hint() string { return "write it with 'loadr plugin lock', and commit it" }

// DriftError says that loadr.toml and loadr.lock disagree.
type DriftError struct {
	Lock   string           `json:"lock"`
	Drifts []lockfile.Drift `json:"drifts"`
}

func (e *DriftError) Error() string {
	lines := make([]string, len(e.Drifts))
	for i, d := range e.Drifts {
		lines[i] = d.String()
	}
	return fmt.Sprintf("lock %s: does not match loadr.toml:\n  %s", e.Lock, strings.Join(lines, "\n  "))
}

// Hint says how to settle it.
func (e *DriftError) Hint() string {
	return "run 'loadr plugin lock' and review the change to the lock"
}

// TargetError says that the project does not list the platform of a plugins directory.
type TargetError struct {
	Target  manifest.Target   `json:"target"`
	Targets []manifest.Target `json:"targets"`
	Project string            `json:"project"`
}

func (e *TargetError) Error() string {
	return fmt.Sprintf("project %s: no plugins are locked for %s; its targets are %v", e.Project, e.Target, e.Targets)
}

// Hint gives the line to write.
func (e *TargetError) Hint() string {
	lines := make([]string, 0, len(e.Targets)+1)
	for _, t := range slices.Concat(e.Targets, []manifest.Target{e.Target}) {
		lines = append(lines, fmt.Sprintf("%q", t))
	}
	return fmt.Sprintf("add it under [options]: targets = [%s], or run 'loadr plugin install --add-target'", strings.Join(lines, ", "))
}

// AmbiguousError says that several namespaces hold a plugin of one name.
type AmbiguousError struct {
	Name    string   `json:"name"`
	Sources []string `json:"sources"`
}

func (e *AmbiguousError) Error() string {
	return fmt.Sprintf("plugin %q: found in several namespaces: %s", e.Name, strings.Join(e.Sources, ", "))
}

// Hint says how to choose.
func (e *AmbiguousError) Hint() string {
	for _, source := range e.Sources {
		if !lockfile.IsFileSource(source) {
			return fmt.Sprintf("name the one you mean: loadr plugin install %s/%s", source, e.Name)
		}
	}
	return fmt.Sprintf("name the one you mean in %s: %s = { version = \"*\", registry = %q }", lockfile.ProjectName, e.Name, e.Sources[0])
}

// RequiredError says that a plugin can't be removed because others require it.
type RequiredError struct {
	Name string   `json:"name"`
	By   []string `json:"by"`
}

func (e *RequiredError) Error() string {
	return fmt.Sprintf("plugin %q: required by %s", e.Name, strings.Join(e.By, ", "))
}

// Hint says what to do.
func (e *RequiredError) Hint() string { return "remove those too, or keep it" }

// NotInProjectError says that a project neither asks for a plugin nor has it in its lock.
type NotInProjectError struct {
	Name    string `json:"name"`
	Project string `json:"project"` // path of loadr.toml
}

func (e *NotInProjectError) Error() string {
	return fmt.Sprintf("plugin %q: expected an entry in %s or its lock, found none", e.Name, e.Project)
}

// Hint says how to get it.
func (e *NotInProjectError) Hint() string {
	return fmt.Sprintf("'loadr plugin install %s' adds it; 'loadr plugin tree' shows what is there", e.Name)
}

// RepublishedError says that a registry has other bytes under a version than were locked from it.
type RepublishedError struct {
	Name    string        `json:"name"`
	Version string        `json:"version"`
	Source  string        `json:"source"`
	Locked  digest.Digest `json:"locked"` // of the index
	Found   digest.Digest `json:"found"`
}

func (e *RepublishedError) Error() string {
	return fmt.Sprintf("plugin %q: %s in %s was published again with other bytes: expected %s, which is locked, found %s",
		e.Name, e.Version, e.Source, e.Locked, e.Found)
}

// Hint says how to go on either way.
func (e *RepublishedError) Hint() string {
	return fmt.Sprintf("nothing was changed; ask its publisher, and if the new bytes are meant, take them by name: loadr plugin install %s/%s@%s",
		e.Source, e.Name, e.Found)
}

// UnknownError says that no namespace holds a plugin.
type UnknownError struct {
	Name    string   `json:"name"`
	Sources []string `json:"sources"`
}

func (e *UnknownError) Error() string {
	if len(e.Sources) == 0 {
		return fmt.Sprintf("plugin %q: not found: there is no namespace to look in", e.Name)
	}
	return fmt.Sprintf("plugin %q: not found in %s", e.Name, strings.Join(e.Sources, ", "))
}

// Hint says where else to look.
func (e *UnknownError) Hint() string {
	return "check the name, or name another place: HOST/NAMESPACE/NAME; LOADR_REGISTRY or config.toml set where short names are looked up"
}

// NotInstalledError says that a plugins directory has no such plugin.
type NotInstalledError struct {
	Name string `json:"name"`
	Dir  string `json:"dir"`
}

func (e *NotInstalledError) Error() string {
	return fmt.Sprintf("plugin %q: not installed in %s", e.Name, e.Dir)
}

// Hint says how to get it.
func (e *NotInstalledError) Hint() string {
	return "see 'loadr plugin list'; install it with 'loadr plugin install " + e.Name + "'"
}

// OfflineError says what would have had to be fetched.
type OfflineError struct {
	Object string        `json:"object"`
	Digest digest.Digest `json:"digest,omitempty"`
}

func (e *OfflineError) Error() string {
	if e.Digest == "" {
		return fmt.Sprintf("offline: %s would have to be looked up", e.Object)
	}
	return fmt.Sprintf("offline: %s (%s) is not in the cache", e.Object, e.Digest)
}

// Hint says what to do.
func (e *OfflineError) Hint() string { return "run the command once without --offline" }

// MismatchError says that a part of an artifact is not what another part of it, or the lock, says.
type MismatchError struct {
	Plugin string `json:"plugin"`
	Part   string `json:"part"`
	Want   string `json:"want"`
	Got    string `json:"got"`
	// Claim says that the publisher's report of a library differs from what it is, as opposed to a wrong digest.
	Claim bool `json:"claim"`
}

func (e *MismatchError) Error() string {
	return fmt.Sprintf("plugin %q: %s: expected %s, found %s", e.Plugin, e.Part, e.Want, e.Got)
}

// Hint says whom to tell.
func (e *MismatchError) Hint() string {
	return "nothing was installed; tell the plugin's publisher, or the registry's owner if others get other bytes"
}

// IncompatibleError says that a library does not fit the host.
type IncompatibleError struct {
	Plugin string             `json:"plugin"`
	Target manifest.Target    `json:"target"`
	Detail string             `json:"detail"`
	ABI    manifest.ABIReport `json:"abi"`
}

func (e *IncompatibleError) Error() string {
	text := fmt.Sprintf("plugin %q: library for %s: %s", e.Plugin, e.Target, e.Detail)
	for _, p := range e.ABI.Problems {
		text += "\n  " + p.String()
	}
	return text
}

// FoundInFilesError says that a plugin is in a source of files, where something is wanted that registries have.
type FoundInFilesError struct {
	Name   string `json:"name"`
	Source string `json:"source"`
}

func (e *FoundInFilesError) Error() string {
	return fmt.Sprintf("plugin %q: expected a release in a registry, found files of %s", e.Name, e.Source)
}

// Hint says what to do.
func (e *FoundInFilesError) Hint() string {
	return "digests, withdrawals and mirrors are for releases in a registry, which 'loadr plugin import' makes of an index"
}

// UntrustedError says that nothing vouches for the bytes of archives.
type UntrustedError struct {
	Files []Untrusted `json:"files"`
}

// Untrusted is an archive and the digest that it has.
type Untrusted struct {
	File   string        `json:"file"`
	Digest digest.Digest `json:"digest"`
}

func (e *UntrustedError) Error() string {
	lines := make([]string, len(e.Files))
	for i, f := range e.Files {
		lines[i] = fmt.Sprintf("file %s: nothing vouches for its bytes: expected --sha256 or --allow-untrusted", f.File)
	}
	return strings.Join(lines, "\n  ")
}

// Hint gives the digests.
func (e *UntrustedError) Hint() string {
	words := make([]string, len(e.Files))
	for i, f := range e.Files {
		words[i] = "--sha256 " + f.Digest.Encoded()
	}
	return fmt.Sprintf("compare with what the publisher says: what was fetched is %s; --allow-untrusted takes whatever comes",
		strings.Join(words, " "))
}

// FileDigestError says that a file is not the one that somebody vouches for.
type FileDigestError struct {
	File string          `json:"file"`
	Want []digest.Digest `json:"want"` // one of these
	Got  digest.Digest   `json:"got"`
}

func (e *FileDigestError) Error() string {
	words := make([]string, len(e.Want))
	for i, d := range e.Want {
		words[i] = string(d)
	}
	return fmt.Sprintf("file %s: expected %s, found %s", e.File, strings.Join(words, " or "), e.Got)
}

// Hint says what happened and what to do.
func (e *FileDigestError) Hint() string {
	return "the file was exchanged, damaged or tampered with: nothing was installed; ask its publisher"
}
