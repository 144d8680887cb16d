// Package unpack turns the file of a plugin that comes from no registry into what is installed: the text of plugin.toml and
// the library. The file is an archive, or a bare library of which an index says the name. It runs nothing and fetches nothing,
// and judges neither whether the library fits the host nor whether the file is the one that was meant.
package unpack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/loadr-plugins/loadr/internal/archive"
	"github.com/loadr-plugins/loadr/internal/folder"
	"github.com/loadr-plugins/loadr/loader"
	"github.com/loadr-plugins/loadr/manifest"
)

// File is a file of a plugin, and what is known of it beforehand.
type File struct {
	Path   string
	Name   string          // what messages call it: a URL, mostly
	Target manifest.Target // the platform that it is wanted for
	// The rest is what an index says; empty where none does.
	Entry   string // path of the library, relative to plugin.toml
	Plugin  string // name and version for a bare library, which has no plugin.toml to say them
	Version string
}

// Plugin is what is installed.
type Plugin struct {
	Manifest *manifest.Manifest
	Text     []byte           // of plugin.toml: the archive's own, without [build] and with entry set
	Library  string           // path of the library, below the folder that was given to Open, or File.Path itself
	Entry    string           // the same, relative to plugin.toml, with slashes; of a bare library its installed name
	Report   manifest.Library // what the library is
	Target   manifest.Target  // File.Target, or manifest.Neutral for a component
}

// Error is a file that holds no plugin that can be installed.
type Error struct {
	File   string `json:"file"`
	Detail string `json:"detail"`
	Advice string `json:"advice"`
}

func (e *Error) Error() string { return fmt.Sprintf("file %s: %s", e.File, e.Detail) }

// Hint says what to do.
func (e *Error) Hint() string { return e.Advice }

// NoLibraryError says that a file has nothing for the wanted platform.
type NoLibraryError struct {
	File   string          `json:"file"`
	Target manifest.Target `json:"target"`
	Detail string          `json:"detail"`
}

func (e *NoLibraryError) Error() string {
	return fmt.Sprintf("file %s: no library for %s: %s", e.File, e.Target, e.Detail)
}

// Open reads a plugin's file. dir must exist and be empty; the caller removes it when the library is no longer needed.
// Errors: *archive.Error, *Error, *NoLibraryError, manifest.Errors, *loader.InspectError.
func Open(ctx context.Context, f File, dir string) (*Plugin, error) {
	packed, err := archive.Is(f.Path)
	switch {
	case err != nil:
		return nil, err
	case !packed:
		return f.bare()
	}
	if err := archive.Extract(ctx, f.Path, f.Name, dir, archive.DefaultLimits); err != nil {
		return nil, err
	}
	top := archive.Top(dir)
	m, err := f.manifest(top)
	if err != nil {
		return nil, err
	}
	rel, err := f.library(m, top)
	if err != nil {
		return nil, err
	}
	text, err := m.Shipped(path.Base(rel))
	if err != nil {
		return nil, err
	}
	return f.inspect(filepath.Join(top, filepath.FromSlash(rel)), rel, text)
}

const askPublisher = "tell the plugin's publisher"

// manifest reads an archive's plugin.toml.
func (f *File) manifest(top string) (*manifest.Manifest, error) {
	file, err := os.Open(filepath.Join(top, folder.ManifestName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &Error{f.Name, "expected a plugin.toml at the top or in the only folder, found none", askPublisher}
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, manifest.MaxSize+1)) // Parse refuses what is longer
	if err != nil {
		return nil, err
	}
	m, _, err := manifest.Parse(f.Name+"/"+folder.ManifestName, text)
	return m, err
}

// library gives the path of the library, relative to plugin.toml: as the index says, else where [build.targets] says, as far
// as that is in the archive, else the entry, which is where the engine looks.
func (f *File) library(m *manifest.Manifest, top string) (string, error) {
	places := []string{f.Entry}
	if f.Entry == "" {
		places = []string{m.Build.Targets[f.Target], m.Build.Targets[manifest.Neutral], m.Plugin.Entry}
	}
	var missing []string
	for _, rel := range places {
		if rel == "" {
			continue
		}
		if isFile(top, rel) {
			return path.Clean(rel), nil
		}
		missing = append(missing, rel)
	}
	if len(missing) == 0 {
		return "", &NoLibraryError{f.Name, f.Target, "its plugin.toml names none"}
	}
	detail := fmt.Sprintf("expected the library %s beside plugin.toml, found none", strings.Join(missing, " or "))
	return "", &Error{f.Name, detail, askPublisher}
}

// isFile says whether there is a file at rel, which [build.targets] may well place outside of the archive.
func isFile(top, rel string) bool {
	rel = filepath.FromSlash(rel)
	info, err := os.Stat(filepath.Join(top, rel))
	return filepath.IsLocal(rel) && err == nil && info.Mode().IsRegular()
}

// bare takes the file itself for the library. What plugin.toml would say can be known for the C interface alone, which
// carries protocols and nothing else.
func (f *File) bare() (*Plugin, error) {
	if f.Plugin == "" {
		return nil, &Error{f.Name, "expected an archive, .tar.gz or .zip, with a plugin.toml in it", "pack the library and its plugin.toml together"}
	}
	report, err := loader.Inspect(f.Path)
	if err != nil {
		return nil, f.at(err)
	}
	if report.ABI.Family != manifest.FamilyC {
		return nil, &Error{f.Name, fmt.Sprintf("a bare library of interface %q does not say what kind of plugin it is: "+
			"expected an archive with a plugin.toml", report.ABI.Family), askPublisher}
	}
	text := fmt.Sprintf("[plugin]\nname = %q\nversion = %q\nkind = %q\ntype = %q\nentry = %q\n",
		f.Plugin, f.Version, manifest.Protocol, manifest.Native, f.Entry)
	return f.inspect(f.Path, f.Entry, []byte(text))
}

// inspect looks at the library, and holds that plugin.toml may be installed.
func (f *File) inspect(library, entry string, text []byte) (*Plugin, error) {
	m, err := manifest.ParseShipped(f.Name+"/"+folder.ManifestName, text)
	if err != nil {
		return nil, err
	}
	report, err := loader.InspectAs(library, m.Plugin.ABI)
	if err != nil {
		return nil, f.at(err)
	}
	p := &Plugin{Manifest: m, Text: text, Library: library, Entry: entry, Report: *report, Target: f.Target}
	if report.Format == manifest.WasmFile {
		p.Target = manifest.Neutral
	}
	if err := loader.Matches(report, p.Target); err != nil {
		return nil, &NoLibraryError{f.Name, f.Target, err.Error()}
	}
	return p, nil
}

// at gives an inspection's error the file's name, in place of a path that is gone when somebody reads it.
func (f *File) at(err error) error {
	var inspect *loader.InspectError
	if errors.As(err, &inspect) {
		return &loader.InspectError{Path: "file " + f.Name, Err: inspect.Err}
	}
	return err
}
