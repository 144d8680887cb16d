package cli

import (
	"github.com/spf13/cobra"

	"github.com/loadr-plugins/loadr/internal/install"
	"github.com/loadr-plugins/loadr/resolve"
)

func newUpdateCmd(a *app) *cobra.Command {
	f := &installFlags{}
	dryRun := false
	cmd := &cobra.Command{
		Use:   "update [NAME[@RANGE]...]",
		Short: "Take the newest versions that the project allows",
		Long: `Update looks for newer versions of all plugins, or of those named, that loadr.toml, the host and the targets allow, and
records and installs them. Without a range in the arguments loadr.toml stays as it is; NAME@RANGE changes the range in it.

Plugins that are not named stay at their locked versions if that leaves a solution. A plugin that has to go back to an older
version is said to be downgraded, with the reason.`,
		Example: `  loadr plugin update
  loadr plugin update c-echo --dry-run
  loadr plugin update 'c-echo@^2'`,
		RunE: func(cmd *cobra.Command, names []string) error {
			o, err := f.finish()
			if err != nil {
				return err
			}
			if o.Want, err = parseReferences(names); err != nil {
				return err
			}
			in, closeAll, err := a.installer()
			if err != nil {
				return err
			}
			defer closeAll()
			report, err := in.Update(cmd.Context(), install.UpdateOptions{Options: o, DryRun: dryRun})
			if err != nil {
				return err
			}
			closeAll()
			for _, w := range report.Warnings {
				a.warn(w)
			}
			return a.print(report, func() { a.printUpdate(in.Workspace, report) })
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&dryRun, "dry-run", false, "say what would change, and write nothing")
	flags.StringVar(&f.target, "target", "", "the `platform` of the plugins directory, when not this machine's")
	flags.BoolVar(&f.options.Force, "force", false, "replace plugin folders that were made by hand, and files that were altered")
	f.addCommon(cmd)
	return cmd
}

// printUpdate gives each plugin a line, with what is against the newer versions below it. Plugins that are at the newest
// version there is are left to --verbose.
func (a *app) printUpdate(ws *install.Workspace, r *install.UpdateReport) {
	said := map[string]bool{}
	for _, u := range r.Updates {
		a.printOneUpdate(u)
		said[u.Name] = u.Action != install.Held
	}
	for _, c := range r.Plugins { // also what was missing or altered
		if !said[c.Name] {
			a.printChange(c)
		}
	}
	switch {
	case r.DryRun:
		a.note("nothing was written")
	case r.WroteLock:
		a.note("wrote %s", a.relative(ws.LockFile))
	default:
		a.note("nothing to update: %d looked at", len(r.Updates))
	}
}

func (a *app) printOneUpdate(u install.Update) {
	switch u.Action {
	case install.Held:
		if len(u.Reasons) == 0 {
			a.detail("kept %s %s", u.Name, u.To)
			return
		}
		a.line("kept %s %s", u.Name, u.To)
	case install.Updated, install.Downgraded:
		a.line("%s %s %s to %s", u.Action, u.Name, u.From, u.To)
	case install.Relocked:
		a.line("locked %s %s anew", u.Name, u.To)
	case install.Added:
		a.line("added %s %s", u.Name, u.To)
	case install.Dropped:
		a.line("dropped %s %s, which nothing requires any more", u.Name, u.From)
	}
	if text := resolve.Reasons(u.Reasons); text != "" {
		a.text(text)
	}
}
