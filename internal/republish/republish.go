// Package republish publishes what loadr's JSON index names as artifacts of a registry: each version is fetched for every
// platform, its digests verified, packed, and pushed through the gate that every publish goes through. It runs nothing of a
// plugin, and leaves the index alone.
package republish

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/internal/folder"
	"github.com/loadr-plugins/loadr/internal/fsx"
	"github.com/loadr-plugins/loadr/internal/legacyindex"
	"github.com/loadr-plugins/loadr/internal/obtain"
	"github.com/loadr-plugins/loadr/internal/publish"
	"github.com/loadr-plugins/loadr/internal/unpack"
	"github.com/loadr-plugins/loadr/manifest"
	"github.com/loadr-plugins/loadr/registry"
	"github.com/loadr-plugins/loadr/resolve"
)

// Options say what to import and where to.
type Options struct {
	// Index is where the index lies: a URL, or file:PATH.
	Index string
	// Plugins are names, and ranges of versions; none means everything.
	Plugins []registry.Reference
	// Source is the registry/namespace to publish to.
	Source string
	// DryRun does everything but push.
	DryRun bool
}

// Action is what became of one version.
type Action string

// The actions.
const (
	Imported    Action = "imported"
	WouldImport Action = "would-import"
	Already     Action = "already" // the registry has this very release
	Failed      Action = "failed"
)

// Outcome is what became of one version.
type Outcome struct {
	Name    string            `json:"name"`
	Version string            `json:"version"`
	Action  Action            `json:"action"`
	Digest  digest.Digest     `json:"digest,omitempty"` // of the image index
	Targets []manifest.Target `json:"targets"`
	Problem string            `json:"problem,omitempty"` // why it failed

	err error
}

// Report is what an import did.
type Report struct {
	Index    string    `json:"index"`
	Source   string    `json:"to"`      // registry/namespace
	Versions []Outcome `json:"plugins"` // by name, then from the oldest version to the newest
}

// FailedError says that some versions could not be imported; the others were.
type FailedError struct {
	Index    string    `json:"index"`
	Versions []Outcome `json:"failed"`
}

func (e *FailedError) Error() string {
	lines := make([]string, len(e.Versions))
	for i, o := range e.Versions {
		lines[i] = fmt.Sprintf("%s %s: %s", o.Name, o.Version, o.Problem)
	}
	return fmt.Sprintf("index %s: not imported:\n  %s", obtain.Name(e.Index), strings.Join(lines, "\n  "))
}

func (e *FailedError) Unwrap() (errs []error) {
	for _, o := range e.Versions {
		errs = append(errs, o.err)
	}
	return errs
}

// NothingError says that an index has nothing of what was asked for.
type NothingError struct {
	Index string `json:"index"`
	Asked string `json:"asked"` // empty: everything
}

func (e *NothingError) Error() string {
	if e.Asked == "" {
		return fmt.Sprintf("index %s: expected a plugin, found none", obtain.Name(e.Index))
	}
	return fmt.Sprintf("index %s: %q: expected a version, found none", obtain.Name(e.Index), e.Asked)
}

// importer is one import at work.
type importer struct {
	Options
	files  *obtain.Fetcher
	client *registry.Client
	index  *legacyindex.Index
}

// Import publishes what an index has. A version that can't be published is reported and leaves the others alone; the error
// is a *FailedError then, and the report complete. A registry that can't be reached ends the import.
func Import(ctx context.Context, client *registry.Client, files *obtain.Fetcher, o Options) (*Report, error) {
	text, err := files.Text(ctx, o.Index, legacyindex.MaxSize)
	if err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	index, err := legacyindex.Parse(o.Index, text)
	if err != nil {
		return nil, err
	}
	im := &importer{o, files, client, index}
	versions, err := im.versions()
	if err != nil {
		return nil, err
	}
	report := &Report{Index: o.Index, Source: o.Source, Versions: []Outcome{}}
	failed := &FailedError{Index: o.Index}
	for _, v := range versions {
		if v.err == nil {
			v = im.version(ctx, v)
		}
		if fatal(v.err) || ctx.Err() != nil {
			return nil, v.err
		}
		if v.err != nil {
			v.Action, v.Problem = Failed, v.err.Error()
			failed.Versions = append(failed.Versions, v)
		}
		report.Versions = append(report.Versions, v)
	}
	if len(failed.Versions) > 0 {
		return report, failed
	}
	return report, nil
}

// fatal says whether an error is the registry's, which would meet every other version too.
func fatal(err error) bool {
	return errors.As(err, new(*registry.AuthError)) || errors.As(err, new(*registry.UnavailableError)) ||
		errors.As(err, new(*registry.BusyError))
}

