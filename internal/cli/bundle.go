package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/loadr-plugins/loadr/cache"
	"github.com/loadr-plugins/loadr/internal/airgap"
	"github.com/loadr-plugins/loadr/internal/config"
	"github.com/loadr-plugins/loadr/internal/install"
	"github.com/loadr-plugins/loadr/internal/obtain"
	"github.com/loadr-plugins/loadr/lockfile"
	"github.com/loadr-plugins/loadr/manifest"
	"github.com/loadr-plugins/loadr/registry"
	"github.com/loadr-plugins/loadr/registry/bundle"
)

// bundleFlags are the choices of bundle.
type bundleFlags struct {
	output     string
	targets    []string
	allTargets bool
	force      bool
}

func newBundleCmd(a *app) *cobra.Command {
	f := &bundleFlags{}
	cmd := &cobra.Command{
		Use:   "bundle",
		Short: "Write everything that the lock needs into one file, for machines without a network",
		Long: `Bundle writes the plugins of loadr.lock into an OCI image layout: a tar file where the name ends in .tar, else a
folder. Libraries and archives are those for the project's targets; what refers to a plugin, such as signatures, is included. On the other
machine, 'loadr plugin sync --from FILE' installs from it, and 'loadr plugin mirror' copies it into a registry.`,
		Example: `  loadr plugin bundle -o plugins.tar
  loadr plugin bundle -o plugins.tar --target x86_64-unknown-linux-gnu`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runBundle(cmd.Context(), f) },
	}
	flags := cmd.Flags()
	flags.StringVarP(&f.output, "output", "o", "loadr-bundle.tar", "the `path` to write")
	flags.StringArrayVar(&f.targets, "target", nil, "a `platform` to include libraries for, instead of the project's; repeatable")
	flags.BoolVar(&f.allTargets, "all-targets", false, "include the libraries for every platform that the plugins offer")
	flags.BoolVar(&f.force, "force", false, "replace another file or OCI image layout of that name")
	cmd.MarkFlagsMutuallyExclusive("target", "all-targets")
	return cmd
}

func (a *app) runBundle(ctx context.Context, f *bundleFlags) error {
	targets, err := parseTargets(f.targets)
	if err != nil {
		return err
	}
	ws, err := a.workspace()
	if err != nil {
		return err
	}
	lock, err := install.ReadLock(ws)
	if err != nil {
		return err
	}
	if len(targets) == 0 && !f.allTargets {
		targets = lock.Targets
	}
	client, c, err := a.client()
	if err != nil {
		return err
	}
	defer client.Close()
	plain, _ := files()
	defer plain.Close()
	bars := &progress{app: a}
	mover := a.mover(client, c, bars)
	mover.Files = &obtain.Fetcher{
		From: plain, Cache: mover.Cache, Base: filepath.Dir(ws.ProjectFile),
		Fetching: func(name string, size int64) obtain.Progress { return bars.start(name, size) },
	}
	report, err := mover.Bundle(lockedRepositories(ctx, lock), lock, targets, f.output, f.force)
	bars.close()
	if err != nil {
		return err
	}
	return a.print(report, func() {
		for _, p := range report.Plugins {
			a.line("bundled %s %s (%s)", p.Name, p.Version, p.Source)
		}
		a.line("wrote %s (%s)", report.Path, size(report.Bytes))
	})
}

// lock reads the lock of the workspace around the working directory.
func (a *app) lock() (*lockfile.Lock, error) {
	ws, err := a.workspace()
	if err != nil {
		return nil, err
	}
	return install.ReadLock(ws)
}

// mover puts together what moves plugins out of their registries.
func (a *app) mover(from registry.Origin, c *config.Config, bars *progress) *airgap.Mover {
	return &airgap.Mover{
		From: from, Cache: cache.Open(c.CacheDir), Concurrency: c.Concurrency,
		Fetching: func(name string, size int64) airgap.Progress { return bars.start(name, size) },
	}
}

// lockedRepositories lets the client ask for one token for all repositories of a host.
func lockedRepositories(ctx context.Context, lock *lockfile.Lock) context.Context {
	var repos []registry.Repository
	for _, p := range lock.Plugins {
		if host, namespace, err := registry.ParseNamespace(p.Source); err == nil {
			repos = append(repos, registry.Repository{Registry: host, Namespace: namespace, Name: p.Name})
		}
	}
	return registry.WithRepositories(ctx, repos)
}

func parseTargets(words []string) (targets []manifest.Target, err error) {
	for _, word := range words {
		t, err := manifest.ParseTarget(word)
		if err != nil {
			return nil, usage("--target: %v", err)
		}
		targets = append(targets, t)
	}
	slices.Sort(targets)
	return slices.Compact(targets), nil
}

// fromBundle lets run see nothing but the bundle of --from: what is in it has the names that it has in its registries.
func (f *installFlags) fromBundle(run installRun) installRun {
	if f.from == "" {
		return run
	}
	return func(in *install.Installer, ctx context.Context, o install.Options) (*install.Report, error) {
		b, err := bundle.Open(f.from)
		if err != nil {
			return nil, err
		}
		defer b.Close()
		in.Source, in.Namespaces = b.Source(), b.Namespaces()
		in.Files.Client, in.Files.Alone = b, true
		o.Offline = false // reading the bundle is no request, so that both flags together mean the same
		report, err := run(in, ctx, o)
		return report, notInBundle(b, err)
	}
}

// notInBundle says of a plugin that no namespace has that only a bundle was looked at, and whether it has an archive of that name.
func notInBundle(b *bundle.Bundle, err error) error {
	var unknown *install.UnknownError
	if !errors.As(err, &unknown) {
		return err
	}
	archives, problem := b.Archives()
	if problem != nil {
		return problem
	}
	for _, a := range archives {
		if a.Plugin == unknown.Name {
			return fmt.Errorf("bundle %s: %w; it has %s as the archive %s, which needs the loadr.lock that names it", b.Path(), err, a.Plugin, obtain.Name(a.Location))
		}
	}
	return fmt.Errorf("bundle %s: %w", b.Path(), err)
}
