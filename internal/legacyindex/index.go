// Package legacyindex reads loadr's JSON index of plugins, schema 1, as docs/spec/legacy-index.md has it. It does no I/O.
//
// Whatever is not known is tolerated: keys, platforms, versions that are none. What is used is checked when it is used, so
// that one plugin's bad entry is in nobody else's way.
package legacyindex

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/lockfile"
	"github.com/loadr-plugins/loadr/manifest"
)

// Schema is the only schema that is read.
const Schema = 1

// MaxSize is the most bytes an index may have.
const MaxSize = 16 << 20

// Index is an index as far as it was read. It is safe for concurrent use.
type Index struct {
	location string
	plugins  map[string]json.RawMessage
}

// Version is one version of a plugin.
type Version struct {
	// MinABI is the major version of the interface that the libraries were built against.
	MinABI int
	// Artifacts are those for platforms that are known here.
	Artifacts map[manifest.Target]Artifact
}

// Artifact is the file for one platform: an archive or a bare library.
type Artifact struct {
	Location string        // a URL, or file:PATH
	Digest   digest.Digest // of the file
	Entry    string        // the library's file name; manifest.CheckEntry holds
}

// Error is an index, or a part of one, that can't be used.
type Error struct {
	Index  string `json:"index"`
	Place  string `json:"place,omitempty"` // from the outside in: plugins.x.versions.1.2.0; empty for the whole
	Detail string `json:"detail"`
}

func (e *Error) Error() string {
	if e.Place == "" {
		return fmt.Sprintf("index %s: %s", e.Index, e.Detail)
	}
	return fmt.Sprintf("index %s: %s: %s", e.Index, e.Place, e.Detail)
}

// Hint says whom to tell.
func (e *Error) Hint() string { return "tell whoever keeps the index" }

// Parse reads an index. location is where it lies, a URL or file:PATH: the artifacts' URLs may be relative to it. The error
// is an *Error.
func Parse(location string, text []byte) (*Index, error) {
	x := &Index{location: location}
	if len(text) > MaxSize {
		return nil, x.refuse("", "expected at most %d bytes, found %d", MaxSize, len(text))
	}
	top, err := object(text)
	if err != nil {
		return nil, x.refuse("", "%v", err)
	}
	if got := string(top["schema"]); got != strconv.Itoa(Schema) {
		return nil, x.refuse("schema", "expected %d, found %s", Schema, found(top["schema"]))
	}
	if x.plugins, err = object(top["plugins"]); err != nil {
		return nil, x.refuse("plugins", "%v", err)
	}
	return x, nil
}

// Names lists the plugins, sorted, names that are none among them.
func (x *Index) Names() []string { return slices.Sorted(maps.Keys(x.plugins)) }

// Versions lists the versions of a plugin, sorted as text, words that are no versions among them. It is nil where the index
// does not have the plugin.
func (x *Index) Versions(name string) ([]string, error) {
	if _, ok := x.plugins[name]; !ok {
		return nil, nil
	}
	versions, err := x.versions(name)
	return append([]string{}, slices.Sorted(maps.Keys(versions))...), err
}

