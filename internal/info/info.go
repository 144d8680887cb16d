// Package info describes plugins without running them: installed ones, folders, archives, packs, bare libraries of any
// platform, and releases in a registry. Everything becomes the same Plugin; what only a publisher claims is marked.
package info

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/internal/archive"
	"github.com/loadr-plugins/loadr/internal/folder"
	"github.com/loadr-plugins/loadr/internal/install"
	"github.com/loadr-plugins/loadr/loader"
	"github.com/loadr-plugins/loadr/loader/abistable"
	"github.com/loadr-plugins/loadr/loader/layout"
	"github.com/loadr-plugins/loadr/manifest"
	"github.com/loadr-plugins/loadr/registry"
)

// Plugin is what is known of a plugin. docs/json.md fixes the JSON form: keys only ever get added.
type Plugin struct {
	Name        string        `json:"name"`
	Version     string        `json:"version"`
	Kind        manifest.Kind `json:"kind"`
	Type        manifest.Type `json:"type"`
	Description string        `json:"description,omitempty"`
	License     string        `json:"license,omitempty"`
	Schemes     []string      `json:"schemes,omitempty"`
	RequiresABI string        `json:"requires_abi,omitempty"`
	Source      string        `json:"source"`            // path, or registry/namespace
	Digest      digest.Digest `json:"digest,omitempty"`  // of the image index, where there is one
	Enabled     *bool         `json:"enabled,omitempty"` // of an installed plugin
	// Claimed says that Libraries repeats the publisher's words: the libraries themselves were not looked at.
	Claimed    bool       `json:"claimed"`
	Libraries  []Library  `json:"libraries"`
	Signatures []struct{} `json:"signatures"` // always empty until signatures are verified
	Warnings   []string   `json:"warnings"`
	// Withdrawn has the withdrawals in force of a release in a registry; empty while it stands, and for everything else.
	Withdrawn []registry.Withdrawal `json:"withdrawn"`
}

// Library is one library and the platform it is for.
type Library struct {
	Target manifest.Target `json:"target"` // empty where the file alone does not say
	File   string          `json:"file"`
	manifest.Library
	Native *Native `json:"native,omitempty"` // of a library with the native interface, where it was looked at
}

// Native is what a native library says about its types.
type Native struct {
	Header *abistable.Header `json:"header"` // null: unreadable
	Module *Module           `json:"module"` // null: unreadable, as are the types
	Types  []*layout.Type    `json:"types"`  // all that the root module reaches; a type's id is its place here
}

// File describes a bare library of any platform.
func File(path string) (*Plugin, error) {
	lib, err := inspect(path, "")
	if err != nil {
		return nil, err
	}
	p := newPlugin(path)
	lib.File = filepath.Base(path)
	p.Libraries = []Library{*lib}
	return p, nil
}

// inspect looks at one library. hint is the manifest's word on its interface, empty for none.
func inspect(path string, hint manifest.Family) (*Library, error) {
	report, err := loader.InspectAs(path, hint)
	if err != nil {
		return nil, err
	}
	lib := &Library{Target: targetOf(report), Library: *report}
	if report.ABI.Family != manifest.FamilyNative {
		return lib, nil
	}
	found, err := loader.InspectNative(path)
	if err != nil {
		return nil, err
	}
	lib.Native = &Native{Header: found.Header, Module: moduleOf(found.Graph), Types: []*layout.Type{}}
	if found.Graph != nil {
		lib.Native.Types = found.Graph.Types
	}
	return lib, nil
}

// Dir describes a folder: an OCI image layout, or a folder with a plugin.toml and the libraries it names.
func Dir(path string) (*Plugin, error) {
	if _, err := os.Stat(filepath.Join(path, "oci-layout")); err == nil {
		return pack(path)
	}
	m, warnings, err := readManifest(path)
	if err != nil {
		return nil, err
	}
	p := newPlugin(path)
	p.describe(m)
	for _, w := range warnings {
		p.Warnings = append(p.Warnings, w.String())
	}
	return p, p.addLibraries(path, m)
}

// Installed describes a plugin of a plugins directory.
func Installed(ws *install.Workspace, name string) (*Plugin, error) {
	entry, err := install.Find(ws, name)
	if err != nil {
		return nil, err
	}
	p, err := Dir(entry.Path)
	if err != nil {
		return nil, err
	}
	p.Enabled = &entry.Enabled
	if entry.Source != "" {
		p.Source = entry.Source
	}
	return p, nil
}

// Fetched describes the archive or library at path, which came from another place that messages call name.
func Fetched(ctx context.Context, path, name string) (*Plugin, error) {
	packed, err := archive.Is(path)
	if err != nil || packed {
		return Archive(ctx, path, name)
	}
	p, err := File(path)
	if err != nil {
		return nil, fmt.Errorf("file %s: %w", name, err)
	}
	p.Source, p.Libraries[0].File = name, filepath.Base(filepath.FromSlash(name))
	return p, nil
}

