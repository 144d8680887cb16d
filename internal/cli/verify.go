package cli

import (
	"github.com/spf13/cobra"
)

func newVerifyCmd(a *app) *cobra.Command {
	var offline bool
	cmd := &cobra.Command{
		Use:   "verify [NAME...]",
		Short: "Hold installed plugins against the lock, the host and the registry",
		RunE: func(cmd *cobra.Command, names []string) error {
			in, closeAll, err := a.installer()
			if err != nil {
				return err
			}
			defer closeAll()
			verdicts, err := in.Verify(cmd.Context(), names, offline)
			if verdicts == nil {
				return err
			}
			if printErr := a.print(verdicts, func() {
				for _, v := range verdicts {
					for _, w := range v.Warnings {
						a.warn(w)
					}
					if v.OK {
						a.line("ok %s %s", v.Name, v.Version)
					}
				}
			}); printErr != nil {
				return printErr
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&offline, "offline", false, "don't ask the registry")
	return cmd
}
