package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/loadr-plugins/loadr/internal/install"
)

func newRollbackCmd(a *app) *cobra.Command {
	o, list := install.Options{}, false
	cmd := &cobra.Command{
		Use:   "rollback [N]",
		Short: "Go back to an earlier loadr.toml, loadr.lock and plugins",
		Long: `Rollback makes loadr.toml, loadr.lock and the plugins what they were after an earlier command: generation N, or
the generation before the current one. It makes no request: plugins come from the cache. What it leaves is a generation of
its own, so that a rollback can be rolled back. The last 20 generations are kept; --list shows them.`,
		Example: `  loadr plugin rollback
  loadr plugin rollback --list`,
		Args: args(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, words []string) error {
			if list {
				if len(words) > 0 {
					return usage("--list takes no number")
				}
				return a.listGenerations()
			}
			number, err := parseGeneration(words)
			if err != nil {
				return err
			}
			return a.rollback(cmd, number, o)
		},
	}
	flags := cmd.Flags()
	flags.BoolVarP(&list, "list", "l", false, "list the generations and change nothing")
	flags.BoolVar(&o.Force, "force", false, "give up edits of loadr.toml and loadr.lock that are in no generation, and folders that were made by hand")
	flags.BoolVar(&o.NoWait, "no-wait", false, "fail when another process is at work on the plugins directory")
	return cmd
}

// parseGeneration gives 0 where there is no number.
func parseGeneration(words []string) (int, error) {
	if len(words) == 0 {
		return 0, nil
	}
	n, err := strconv.Atoi(words[0])
	if err != nil || n < 1 {
		return 0, usage("expected the number of a generation, found %q; --list shows them", words[0])
	}
	return n, nil
}

func (a *app) rollback(cmd *cobra.Command, number int, o install.Options) error {
	in, closeAll, err := a.installer()
	if err != nil {
		return err
	}
	defer closeAll()
	rolled, err := in.Rollback(cmd.Context(), number, o)
	if err != nil {
		return err
	}
	return a.print(rolled, func() {
		a.printReport(in.Workspace, &rolled.Report)
		if !rolled.New {
			a.note("generation %d was in force already", rolled.Restored)
			return
		}
		a.line("generation %d is in force again, as generation %d", rolled.Restored, rolled.Generation)
	})
}

func (a *app) listGenerations() error {
	ws, err := a.workspace()
	if err != nil {
		return err
	}
	generations, err := install.Generations(ws)
	if err != nil {
		return err
	}
	return a.print(generations, func() {
		if len(generations) == 0 {
			a.note("no generations are recorded here; each command that changes loadr.toml or loadr.lock makes one")
			return
		}
		rows := [][]string{{"GENERATION", "TIME", "COMMAND", "CHANGES"}}
		for _, g := range generations {
			number := strconv.Itoa(g.Number)
			if g.Current {
				number += " (current)"
			}
			rows = append(rows, []string{number, g.Time.Local().Format(time.DateTime), g.What, inWords(g.Changes)})
		}
		a.table(rows)
	})
}

// inWords says what became of each plugin: +new, -removed, name old -> new.
func inWords(changes []install.Change) string {
	words := make([]string, len(changes))
	for i, c := range changes {
		switch {
		case c.Action == install.Installed:
			words[i] = fmt.Sprintf("+%s %s", c.Name, c.Version)
		case c.Action == install.Removed:
			words[i] = fmt.Sprintf("-%s %s", c.Name, c.From)
		case c.From == c.Version:
			words[i] = fmt.Sprintf("%s %s locked anew", c.Name, c.Version)
		default:
			words[i] = fmt.Sprintf("%s %s -> %s", c.Name, c.From, c.Version)
		}
	}
	return strings.Join(words, ", ")
}
