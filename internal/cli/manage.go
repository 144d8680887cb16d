package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/loadr-plugins/loadr/internal/install"
)

func newListCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the installed plugins",
		Args:  args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ws, err := a.workspace()
			if err != nil {
				return err
			}
			entries, err := install.List(ws)
			if err != nil {
				return err
			}
			return a.print(entries, func() { a.printList(entries) })
		},
	}
}

func (a *app) printList(entries []install.Entry) {
	if len(entries) == 0 {
		a.note("no plugins are installed here; see 'loadr plugin install --help'")
		return
	}
	rows := [][]string{{"NAME", "VERSION", "KIND", "ABI", "SOURCE", "STATE"}}
	for _, e := range entries {
		rows = append(rows, []string{e.Name, e.Version, string(e.Kind), e.ABI.String(), e.Source, e.State()})
	}
	a.table(rows)
}

func newRemoveCmd(a *app) *cobra.Command {
	o := install.Options{}
	cmd := &cobra.Command{
		Use:     "remove NAME...",
		Aliases: []string{"uninstall"},
		Short:   "Remove plugins from the plugins directory, loadr.toml and loadr.lock",
		Args:    args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			return a.runInstall(cmd.Context(), o, func(in *install.Installer, ctx context.Context, o install.Options) (*install.Report, error) {
				return in.Remove(ctx, names, o)
			})
		},
	}
	cmd.Flags().BoolVar(&o.Force, "force", false, "also remove plugin folders that were made by hand")
	cmd.Flags().BoolVar(&o.NoWait, "no-wait", false, "fail when another process is at work on the plugins directory")
	return cmd
}

func newEnableCmd(a *app) *cobra.Command {
	return switchCmd(a, "enable", "enabled", "Let the engine load plugins again", true)
}

func newDisableCmd(a *app) *cobra.Command {
	return switchCmd(a, "disable", "disabled", "Keep plugins installed but stop the engine from loading them", false)
}

func switchCmd(a *app, verb, done, short string, enabled bool) *cobra.Command {
	return &cobra.Command{
		Use:   verb + " NAME...",
		Short: short,
		Args:  args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			ws, err := a.workspace()
			if err != nil {
				return err
			}
			if err := install.SetEnabled(cmd.Context(), ws, names, enabled); err != nil {
				return err
			}
			result := struct {
				Plugins []string `json:"plugins"`
				Enabled bool     `json:"enabled"`
			}{names, enabled}
			return a.print(result, func() {
				for _, name := range names {
					a.line("%s %s", done, name)
				}
			})
		},
	}
}
