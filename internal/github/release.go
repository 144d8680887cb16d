// Package github reads what GitHub's API says about a release, and finds the archive for a platform among its assets. It
// does no I/O.
package github

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/internal/archive"
	"github.com/loadr-plugins/loadr/lockfile"
	"github.com/loadr-plugins/loadr/manifest"
)

// MaxSize is the most bytes that a release's description may have.
const MaxSize = 4 << 20

// Release is a release and its files.
type Release struct {
	source string
	assets []Asset
}

// Asset is one file.
type Asset struct {
	Name   string
	URL    string
	Digest digest.Digest // as GitHub computed it; empty where it does not say
}

// Error is a release that can't be used.
type Error struct {
	Release string `json:"release"`
	Detail  string `json:"detail"`
	Advice  string `json:"advice,omitempty"`
}

func (e *Error) Error() string { return fmt.Sprintf("release %s: %s", e.Release, e.Detail) }

// Hint says what to do.
func (e *Error) Hint() string { return e.Advice }

// Address gives where the API, at base, describes a release.
func Address(base string, r lockfile.GitHubRelease) string {
	return fmt.Sprintf("%s/repos/%s/%s/releases/tags/%s", strings.TrimSuffix(base, "/"), r.Owner, r.Repo, url.PathEscape(r.Tag))
}

// Parse reads the API's answer about the release with this tag. source is for messages. The error is an *Error.
func Parse(source, tag string, text []byte) (*Release, error) {
	var answer struct {
		TagName string `json:"tag_name"`
		Assets  []struct {
			Name   string `json:"name"`
			URL    string `json:"browser_download_url"`
			Digest string `json:"digest"`
		} `json:"assets"`
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return nil, &Error{Release: source, Detail: fmt.Sprintf("expected the description of a release: %v", err)}
	}
	if answer.TagName != tag {
		return nil, &Error{Release: source, Detail: fmt.Sprintf("expected tag %q, found %q", tag, answer.TagName)}
	}
	r := &Release{source: source}
	for _, a := range answer.Assets {
		asset := Asset{Name: a.Name, URL: a.URL}
		if hex, ok := strings.CutPrefix(a.Digest, "sha256:"); ok && lockfile.IsSHA256(hex) {
			asset.Digest = digest.Digest(a.Digest)
		}
		if f, err := lockfile.ParseFileSource(a.URL); archive.IsName(a.Name) && err == nil && f.URL != "" {
			r.assets = append(r.assets, asset)
		}
	}
	if len(r.assets) == 0 {
		return nil, &Error{source, "expected archives (.tar.gz, .zip) among its assets, found none", "name an archive by its URL"}
	}
	return r, nil
}

// For gives the archive for a platform: the one whose name holds the target triple, or that of a component, or, where no
// name holds any, the only one there is. ok is false where there is none; several that would do are an *Error.
func (r *Release) For(t manifest.Target) (asset Asset, ok bool, err error) {
	for _, target := range []manifest.Target{t, manifest.Neutral} {
		found := r.named(target)
		if len(found) == 1 {
			return found[0], true, nil
		}
		if len(found) > 1 {
			return asset, false, r.several(found)
		}
	}
	for _, target := range manifest.Targets() {
		if len(r.named(target)) > 0 {
			return asset, false, nil
		}
	}
	if len(r.assets) > 1 {
		return asset, false, r.several(r.assets)
	}
	return r.assets[0], true, nil
}

// named gives the archives whose names hold a triple that does not go on.
func (r *Release) named(t manifest.Target) (found []Asset) {
	for _, a := range r.assets {
		_, rest, ok := strings.Cut(a.Name, string(t))
		if ok && (rest == "" || strings.ContainsAny(rest[:1], ".-_")) {
			found = append(found, a)
		}
	}
	return found
}

func (r *Release) several(found []Asset) error {
	words := make([]string, len(found))
	for i, a := range found {
		words[i] = a.Name
	}
	return &Error{r.source, "expected one archive for a platform, found " + strings.Join(words, ", "),
		"name the one you mean by its URL: " + found[0].URL}
}
