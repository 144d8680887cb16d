package publish

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/internal/folder"
	"github.com/loadr-plugins/loadr/loader"
	"github.com/loadr-plugins/loadr/loader/plugin"
	"github.com/loadr-plugins/loadr/manifest"
	"github.com/loadr-plugins/loadr/registry"
)

// Options say what to publish and where.
type Options struct {
	// Sources are plugin folders, or packs that may come from several machines; they become one release.
	Sources []string
	// Pack is how plugin folders among them are packed; Dir and Output are set here.
	Pack PackOptions
	// Source is the registry/namespace to publish to.
	Source string
	// DryRun writes what would be pushed to this folder, and pushes nothing; empty means to push.
	DryRun string
	// Probe asks a running plugin what it is; nil leaves that out. It is called for this machine's library only.
	Probe func(ctx context.Context, library string, want digest.Digest, family manifest.Family) (Probed, error)
}

// Probed is what a running plugin says of itself, and what its library can make.
type Probed struct {
	Info  plugin.Info
	Parts plugin.Parts
}

// Result is what was published, or would be.
type Result struct {
	Name       string            `json:"name"`
	Version    string            `json:"version"`
	Repository string            `json:"repository"` // registry/namespace/name
	Digest     digest.Digest     `json:"digest"`     // of the image index
	Targets    []manifest.Target `json:"targets"`
	// Already says that the registry has this very release.
	Already  bool     `json:"already"`
	DryRun   string   `json:"dry_run,omitempty"` // folder of the layout
	Warnings []string `json:"warnings"`
}

// Publish checks every library as a consumer would, and pushes the release. Nothing is pushed before everything was
// found good.
func Publish(ctx context.Context, client *registry.Client, o Options) (*Result, error) {
	temp, err := os.MkdirTemp("", "loadr-publish-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(temp)
	pack, warnings, err := o.assemble(ctx, temp) // one pack of all the sources
	if err != nil {
		return nil, err
	}
	if err := o.examine(ctx, pack, filepath.Join(temp, "libraries")); err != nil { // the gate
		return nil, err
	}
	result, repo, err := o.result(pack, warnings)
	if err != nil {
		return nil, err
	}
	if o.DryRun != "" {
		_, err := registry.MergePacks(ctx, o.DryRun, []*registry.Pack{pack})
		return result, err
	}
	pushed, err := client.Push(ctx, repo, pack)
	if err != nil {
		return nil, err
	}
	result.Already, result.Digest = pushed.Already, pushed.Digest
	if pushed.Unlisted != nil {
		result.Warnings = append(result.Warnings, fmt.Sprintf("plugin %q %s: is published, but could not be written into the catalogue that search reads: %v "+
			"(to try again, publish it again)", result.Name, result.Version, pushed.Unlisted))
	}
	return result, nil
}

func (o *Options) result(pack *registry.Pack, warnings []manifest.Warning) (*Result, registry.Repository, error) {
	release := pack.Release()
	host, namespace, err := registry.ParseNamespace(o.Source)
	repo := registry.Repository{Registry: host, Namespace: namespace, Name: release.Name}
	r := &Result{
		Name: release.Name, Version: release.Version, Repository: repo.String(), Digest: release.Digest, DryRun: o.DryRun,
		Warnings: []string{},
	}
	for _, t := range release.Targets {
		r.Targets = append(r.Targets, t.Target)
	}
	for _, w := range warnings {
		r.Warnings = append(r.Warnings, w.String())
	}
	return r, repo, err
}

// assemble packs the folders among the sources and merges everything into one pack.
func (o *Options) assemble(ctx context.Context, temp string) (*registry.Pack, []manifest.Warning, error) {
	var packs []*registry.Pack
	var warnings []manifest.Warning
	for i, source := range o.Sources {
		pack, w, err := o.open(ctx, source, filepath.Join(temp, fmt.Sprint("pack", i)))
		if err != nil {
			return nil, warnings, err
		}
		packs, warnings = append(packs, pack), append(warnings, w...)
	}
	if len(packs) == 1 {
		return packs[0], warnings, nil
	}
	merged, err := registry.MergePacks(ctx, filepath.Join(temp, "merged"), packs)
	return merged, warnings, err
}

func (o *Options) open(ctx context.Context, source, output string) (*registry.Pack, []manifest.Warning, error) {
	if IsPack(source) {
		pack, err := registry.OpenPack(source)
		return pack, nil, err
	}
	packing := o.Pack
	packing.Dir, packing.Output = source, output
	return Pack(ctx, packing)
}

// IsPack says whether a folder is an OCI image layout.
func IsPack(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "oci-layout"))
	return !errors.Is(err, fs.ErrNotExist)
}

