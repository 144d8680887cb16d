package lockfile

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/loadr-plugins/loadr/manifest"
)

// FileSource is a source that offers plugins as plain files, not as artifacts of a registry. Exactly one field is set.
type FileSource struct {
	Index  string // where loadr's JSON index lies: a URL, or file:PATH
	URL    string // an archive; may hold TargetWord
	Path   string // an archive on this machine, slashes between its parts, relative to the project's folder; may hold TargetWord
	GitHub GitHubRelease
}

// GitHubRelease names a release whose assets are archives.
type GitHubRelease struct{ Owner, Repo, Tag string }

// TargetWord stands in an archive's URL or path for the target triple, where each platform has an archive of its own.
const TargetWord = "{target}"

// The beginnings of file sources. A registry's host holds neither a colon before a slash nor a plus.
const (
	indexPrefix  = "index+"
	filePrefix   = "file:"
	githubPrefix = "github:"
)

// IsFileSource says whether a source is meant to be one of files, by its beginning alone.
func IsFileSource(s string) bool {
	return slices.ContainsFunc([]string{indexPrefix, filePrefix, githubPrefix, "https:", "http:"}, func(prefix string) bool {
		return strings.HasPrefix(s, prefix)
	})
}

// IsIndex says whether a source is meant to be loadr's JSON index, which holds many plugins and so can stand among
// namespaces.
func IsIndex(s string) bool { return strings.HasPrefix(s, indexPrefix) }

// ParseFileSource reads
//
//	https://host/x.tar.gz    file:vendor/x.zip    github:owner/repo@tag    index+https://host/index.json    index+file:/srv/index.json
//
// Plain http is for loopback. A URL with a password is refused, since a source is written into files that are shared.
func ParseFileSource(s string) (FileSource, error) {
	f, err := parseFileSource(s)
	switch {
	case errors.Is(err, errSecret):
		return FileSource{}, fmt.Errorf("source: %w", err) // not repeated
	case err != nil:
		return FileSource{}, fmt.Errorf("source %s: %w", shown(s), err)
	}
	return f, nil
}

func parseFileSource(s string) (f FileSource, err error) {
	if rest, ok := strings.CutPrefix(s, indexPrefix); ok {
		f.Index = rest
		return f, checkLocation(rest)
	}
	if rest, ok := strings.CutPrefix(s, githubPrefix); ok {
		f.GitHub, err = parseGitHub(rest)
		return f, err
	}
	if err := checkLocation(s); err != nil {
		return f, err
	}
	if path, ok := strings.CutPrefix(s, filePrefix); ok {
		f.Path = path
	} else {
		f.URL = s
	}
	return f, nil
}

// checkLocation accepts file:PATH and the URLs that are spoken to.
func checkLocation(s string) error {
	if !isWord(s) {
		return fmt.Errorf("expected one line of text")
	}
	if path, ok := strings.CutPrefix(s, filePrefix); ok {
		if path == "" || strings.HasPrefix(path, "//") || strings.Contains(path, `\`) {
			return fmt.Errorf("expected file: and a path with slashes, relative to %s or absolute", ProjectName)
		}
		return nil
	}
	u, err := url.Parse(strings.ReplaceAll(s, TargetWord, "target"))
	switch {
	case err != nil || u.Host == "" || u.Opaque != "":
		return fmt.Errorf("expected https://HOST/PATH")
	case u.User != nil || u.Fragment != "":
		return errSecret
	case u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname()):
		return nil
	case u.Scheme == "http":
		return fmt.Errorf("expected https; http is for this machine alone")
	}
	return fmt.Errorf("expected https, found %s", shown(u.Scheme))
}

var errSecret = errors.New("expected a URL without user, password and fragment")

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// gitHubName is what owners and repositories are made of; "." and ".." are none.
var gitHubName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,100}$`)

func parseGitHub(s string) (r GitHubRelease, err error) {
	place, tag, _ := strings.Cut(s, "@")
	owner, repo, _ := strings.Cut(place, "/")
	for _, name := range []string{owner, repo} {
		if !gitHubName.MatchString(name) || strings.Trim(name, ".") == "" {
			return r, fmt.Errorf("expected github:OWNER/REPO@TAG")
		}
	}
	if !isWord(tag) || strings.ContainsAny(tag, " \\?#%") || slices.Contains(strings.Split(tag, "/"), "..") {
		return r, fmt.Errorf("expected github:OWNER/REPO@TAG, with the tag of a release")
	}
	return GitHubRelease{owner, repo, tag}, nil
}

// For gives the place of the archive for one target: a URL, or file:PATH. Only for a URL or Path.
func (f FileSource) For(t manifest.Target) string {
	place := f.URL
	if f.Path != "" {
		place = filePrefix + f.Path
	}
	return strings.ReplaceAll(place, TargetWord, string(t))
}

// PathOf gives the path of file:PATH, and whether a location is one.
func PathOf(location string) (string, bool) { return strings.CutPrefix(location, filePrefix) }

// FileLocation is the reverse of PathOf.
func FileLocation(path string) string { return filePrefix + path }

func isSource(s string) bool {
	_, err := ParseFileSource(s)
	return isWord(s) && (!IsFileSource(s) || err == nil)
}

func isLocation(s string) bool { return checkLocation(s) == nil }