// versions lists what is to be imported. A plugin that the index describes badly is an outcome that has failed already.
func (im *importer) versions() (out []Outcome, err error) {
	asked := im.Plugins
	if len(asked) == 0 {
		for _, name := range im.index.Names() {
			asked = append(asked, registry.Reference{Name: name})
		}
	}
	if len(asked) == 0 {
		return nil, &NothingError{Index: im.Index}
	}
	for _, ref := range asked {
		found, err := im.matching(ref)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	slices.SortStableFunc(out, func(a, b Outcome) int {
		if a.Name != b.Name {
			return strings.Compare(a.Name, b.Name)
		}
		return resolve.Compare(a.Version, b.Version)
	})
	return slices.CompactFunc(out, func(a, b Outcome) bool { return a.Name == b.Name && a.Version == b.Version }), nil
}

// matching lists a plugin's versions in the range asked for; words that are no versions are left out.
func (im *importer) matching(ref registry.Reference) (out []Outcome, err error) {
	words, err := im.index.Versions(ref.Name)
	if err != nil {
		return []Outcome{{Name: ref.Name, Targets: []manifest.Target{}, err: err}}, nil
	}
	in := func(string) bool { return true }
	if ref.Range != "" {
		rng, err := resolve.ParseRange(ref.Range)
		if err != nil {
			return nil, err
		}
		in = rng.Allows
	}
	for _, word := range words {
		if resolve.CheckVersion(word) == nil && in(word) {
			out = append(out, Outcome{Name: ref.Name, Version: word, Targets: []manifest.Target{}})
		}
	}
	if len(out) == 0 && len(im.Plugins) > 0 {
		return nil, &NothingError{im.Index, ref.String()}
	}
	return out, nil
}

// version publishes one version.
func (im *importer) version(ctx context.Context, o Outcome) Outcome {
	temp, err := os.MkdirTemp("", "loadr-import-")
	if err != nil {
		o.err = err
		return o
	}
	defer os.RemoveAll(temp)
	packs, err := im.packs(ctx, o, temp)
	if err != nil {
		o.err = withoutPaths(err)
		return o
	}
	options := publish.Options{Sources: packs, Source: im.Source}
	if im.DryRun {
		options.DryRun = filepath.Join(temp, "dry-run")
	}
	result, err := publish.Publish(ctx, im.client, options)
	if err != nil {
		o.err = withoutPaths(err)
		return o
	}
	o.Action, o.Digest, o.Targets = Imported, result.Digest, result.Targets
	switch {
	case im.DryRun:
		o.Action = WouldImport
	case result.Already:
		o.Action = Already
	}
	return o
}

// withoutPaths takes out of the gate's reasons where the libraries lay, which is gone when somebody reads it.
func withoutPaths(err error) error {
	var gate *publish.GateError
	if errors.As(err, &gate) {
		for i := range gate.Problems {
			gate.Problems[i].Path = ""
		}
	}
	return err
}

// packs makes a pack of each platform's file.
func (im *importer) packs(ctx context.Context, o Outcome, temp string) (packs []string, err error) {
	v, err := im.index.Version(o.Name, o.Version)
	if err != nil {
		return nil, err
	}
	if len(v.Artifacts) == 0 {
		return nil, &NothingError{im.Index, o.Name + "@" + o.Version}
	}
	for _, target := range slices.Sorted(maps.Keys(v.Artifacts)) {
		source := filepath.Join(temp, string(target))
		library, packed, err := im.unpack(ctx, o, target, v.Artifacts[target], source)
		if err != nil {
			return nil, err
		}
		pack := publish.PackOptions{Dir: source, Targets: map[manifest.Target]string{packed: library}, Output: source + ".oci"}
		if _, _, err := publish.Pack(ctx, pack); err != nil {
			return nil, err
		}
		packs = append(packs, pack.Output)
	}
	return packs, nil
}

// unpack writes a plugin's folder: what the file for one platform holds.
func (im *importer) unpack(ctx context.Context, o Outcome, target manifest.Target, a legacyindex.Artifact, dir string) (string, manifest.Target, error) {
	file, _, err := im.files.File(ctx, a.Location, a.Digest, func(got digest.Digest) error {
		if got != a.Digest {
			return &registry.IntegrityError{Object: "file " + obtain.Name(a.Location), Want: string(a.Digest), Got: string(got)}
		}
		return nil
	})
	if err != nil {
		return "", "", err
	}
	p, cached, err := im.files.Unpack(ctx, unpack.File{
		Path: file, Name: obtain.Name(a.Location), Target: target, Entry: a.Entry, Plugin: o.Name, Version: o.Version,
	})
	if err != nil {
		return "", "", err
	}
	if is := p.Manifest.Plugin; is.Name != o.Name || is.Version != o.Version {
		return "", "", &registry.InvalidArtifactError{
			Object: "file " + obtain.Name(a.Location), Problem: fmt.Sprintf("expected plugin %s %s, found %s %s", o.Name, o.Version, is.Name, is.Version),
		}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", "", err
	}
	library := filepath.Join(dir, p.Manifest.Plugin.Entry)
	if _, err := fsx.CopyFile(ctx, cached, library, 0o600, nil); err != nil {
		return "", "", err
	}
	return library, p.Target, os.WriteFile(filepath.Join(dir, folder.ManifestName), p.Text, 0o600)
}