// examine is the gate over what will be pushed: a pack may have been made elsewhere, and its config is only a claim.
func (o *Options) examine(ctx context.Context, pack *registry.Pack, temp string) error {
	var libraries []built
	var m *manifest.Manifest
	for _, t := range pack.Release().Targets {
		var err error
		if m, err = manifest.ParseShipped(folder.ManifestName, []byte(t.Config.PluginTOML)); err != nil {
			return fmt.Errorf("pack %s: library for %s: %w", pack.Dir(), t.Target, err)
		}
		file := filepath.Join(temp, string(t.Target), m.Plugin.Entry)
		report, err := unpack(pack, t, file, m.Plugin.ABI)
		if err != nil {
			return fmt.Errorf("pack %s: library for %s: %w", pack.Dir(), t.Target, err)
		}
		libraries = append(libraries, built{t.Target, file, report})
	}
	if err := gate(m, libraries); err != nil {
		return err
	}
	return o.probe(ctx, m, libraries)
}

// unpack writes a library to file and holds the pack's claims about it against what it is.
func unpack(pack *registry.Pack, t registry.ReleaseTarget, file string, hint manifest.Family) (*manifest.Library, error) {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, err
	}
	if err := decompress(pack, t, file); err != nil {
		return nil, err
	}
	found, err := loader.InspectAs(file, hint)
	if err != nil {
		return nil, err
	}
	if d, differs := t.Config.Library.Difference(*found); differs {
		return nil, &registry.InvalidArtifactError{
			Object: filepath.Base(file), Problem: fmt.Sprintf("its config says %s %s, the library has %s", d.Field, d.Want, d.Got),
		}
	}
	return found, nil
}

func decompress(pack *registry.Pack, t registry.ReleaseTarget, path string) error {
	blob, err := pack.OpenBlob(t.Library.Digest)
	if err != nil {
		return err
	}
	defer blob.Close()
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	if err := registry.Decompress(&limited{out, t.Config.Library.Size}, blob, t.Library.MediaType); err != nil {
		return err
	}
	return out.Close()
}

// limited refuses more bytes than were announced, so that a few of zstd can't fill a disk.
type limited struct {
	to   io.Writer
	left int64
}

func (w *limited) Write(p []byte) (int, error) {
	if w.left -= int64(len(p)); w.left < 0 {
		return 0, &registry.InvalidArtifactError{Object: "library", Problem: "more bytes than its config says"}
	}
	return w.to.Write(p)
}

// probe asks the library for this machine what it is, and refuses a disagreement with plugin.toml. What it says is not
// recorded: an artifact must not depend on the machine that made it.
func (o *Options) probe(ctx context.Context, m *manifest.Manifest, libraries []built) error {
	for _, lib := range libraries {
		if o.Probe == nil || lib.target != o.Pack.Machine || lib.report.ABI.Family == manifest.FamilyComponent {
			continue
		}
		probed, err := o.Probe(ctx, lib.path, lib.report.Digest, lib.report.ABI.Family)
		if err != nil {
			return err
		}
		if problems := compareProbed(m, lib, probed); len(problems) > 0 {
			return &GateError{m.Plugin.Name, m.Plugin.Version, problems}
		}
	}
	return nil
}

func compareProbed(m *manifest.Manifest, lib built, probed Probed) (problems []Problem) {
	add := func(advice, format string, args ...any) {
		problems = append(problems, Problem{Target: lib.target, Detail: fmt.Sprintf(format, args...), Advice: advice})
	}
	for _, c := range []struct{ field, want, got string }{
		{"name", m.Plugin.Name, probed.Info.Name},
		{"version", m.Plugin.Version, probed.Info.Version},
		{"kind", string(m.Plugin.Kind), probed.Info.Kind},
	} {
		if c.want != c.got {
			add("make both say the same", "the running plugin says %s %q, plugin.toml says %q", c.field, c.got, c.want)
		}
	}
	makes := map[manifest.Kind]bool{
		manifest.Output: probed.Parts.Output, manifest.Protocol: probed.Parts.Protocol, manifest.Service: probed.Parts.Service,
	}
	if !makes[m.Plugin.Kind] {
		add(fmt.Sprintf("name it in export_loadr_plugin!: %s: ...", m.Plugin.Kind),
			"the library makes no %s, which plugin.toml says it is", m.Plugin.Kind)
	}
	return problems
}