// Archive describes the plugin in a .tar.gz or .zip, whose plugin.toml is at the top or in its only folder. name is what messages
// call it.
func Archive(ctx context.Context, path, name string) (*Plugin, error) {
	temp, err := os.MkdirTemp("", "loadr-info-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(temp)
	if err := archive.Extract(ctx, path, name, temp, archive.DefaultLimits); err != nil {
		return nil, err
	}
	p, err := Dir(archive.Top(temp))
	if err != nil {
		return nil, fmt.Errorf("archive %s: %w", name, err)
	}
	p.Source = name
	return p, nil
}

// Release describes a release in a registry by what its publisher recorded, and said afterwards.
func Release(ctx context.Context, source registry.Source, repo registry.Repository, which string) (*Plugin, error) {
	r, err := source.Release(ctx, repo, which)
	if err != nil {
		return nil, err
	}
	if err := source.Complete(ctx, repo, r); err != nil {
		return nil, err
	}
	status, err := source.Status(ctx, repo, r.Digest)
	if err != nil {
		return nil, err
	}
	p := fromRelease(r, repo.Source())
	p.Withdrawn = status.Withdrawals
	return p, nil
}

func pack(path string) (*Plugin, error) {
	opened, err := registry.OpenPack(path)
	if err != nil {
		return nil, err
	}
	return fromRelease(opened.Release(), path), nil
}

func fromRelease(r *registry.Release, source string) *Plugin {
	p := newPlugin(source)
	p.Name, p.Version, p.Kind, p.Type = r.Name, r.Version, r.Kind, r.Type
	p.Description, p.License, p.Schemes = r.Description, r.License, r.Schemes
	p.RequiresABI, p.Digest, p.Claimed = r.RequiresABI, r.Digest, true
	for _, t := range r.Targets {
		entry := ""
		if m, err := manifest.ParseShipped("plugin.toml", []byte(t.Config.PluginTOML)); err == nil {
			entry = m.Plugin.Entry
		}
		p.Libraries = append(p.Libraries, Library{Target: t.Target, File: entry, Library: t.Config.Library})
	}
	return p
}

func newPlugin(source string) *Plugin {
	return &Plugin{Source: source, Libraries: []Library{}, Signatures: []struct{}{}, Warnings: []string{}, Withdrawn: []registry.Withdrawal{}}
}

func (p *Plugin) describe(m *manifest.Manifest) {
	p.Name, p.Version, p.Kind, p.Type = m.Plugin.Name, m.Plugin.Version, m.Plugin.Kind, m.Plugin.Type
	p.Description, p.License, p.Schemes = m.Plugin.Description, m.Plugin.License, m.Plugin.Schemes
	p.RequiresABI = m.Requires.ABI
}

// addLibraries looks at the entry and at what [build.targets] names, as far as it is there; a library that is not built
// is a warning, and none at all an error.
func (p *Plugin) addLibraries(dir string, m *manifest.Manifest) error {
	var missing []string
	add := func(target manifest.Target, rel string) error {
		lib, err := inspect(filepath.Join(dir, filepath.FromSlash(rel)), m.Plugin.ABI)
		if errors.Is(err, fs.ErrNotExist) {
			missing = append(missing, rel)
			p.Warnings = append(p.Warnings, fmt.Sprintf("library %s is not there", rel))
			return nil
		}
		if err != nil {
			return err
		}
		lib.Target, lib.File = cmp.Or(target, lib.Target), rel
		p.Libraries = append(p.Libraries, *lib)
		return nil
	}
	if len(m.Build.Targets) == 0 {
		if err := add("", m.Plugin.Entry); err != nil {
			return err
		}
	}
	for _, target := range sortedTargets(m) {
		if err := add(target, m.Build.Targets[target]); err != nil {
			return err
		}
	}
	if len(p.Libraries) == 0 {
		return &MissingLibrariesError{m.Plugin.Name, dir, missing}
	}
	return nil
}

func sortedTargets(m *manifest.Manifest) (targets []manifest.Target) {
	for t := range m.Build.Targets {
		targets = append(targets, t)
	}
	slices.Sort(targets)
	return targets
}

// targetOf gives the platform that a library is for where only one fits; the two Windows ABIs, for example, can't be told
// apart by a library that needs neither's runtime.
func targetOf(lib *manifest.Library) manifest.Target {
	var found []manifest.Target
	for _, t := range manifest.Targets() {
		if loader.Matches(lib, t) == nil {
			found = append(found, t)
		}
	}
	if len(found) != 1 {
		return ""
	}
	return found[0]
}

func readManifest(dir string) (*manifest.Manifest, []manifest.Warning, error) {
	m, warnings, err := folder.ReadManifest(dir)
	var none *folder.NoManifestError
	if errors.As(err, &none) {
		err = &NoPluginError{dir}
	}
	return m, warnings, err
}

// MissingLibrariesError is a plugin of which no library is there.
type MissingLibrariesError struct {
	Name    string   `json:"name"`
	Dir     string   `json:"dir"`
	Missing []string `json:"missing"` // relative to Dir
}

func (e *MissingLibrariesError) Error() string {
	return fmt.Sprintf("plugin %q: folder %s: expected a library, found none of %s", e.Name, e.Dir, strings.Join(e.Missing, ", "))
}

// Hint says what to do.
func (e *MissingLibrariesError) Hint() string { return "build it first" }

// NoPluginError is a folder without plugin.toml.
type NoPluginError struct {
	Dir string `json:"dir"`
}

func (e *NoPluginError) Error() string {
	return fmt.Sprintf("folder %s: expected a plugin.toml or an OCI image layout, found neither", e.Dir)
}