// Version gives one version that Versions lists.
func (x *Index) Version(name, version string) (*Version, error) {
	versions, err := x.versions(name)
	if err != nil {
		return nil, err
	}
	place := "plugins." + name + ".versions." + version
	fields, err := object(versions[version])
	if err != nil {
		return nil, x.refuse(place, "%v", err)
	}
	v := &Version{Artifacts: map[manifest.Target]Artifact{}}
	if v.MinABI, err = strconv.Atoi(string(fields["min_loadr_abi"])); err != nil || v.MinABI < 1 {
		return nil, x.refuse(place+".min_loadr_abi", "expected a whole number from 1, found %s", found(fields["min_loadr_abi"]))
	}
	artifacts, err := object(fields["artifacts"])
	if err != nil {
		return nil, x.refuse(place+".artifacts", "%v", err)
	}
	for _, word := range slices.Sorted(maps.Keys(artifacts)) {
		if !slices.Contains(manifest.Targets(), manifest.Target(word)) {
			continue
		}
		if v.Artifacts[manifest.Target(word)], err = x.artifact(place+".artifacts."+word, artifacts[word]); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// Description is what the index says of a plugin; empty where it says nothing that can be read.
func (x *Index) Description(name string) string {
	var text string
	if fields, err := object(x.plugins[name]); err == nil {
		_ = json.Unmarshal(fields["description"], &text) // another shape is as good as nothing
	}
	return text
}

func (x *Index) versions(name string) (map[string]json.RawMessage, error) {
	place := "plugins." + name
	if err := manifest.CheckName(name); err != nil {
		return nil, x.refuse(place, "%v", err)
	}
	plugin, err := object(x.plugins[name])
	if err != nil {
		return nil, x.refuse(place, "%v", err)
	}
	versions, err := object(plugin["versions"])
	if err != nil {
		return nil, x.refuse(place+".versions", "%v", err)
	}
	return versions, nil
}

func (x *Index) artifact(place string, raw json.RawMessage) (a Artifact, err error) {
	fields, err := object(raw)
	if err != nil {
		return a, x.refuse(place, "%v", err)
	}
	var words [3]string
	for i, key := range []string{"url", "sha256", "entry"} {
		if json.Unmarshal(fields[key], &words[i]) != nil || words[i] == "" {
			return a, x.refuse(place+"."+key, "expected text, found %s", found(fields[key]))
		}
	}
	if a.Location, err = x.resolve(words[0]); err != nil {
		return a, x.refuse(place+".url", "%v", err)
	}
	hex := strings.ToLower(words[1])
	if !lockfile.IsSHA256(hex) {
		return a, x.refuse(place+".sha256", "expected 64 hexadecimal digits, found %s", found(fields["sha256"]))
	}
	if err := manifest.CheckEntry(words[2]); err != nil {
		return a, x.refuse(place+".entry", "%v", err)
	}
	return Artifact{a.Location, digest.NewDigestFromEncoded(digest.SHA256, hex), words[2]}, nil
}

// resolve gives an artifact's place, which must not be less protected than the index's own.
func (x *Index) resolve(reference string) (string, error) {
	ref, err := url.Parse(reference)
	if err != nil {
		return "", errors.New("expected a URL")
	}
	location := ""
	if base, ok := lockfile.PathOf(x.location); ok && !ref.IsAbs() {
		if ref.Host != "" || ref.Path == "" || path.IsAbs(ref.Path) {
			return "", errors.New("expected https, or a path relative to the index")
		}
		location = lockfile.FileLocation(path.Join(path.Dir(base), ref.Path))
	} else if ref.Scheme == "file" {
		return "", errors.New("expected https, or a path relative to the index")
	} else {
		if base, err := url.Parse(x.location); err == nil && !ok {
			ref = base.ResolveReference(ref)
			if base.Scheme == "https" && ref.Scheme != "https" {
				return "", fmt.Errorf("expected https, as the index has it, found %s", ref.Scheme)
			}
		}
		location = ref.String()
	}
	_, err = lockfile.ParseFileSource(location)
	return location, err
}

func (x *Index) refuse(place, format string, args ...any) error {
	return &Error{x.location, place, fmt.Sprintf(format, args...)}
}

// object reads a JSON object by its exact keys, each once: encoding/json would take keys of other case for the same, and the
// last of several, where another reader may take the first.
func object(raw json.RawMessage) (map[string]json.RawMessage, error) {
	if raw == nil {
		return nil, errors.New("expected an object, found nothing")
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	if open, err := d.Token(); err != nil {
		return nil, fmt.Errorf("expected JSON: %w", err)
	} else if open != json.Delim('{') {
		return nil, fmt.Errorf("expected an object, found %s", found(raw))
	}
	out := map[string]json.RawMessage{}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("expected JSON: %w", err)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, fmt.Errorf("expected JSON: %w", err)
		}
		name, _ := key.(string)
		if _, twice := out[name]; twice {
			return nil, fmt.Errorf("key %s: expected it once, found it again", found([]byte(strconv.Quote(name))))
		}
		out[name] = value
	}
	if _, err := d.Token(); err != nil {
		return nil, fmt.Errorf("expected JSON: %w", err)
	}
	if rest := bytes.TrimSpace(raw[d.InputOffset():]); len(rest) > 0 {
		return nil, fmt.Errorf("expected nothing after the object, found %s", found(rest))
	}
	return out, nil
}

// found shows what stood in a place, shortened.
func found(raw []byte) string {
	const most = 60
	switch {
	case len(raw) == 0:
		return "nothing"
	case len(raw) > most:
		return strings.ToValidUTF8(string(raw[:most]), "?") + "..."
	}
	return strings.ToValidUTF8(string(raw), "?")
}
