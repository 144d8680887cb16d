package cli

import (
	"runtime"

	"github.com/spf13/cobra"

	"github.com/loadr-plugins/loadr/internal/buildinfo"
)

func newVersionCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of this program",
		Args:  args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			v := struct {
				Version  string `json:"version"`
				Commit   string `json:"commit,omitempty"`
				Go       string `json:"go"`
				Platform string `json:"platform"`
			}{buildinfo.Version, buildinfo.Commit(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
			return a.print(v, func() { a.line("loadr %s (%s, %s)", v.Version, v.Go, v.Platform) })
		},
	}
}
