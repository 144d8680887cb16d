package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/loadr-plugins/loadr/internal/install"
	"github.com/loadr-plugins/loadr/manifest"
	"github.com/loadr-plugins/loadr/registry"
)

// installFlags are the flags of the commands that bring about a plugins directory.
type installFlags struct {
	locked, frozen bool
	target         string
	hostABI        []string
	options        install.Options
}

func (f *installFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVar(&f.locked, "locked", false, "fail when loadr.toml and loadr.lock disagree, instead of resolving")
	flags.BoolVar(&f.frozen, "frozen", false, "install exactly the lock, without reading loadr.toml")
	flags.BoolVar(&f.options.Offline, "offline", false, "make no requests; use the cache only")
	flags.StringVar(&f.target, "target", "", "the `platform` of the plugins directory, when not this machine's")
	flags.BoolVar(&f.options.Force, "force", false, "replace plugin folders that were made by hand, and files that were altered")
	f.addCommon(cmd)
	cmd.MarkFlagsMutuallyExclusive("locked", "frozen")
}

func (f *installFlags) addCommon(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.hostABI, "host-abi", nil, "the host's interface version, as `family=version`; repeatable")
	cmd.Flags().BoolVar(&f.options.NoWait, "no-wait", false, "fail when another process is at work on the plugins directory")
}

func (f *installFlags) finish() (_ install.Options, err error) {
	o := f.options
	switch {
	case f.locked:
		o.Mode = install.Locked
	case f.frozen:
		o.Mode = install.Frozen
	}
	if f.target != "" {
		if o.Target, err = manifest.ParseTarget(f.target); err != nil {
			return o, usage("--target: %v", err)
		}
	}
	o.HostABI, err = parseHostABI(f.hostABI)
	return o, err
}

func parseHostABI(words []string) (map[manifest.Family]string, error) {
	out := map[manifest.Family]string{}
	for _, word := range words {
		abi, err := manifest.ParseABI(strings.Replace(word, "=", "/", 1))
		if err != nil {
			return nil, usage("--host-abi: %q: expected family=version, such as c=1.0.0", word)
		}
		out[abi.Family] = abi.Version
	}
	return out, nil
}

func newInstallCmd(a *app) *cobra.Command {
	f := &installFlags{}
	cmd := &cobra.Command{
		Use:   "install [REF...]",
		Short: "Install plugins by name, or everything the project asks for",
		Long: `Install resolves, downloads, verifies and activates plugins, and records them in loadr.toml and loadr.lock.

A REF is NAME, NAME@RANGE, HOST/NAMESPACE/NAME@RANGE or ...@sha256:DIGEST. Without one, everything that the project's
loadr.toml asks for is installed, at the versions in its lock.`,
		Example: `  loadr plugin install c-echo
  loadr plugin install 'c-echo@^0.1' --offline`,
		RunE: func(cmd *cobra.Command, names []string) error {
			o, err := f.finish()
			if err != nil {
				return err
			}
			if o.Want, err = parseReferences(names); err != nil {
				return err
			}
			return a.runInstall(cmd.Context(), o, (*install.Installer).Install)
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&f.options.AddTarget, "add-target", false, "add the platform to the project's targets")
	return cmd
}

func newSyncCmd(a *app) *cobra.Command {
	f := &installFlags{}
	cmd := &cobra.Command{
		Use:   "sync",
		Short: "Make the plugins directory equal to the project's lock",
		Args:  args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := f.finish()
			o.Prune = true
			if err != nil {
				return err
			}
			return a.runInstall(cmd.Context(), o, (*install.Installer).Install)
		},
	}
	f.add(cmd)
	return cmd
}

func newLockCmd(a *app) *cobra.Command {
	f := &installFlags{}
	cmd := &cobra.Command{
		Use:   "lock",
		Short: "Write loadr.lock without installing",
		Args:  args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := f.finish()
			if err != nil {
				return err
			}
			return a.runInstall(cmd.Context(), o, (*install.Installer).Lock)
		},
	}
	cmd.Flags().BoolVar(&f.locked, "locked", false, "write nothing; fail when loadr.toml and loadr.lock disagree")
	cmd.Flags().BoolVar(&f.options.Offline, "offline", false, "make no requests")
	f.addCommon(cmd)
	return cmd
}

func parseReferences(words []string) (refs []registry.Reference, err error) {
	for _, word := range words {
		ref, err := registry.ParseReference(word)
		if err != nil {
			return nil, err
		}
		refs = append(refs, ref)
	}
	return refs, nil
}

type installRun func(*install.Installer, context.Context, install.Options) (*install.Report, error)

// runInstall does the work on the workspace around the working directory and prints the report.
func (a *app) runInstall(ctx context.Context, o install.Options, run installRun) error {
	in, closeAll, err := a.installer()
	if err != nil {
		return err
	}
	defer closeAll()
	report, err := run(in, ctx, o)
	if err != nil {
		return err
	}
	closeAll()
	for _, w := range report.Warnings {
		a.warn(w)
	}
	report.Warnings = append(report.Warnings, a.late.take()...)
	return a.print(report, func() { a.printReport(in.Workspace, report) })
}

func (a *app) printReport(ws *install.Workspace, r *install.Report) {
	changed := false
	for _, c := range r.Plugins {
		switch c.Action {
		case install.Installed:
			a.line("installed %s %s (%s, %s)", c.Name, c.Version, c.Source, c.Target)
		case install.Replaced:
			a.line("replaced %s %s with %s (%s, %s)", c.Name, c.From, c.Version, c.Source, c.Target)
		case install.Removed:
			a.line("removed %s %s", c.Name, c.From)
		case install.Unchanged:
			a.detail("unchanged %s %s", c.Name, c.Version)
		}
		changed = changed || c.Action != install.Unchanged
	}
	if r.WroteLock {
		a.note("wrote %s", a.relative(ws.LockFile))
	}
	if !changed && !r.WroteLock && !r.WroteProject {
		a.note("nothing to do: %d up to date", len(r.Plugins))
	}
	if changed && ws.Root != "" {
		a.note("the engine reads this folder when told: export LOADR_PLUGINS_DIR=%s", a.relative(ws.Plugins))
	}
}
