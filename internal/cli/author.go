package cli

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"github.com/loadr-plugins/loadr/internal/config"
	"github.com/loadr-plugins/loadr/internal/folder"
	"github.com/loadr-plugins/loadr/internal/publish"
	"github.com/loadr-plugins/loadr/internal/scaffold"
	"github.com/loadr-plugins/loadr/loader"
	"github.com/loadr-plugins/loadr/lockfile"
	"github.com/loadr-plugins/loadr/manifest"
	"github.com/loadr-plugins/loadr/registry"
)

func newNewCmd(a *app) *cobra.Command {
	p := scaffold.Plugin{}
	cmd := &cobra.Command{
		Use:     "new NAME [DIR]",
		Short:   "Start a plugin: sources, plugin.toml and how to build it",
		Example: "  loadr plugin new my-output --lang rust --kind output",
		Args:    args(cobra.RangeArgs(1, 2)),
		RunE: func(_ *cobra.Command, words []string) error {
			kinds := scaffold.Kinds(p.Language)
			if kinds == nil {
				return usage("--lang: %q: expected one of %s", p.Language, joined(scaffold.Languages()))
			}
			if p.Kind = cmp.Or(p.Kind, kinds[0]); !slices.Contains(kinds, p.Kind) {
				return usage("--kind: %q: expected %s in %s", p.Kind, joined(kinds), p.Language)
			}
			p.Name = words[0]
			if err := manifest.CheckName(p.Name); err != nil {
				return usage("%v", err)
			}
			return a.runNew(p, words[len(words)-1])
		},
	}
	cmd.Flags().StringVar(&p.Language, "lang", "c", "the `language` to write it in: "+joined(scaffold.Languages()))
	cmd.Flags().StringVar((*string)(&p.Kind), "kind", "", "the `kind` of plugin: protocol; in rust also output, service")
	return cmd
}

func (a *app) runNew(p scaffold.Plugin, dir string) error {
	var ok bool
	if p.Target, ok = loader.HostTarget(); !ok {
		p.Target = "x86_64-unknown-linux-gnu"
	}
	files, err := scaffold.Write(dir, p)
	if err != nil {
		return err
	}
	result := struct {
		Name  string   `json:"name"`
		Dir   string   `json:"dir"`
		Files []string `json:"files"`
	}{p.Name, dir, files}
	build := filepath.Join(dir, "build.sh")
	if p.Language == "rust" {
		build = "cargo build --release in " + dir
	}
	return a.print(result, func() {
		for _, f := range files {
			a.line("wrote %s", filepath.Join(dir, f))
		}
		a.note("build it with %s, then: loadr plugin publish %s", build, dir)
	})
}

// packFlags are shared by pack and publish.
type packFlags struct{ targets []string }

func (f *packFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.targets, "target", nil, "pack only this `platform`, optionally with its library: TARGET[=PATH]; repeatable")
}

func (f *packFlags) options() (o publish.PackOptions, err error) {
	o.Machine, _ = loader.HostTarget()
	if o.Created, err = publish.SourceDate(os.Getenv("SOURCE_DATE_EPOCH")); err != nil {
		return o, usage("%v", err)
	}
	o.Targets = map[manifest.Target]string{}
	for _, word := range f.targets {
		name, path, _ := strings.Cut(word, "=")
		target, err := manifest.ParseTarget(name)
		if err != nil {
			return o, usage("--target: %v", err)
		}
		o.Targets[target] = path
	}
	return o, nil
}

