// Package publish makes artifacts of plugins and pushes them. What a consumer will check, it checks first: a plugin that
// no one could install is not published. It builds no source code, and signs nothing.
package publish

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/loadr-plugins/loadr/internal/folder"
	"github.com/loadr-plugins/loadr/loader"
	"github.com/loadr-plugins/loadr/manifest"
	"github.com/loadr-plugins/loadr/registry"
)

// PackOptions say what to pack.
type PackOptions struct {
	// Dir holds plugin.toml.
	Dir string
	// Targets restricts the pack to these platforms; empty means all of [build.targets]. A path that is not empty
	// replaces the one in plugin.toml and is relative to the working directory.
	Targets map[manifest.Target]string
	// Machine is this machine's platform: what a library beside plugin.toml is for, without [build.targets].
	Machine manifest.Target
	// Created comes from SOURCE_DATE_EPOCH; nil leaves the date out.
	Created *time.Time
	// Output is the OCI image layout to write.
	Output string
}

// Pack checks a plugin and its libraries and writes them as one artifact: an OCI image layout at o.Output, whole or not
// at all. Warnings are about plugin.toml.
func Pack(ctx context.Context, o PackOptions) (*registry.Pack, []manifest.Warning, error) {
	m, warnings, err := folder.ReadManifest(o.Dir)
	if err != nil {
		return nil, warnings, err
	}
	paths, err := o.libraries(m)
	if err != nil {
		return nil, warnings, err
	}
	libraries, err := inspect(m, paths)
	if err != nil {
		return nil, warnings, err
	}
	if err := gate(m, libraries); err != nil {
		return nil, warnings, err
	}
	input := registry.PackInput{Manifest: m, Files: o.files(m), Created: o.Created}
	for _, lib := range libraries {
		input.Libraries = append(input.Libraries, registry.PackLibrary{
			Target: lib.target, Path: lib.path, Entry: filepath.Base(lib.path), Report: *lib.report,
		})
	}
	pack, err := registry.WritePack(ctx, o.Output, input)
	return pack, warnings, err
}

// SourceDate reads SOURCE_DATE_EPOCH, the only date that may enter an artifact: seconds since 1970. Empty text is none.
func SourceDate(epoch string) (*time.Time, error) {
	if epoch == "" {
		return nil, nil
	}
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("SOURCE_DATE_EPOCH %q: expected seconds since 1970", epoch)
	}
	t := time.Unix(seconds, 0).UTC()
	return &t, nil
}

// libraries gives the built library of each target that is packed.
func (o *PackOptions) libraries(m *manifest.Manifest) (map[manifest.Target]string, error) {
	known := o.declared(m)
	if len(o.Targets) == 0 {
		return known, nil
	}
	out := map[manifest.Target]string{}
	for target, given := range o.Targets {
		path, declared := known[target]
		switch {
		case given != "":
			out[target] = given
		case declared:
			out[target] = path
		default:
			return nil, &NoLibraryError{Name: m.Plugin.Name, Target: target, Known: slices.Sorted(maps.Keys(known))}
		}
	}
	return out, nil
}

// declared is [build.targets], or the entry beside plugin.toml where that table is absent.
func (o *PackOptions) declared(m *manifest.Manifest) map[manifest.Target]string {
	out := map[manifest.Target]string{}
	for target, rel := range m.Build.Targets {
		out[target] = filepath.Join(o.Dir, filepath.FromSlash(rel))
	}
	if len(out) > 0 || m.Plugin.Entry == "" {
		return out
	}
	target := o.Machine
	if m.Plugin.Type == manifest.Wasm {
		target = manifest.Neutral
	}
	if target != "" {
		out[target] = filepath.Join(o.Dir, m.Plugin.Entry)
	}
	return out
}

func (o *PackOptions) files(m *manifest.Manifest) (files []registry.PackFile) {
	names := m.Build.Include
	if m.Build.Readme != "" {
		names = append([]string{m.Build.Readme}, names...)
	}
	for _, rel := range names {
		files = append(files, registry.PackFile{Name: path.Base(rel), Path: filepath.Join(o.Dir, filepath.FromSlash(rel))})
	}
	return files
}

// inspect looks at every library and names all that are missing at once.
func inspect(m *manifest.Manifest, paths map[manifest.Target]string) ([]built, error) {
	var out []built
	missing := &MissingLibrariesError{Name: m.Plugin.Name}
	for _, target := range slices.Sorted(maps.Keys(paths)) {
		report, err := loader.InspectAs(paths[target], m.Plugin.ABI)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			missing.Missing = append(missing.Missing, Missing{target, paths[target]})
		case err != nil:
			return nil, fmt.Errorf("plugin %q: library for %s: %w", m.Plugin.Name, target, err)
		default:
			out = append(out, built{target, paths[target], report})
		}
	}
	if len(missing.Missing) > 0 {
		missing.Found = targetsOf(out)
		return nil, missing
	}
	if len(out) == 0 {
		return nil, &NoLibraryError{Name: m.Plugin.Name}
	}
	return out, nil
}

func targetsOf(libraries []built) []manifest.Target {
	out := make([]manifest.Target, len(libraries))
	for i, lib := range libraries {
		out[i] = lib.target
	}
	return out
}
