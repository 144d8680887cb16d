package cli

import (
	"cmp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/loadr-plugins/loadr/internal/install"
)

func newOutdatedCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "outdated",
		Short: "Show plugins that are not at their newest version, and why",
		Long: `Outdated lists the plugins of the project that are not at the newest version that is published, or with whose locked
version something is wrong in the registry.

CURRENT is what is locked, COMPATIBLE what 'loadr plugin update' would take, NEWEST the newest release there is. NOTE says why
that one is not compatible, and what is wrong: the locked version was withdrawn, has gone, or has other bytes now. Nothing is
changed, and the exit code is 0 whatever is found; 'loadr plugin verify' is the command that fails.`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			in, closeAll, err := a.installer()
			if err != nil {
				return err
			}
			defer closeAll()
			standings, err := in.Outdated(cmd.Context())
			if err != nil {
				return err
			}
			looked := len(standings)
			standings = slices.DeleteFunc(standings, install.Standing.Fine)
			return a.print(standings, func() { a.printOutdated(standings, looked) })
		},
	}
}

func (a *app) printOutdated(standings []install.Standing, looked int) {
	if len(standings) == 0 {
		a.note("nothing is outdated: %d looked at", looked)
		return
	}
	rows := [][]string{{"NAME", "CURRENT", "COMPATIBLE", "NEWEST", "NOTE"}}
	for _, s := range standings {
		rows = append(rows, []string{s.Name, orDash(s.Current), orDash(s.Compatible), orDash(s.Newest), outdatedNote(s)})
	}
	a.table(rows)
}

func orDash(s string) string { return cmp.Or(s, "-") }

// outdatedNote says what is wrong with the locked version, and what is against others.
func outdatedNote(s install.Standing) string {
	var notes []string
	for _, p := range s.Problems {
		notes = append(notes, string(p.Code)+": "+p.Detail)
	}
	if s.Dropped {
		notes = append(notes, "nothing requires it any more after an update")
	}
	for _, version := range slices.Compact([]string{s.Newest, s.Current}) {
		if detail := s.Against(version); detail != "" && (version != s.Current || len(s.Problems) == 0) {
			notes = append(notes, version+": "+detail)
		}
	}
	return strings.Join(notes, "; ")
}