func newPackCmd(a *app) *cobra.Command {
	f := &packFlags{}
	var output string
	cmd := &cobra.Command{
		Use:   "pack [DIR]",
		Short: "Check a plugin and write it as an OCI image layout",
		Args:  args(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, words []string) error {
			o, err := f.options()
			if err != nil {
				return err
			}
			o.Dir = strings.Join(append(words, ".")[:1], "")
			if o.Output = output; output == "" {
				if o.Output, err = defaultOutput(o.Dir); err != nil {
					return err
				}
			}
			return a.runPack(cmd.Context(), o)
		},
	}
	f.add(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", "", "the `folder` to write (default NAME-VERSION.oci)")
	return cmd
}

func (a *app) runPack(ctx context.Context, o publish.PackOptions) error {
	pack, warnings, err := publish.Pack(ctx, o)
	a.warnAll(warnings)
	if err != nil {
		return err
	}
	release := pack.Release()
	r := packResult{Name: release.Name, Version: release.Version, Path: pack.Dir(), Digest: pack.Digest(), Warnings: []string{}}
	for _, t := range release.Targets {
		r.Targets = append(r.Targets, t.Target)
	}
	for _, w := range warnings {
		r.Warnings = append(r.Warnings, w.String())
	}
	return a.print(r, func() {
		a.line("packed %s %s for %s into %s", r.Name, r.Version, joined(r.Targets), r.Path)
		a.line("%s", r.Digest)
	})
}

type packResult struct {
	Name     string            `json:"name"`
	Version  string            `json:"version"`
	Path     string            `json:"path"`
	Digest   digest.Digest     `json:"digest"`
	Targets  []manifest.Target `json:"targets"`
	Warnings []string          `json:"warnings"`
}

func defaultOutput(dir string) (string, error) {
	m, _, err := folder.ReadManifest(dir)
	if err != nil {
		return "", err
	}
	return m.Plugin.Name + "-" + m.Plugin.Version + ".oci", nil
}

func newPublishCmd(a *app) *cobra.Command {
	f := &packFlags{}
	var to, output string
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "publish [DIR|PACK...]",
		Short: "Check a plugin as its users will, and push it to a registry",
		Long: `Publish checks every library as an install would, and pushes the release under its version, which never changes
afterwards. Packs from several machines become one release.`,
		RunE: func(cmd *cobra.Command, sources []string) error {
			packing, err := f.options()
			if err != nil {
				return err
			}
			if len(sources) == 0 {
				sources = []string{"."}
			}
			if to != "" {
				if _, _, err := registry.ParseNamespace(to); err != nil {
					return usage("--to: %v", err)
				}
			}
			o := publish.Options{Sources: sources, Pack: packing, Source: to, Probe: probe}
			if dryRun {
				o.DryRun = cmp.Or(output, "publish-dry-run.oci")
			} else if output != "" {
				return usage("--output: goes with --dry-run")
			}
			return a.runPublish(cmd.Context(), o)
		},
	}
	f.add(cmd)
	flags := cmd.Flags()
	flags.StringVar(&to, "to", "", "the `registry/namespace` to publish to (default: the first one configured)")
	flags.BoolVar(&dryRun, "dry-run", false, "write the OCI image layout that would be pushed, and push nothing")
	flags.StringVarP(&output, "output", "o", "", "with --dry-run: the `folder` to write (default publish-dry-run.oci)")
	return cmd
}

func (a *app) runPublish(ctx context.Context, o publish.Options) error {
	client, c, err := a.client()
	if err != nil {
		return err
	}
	defer client.Close()
	if o.Source, err = publishTo(o.Source, c); err != nil {
		return err
	}
	r, err := publish.Publish(ctx, client, o)
	if err != nil {
		return err
	}
	return a.print(r, func() {
		for _, w := range r.Warnings {
			a.warn(w)
		}
		switch {
		case r.DryRun != "":
			a.line("would publish %s %s to %s for %s; the layout is %s", r.Name, r.Version, r.Repository, joined(r.Targets), r.DryRun)
		case r.Already:
			a.line("already published: %s %s in %s", r.Name, r.Version, r.Repository)
		default:
			a.line("published %s %s to %s for %s", r.Name, r.Version, r.Repository, joined(r.Targets))
		}
		a.line("%s", r.Digest)
	})
}

// publishTo gives the namespace that is published to: the one that was named, else the first that is configured.
func publishTo(named string, c *config.Config) (string, error) {
	to := cmp.Or(named, c.Namespaces[0])
	if lockfile.IsIndex(to) {
		return "", usage("%s: the index is read-only: name the registry to publish to with --to", to)
	}
	return to, nil
}

// probe runs a library in a worker of its own and asks what it is.
func probe(ctx context.Context, library string, want digest.Digest, family manifest.Family) (publish.Probed, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	p, err := loader.Start(ctx, loader.StartOptions{Path: library, Digest: want, Family: family})
	if err != nil {
		return publish.Probed{}, err
	}
	return publish.Probed{Info: p.Info(), Parts: p.Parts()}, p.Close()
}

func (a *app) warnAll(warnings []manifest.Warning) {
	for _, w := range warnings {
		a.warn(w.String())
	}
}

func joined[T ~string](words []T) string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = string(w)
	}
	return strings.Join(out, ", ")
}
