package cli

import (
	"context"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/loadr-plugins/loadr/cache"
	"github.com/loadr-plugins/loadr/internal/obtain"
	"github.com/loadr-plugins/loadr/internal/republish"
	"github.com/loadr-plugins/loadr/lockfile"
	"github.com/loadr-plugins/loadr/registry"
)

func newImportCmd(a *app) *cobra.Command {
	o := republish.Options{}
	cmd := &cobra.Command{
		Use:   "import INDEX [NAME[@RANGE]...]",
		Short: "Publish the plugins of loadr's JSON index to a registry",
		Long: `Import fetches what a JSON index names, verifies it, and publishes each version for all of its platforms as any other
release. INDEX is a URL or a file. What the registry has already stays; a version that can't be published is reported and the
others go on.`,
		Example: "  loadr plugin import https://host.example/index.json --to registry.example/team --dry-run",
		Args:    args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, words []string) (err error) {
			if o.Index, err = indexLocation(words[0]); err != nil {
				return err
			}
			for _, word := range words[1:] {
				ref, err := registry.ParseReference(word)
				if err != nil {
					return err
				}
				if !ref.Short() || ref.Digest != "" {
					return usage("%q: expected NAME or NAME@RANGE", word)
				}
				o.Plugins = append(o.Plugins, ref)
			}
			return a.runImport(cmd.Context(), o)
		},
	}
	cmd.Flags().StringVar(&o.Source, "to", "", "the `registry/namespace` to publish to (default: the first one configured)")
	cmd.Flags().BoolVar(&o.DryRun, "dry-run", false, "do everything but push")
	return cmd
}

// indexLocation gives the place of an index, a path being relative to the working directory.
func indexLocation(word string) (string, error) {
	word = strings.TrimPrefix(word, "index+")
	if path, local := lockfile.PathOf(word); local || !lockfile.IsFileSource(word) {
		path, err := filepath.Abs(path)
		if err != nil {
			return "", err
		}
		word = lockfile.FileLocation(filepath.ToSlash(path))
	}
	if _, err := lockfile.ParseFileSource("index+" + word); err != nil {
		return "", usage("%v", err)
	}
	return word, nil
}

func (a *app) runImport(ctx context.Context, o republish.Options) error {
	client, c, err := a.client()
	if err != nil {
		return err
	}
	defer client.Close()
	if o.Source, err = publishTo(o.Source, c); err != nil {
		return err
	}
	if _, _, err := registry.ParseNamespace(o.Source); err != nil {
		return usage("--to: %v", err)
	}
	bars := &progress{app: a}
	defer bars.close()
	from, _ := files()
	defer from.Close()
	kept := cache.Open(c.CacheDir)
	leave, err := kept.Use(ctx, cache.UseOptions{Waiting: a.waitingForCache})
	if err != nil {
		return err
	}
	defer leave()
	fetcher := &obtain.Fetcher{
		From: from, Cache: kept,
		Fetching: func(name string, size int64) obtain.Progress { return bars.start(name, size) },
	}
	report, err := republish.Import(ctx, client, fetcher, o)
	bars.close()
	if report == nil {
		return err
	}
	if err := a.print(report, func() { a.printImport(report) }); err != nil {
		return err
	}
	return err
}

func (a *app) printImport(r *republish.Report) {
	for _, v := range r.Versions {
		switch v.Action {
		case republish.Imported:
			a.line("imported %s %s to %s for %s", v.Name, v.Version, r.Source, joined(v.Targets))
		case republish.WouldImport:
			a.line("would import %s %s to %s for %s", v.Name, v.Version, r.Source, joined(v.Targets))
		case republish.Already:
			a.line("already in %s: %s %s", r.Source, v.Name, v.Version)
		case republish.Failed:
			a.line("failed %s %s", clean(v.Name), v.Version)
		}
	}
}
