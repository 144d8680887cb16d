package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/loadr-plugins/loadr/internal/install"
	"github.com/loadr-plugins/loadr/internal/plan"
	"github.com/loadr-plugins/loadr/manifest"
	"github.com/loadr-plugins/loadr/registry"
	"github.com/loadr-plugins/loadr/resolve"
)

// installFlags are the flags of the commands that bring about a plugins directory.
type installFlags struct {
	locked, frozen bool
	target, from   string
	hostABI        []string
	options        install.Options
}

func (f *installFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVar(&f.locked, "locked", false, "fail when loadr.toml and loadr.lock disagree, instead of resolving")
	flags.BoolVar(&f.frozen, "frozen", false, "install exactly the lock, without reading loadr.toml")
	flags.BoolVar(&f.options.Offline, "offline", false, "make no requests; use the cache only")
	flags.StringVar(&f.from, "from", "", "install from this `bundle`, and make no requests")
	flags.StringVar(&f.target, "target", "", "the `platform` of the plugins directory, when not this machine's")
	flags.BoolVar(&f.options.Force, "force", false, "replace plugin folders that were made by hand, and files that were altered")
	f.addCommon(cmd)
	cmd.MarkFlagsMutuallyExclusive("locked", "frozen")
}

func (f *installFlags) addCommon(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.hostABI, "host-abi", nil, "the host's interface version, as `family=version`; repeatable")
	cmd.Flags().BoolVar(&f.options.AllowUntrusted, "allow-untrusted", false, "take archives for whose bytes nobody vouches")
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
	var digests []string
	cmd := &cobra.Command{
		Use:   "install [REF...]",
		Short: "Install plugins by name, or everything the project asks for",
		Long: `Install resolves, downloads, verifies and activates plugins, and records them in loadr.toml and loadr.lock.

A REF is NAME, NAME@RANGE, HOST/NAMESPACE/NAME@RANGE or ...@sha256:DIGEST. Without one, everything that the project's
loadr.toml asks for is installed, at the versions in its lock.

A REF may also be an archive (.tar.gz, .zip): a path, a URL, or github:OWNER/REPO@TAG for the assets of a release. {target} in it
stands for the platform. --sha256 says which bytes it must have.`,
		Example: `  loadr plugin install c-echo
  loadr plugin install 'c-echo@^0.1' --offline
  loadr plugin install ./x.tar.gz --sha256 HEX
  loadr plugin install 'https://host.example/x-1.2.0-{target}.tar.gz' --allow-untrusted`,
		RunE: func(cmd *cobra.Command, names []string) error {
			o, err := f.finish()
			if err != nil {
				return err
			}
			if err := a.parseWanted(names, digests, &o); err != nil {
				return err
			}
			return a.runInstall(cmd.Context(), o, f.fromBundle((*install.Installer).Install))
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&f.options.AddTarget, "add-target", false, "add the platform to the project's targets")
	cmd.Flags().StringArrayVar(&digests, "sha256", nil, "a `digest`, in hexadecimal digits, that an archive may have; repeatable")
	cmd.MarkFlagsMutuallyExclusive("sha256", "allow-untrusted")
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
			return a.runInstall(cmd.Context(), o, f.fromBundle((*install.Installer).Install))
		},
	}
	f.add(cmd)
	return cmd
}

func newLockCmd(a *app) *cobra.Command {
	f := &installFlags{}
	cmd := &cobra.Command{
		Use:   "lock [PLAN.yaml...]",
		Short: "Write loadr.lock without installing",
		Long: `Lock resolves what loadr.toml asks for and writes loadr.lock, without installing anything.

Of test plans it takes the entries of their list 'plugins': names, or mappings with a name and a version, a range. Those that
loadr.toml does not name are added to it; what is locked has to serve all of them. With --locked nothing is written, and a
plan that uses anything else is an error.`,
		Example: `  loadr plugin lock
  loadr plugin lock plans/*.yaml --locked`,
		RunE: func(cmd *cobra.Command, plans []string) error {
			o, err := f.finish()
			if err != nil {
				return err
			}
			if o.Plans, err = readPlans(plans); err != nil {
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

// readPlans reads what test plans use, and sees to it that complaints about ranges name the line.
func readPlans(files []string) (out []install.PlanPlugin, err error) {
	for _, file := range files {
		text, err := readPlan(file)
		if err != nil {
			return nil, err
		}
		plugins, err := plan.Parse(file, text)
		if err != nil {
			return nil, err
		}
		for _, p := range plugins {
			if _, err := resolve.ParseRange(p.Range); p.Range != "" && err != nil {
				return nil, &plan.Error{File: file, Line: p.Line, Column: p.Column, Detail: fmt.Sprintf("plugins: %s: %v", p.Name, err)}
			}
			out = append(out, install.PlanPlugin{Name: p.Name, Range: p.Range, File: file, Line: p.Line, Column: p.Column})
		}
	}
	return out, nil
}

// readPlan reads no more of a file than tells that it is too large.
func readPlan(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, plan.MaxSize+1))
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

func (a *app) printChange(c install.Change) {
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
}

func (a *app) printReport(ws *install.Workspace, r *install.Report) {
	changed := false
	for _, c := range r.Plugins {
		a.printChange(c)
		changed = changed || c.Action != install.Unchanged
	}
	if r.WroteLock {
		a.note("wrote %s", a.relative(ws.LockFile))
	}
	if !changed && !r.WroteLock && !r.WroteProject {
		a.note("nothing to do: %s", upToDate(r))
	}
	if changed && ws.Root != "" {
		a.note("the engine reads this folder when told: loadr plugin exec -- COMMAND, or export LOADR_PLUGINS_DIR=%s", a.relative(ws.Plugins))
	}
}

func upToDate(r *install.Report) string {
	if len(r.Plugins) == 0 { // the command was about the two files only
		return "up to date"
	}
	return fmt.Sprintf("%d up to date", len(r.Plugins))
}
