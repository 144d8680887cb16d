package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/loadr-plugins/loadr/internal/publish"
	"github.com/loadr-plugins/loadr/registry"
	"github.com/loadr-plugins/loadr/resolve"
)

func newWithdrawCmd(a *app) *cobra.Command {
	w := publish.Withdrawal{}
	cmd := &cobra.Command{
		Use:   "withdraw REF",
		Short: "Say that a published version should no longer be chosen, and why",
		Long: `Withdraw attaches a statement to a version in its registry. New resolutions then skip the version and show the reason; a
lock that names it keeps working, with a warning from verify. Nothing is deleted.

A REF names one version: NAME@1.4.3, HOST/NAMESPACE/NAME@1.4.3 or ...@sha256:DIGEST. --undo makes it stand again.`,
		Example: `  loadr plugin withdraw echo-proto@1.4.3 --reason 'loses data on reconnect' --use 1.4.4
  loadr plugin withdraw --undo echo-proto@1.4.3`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, words []string) error {
			ref, err := registry.ParseReference(words[0])
			if err != nil {
				return err
			}
			if err := checkWithdrawal(ref, w); err != nil {
				return err
			}
			return a.runWithdraw(cmd.Context(), ref, w)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&w.Reason, "reason", "", "why, in one line that every user of the version will read; required")
	flags.StringVar(&w.Use, "use", "", "the `version` to use instead")
	flags.BoolVar(&w.Undo, "undo", false, "make a withdrawn version stand again")
	cmd.MarkFlagsMutuallyExclusive("undo", "reason")
	cmd.MarkFlagsMutuallyExclusive("undo", "use")
	return cmd
}

func isVersion(word string) bool { return resolve.CheckVersion(word) == nil }

// checkWithdrawal finds what is wrong with the command line before a registry is asked.
func checkWithdrawal(ref registry.Reference, w publish.Withdrawal) error {
	if ref.Digest == "" && !isVersion(ref.Range) {
		return usage("%q: expected one version, such as %s@1.4.3", ref, strings.TrimSuffix(ref.String(), "@"+ref.Range))
	}
	if w.Undo {
		return nil
	}
	if w.Reason == "" {
		return usage("--reason: expected a text: every user of the version will read it")
	}
	if err := registry.CheckReason(w.Reason); err != nil {
		return usage("--reason: %s", strings.TrimPrefix(err.Error(), "reason: "))
	}
	if w.Use != "" && !isVersion(w.Use) {
		return usage("--use: %q: expected a version such as 1.4.4", w.Use)
	}
	return nil
}

func (a *app) runWithdraw(ctx context.Context, ref registry.Reference, w publish.Withdrawal) error {
	in, closeAll, err := a.installer()
	if err != nil {
		return err
	}
	defer closeAll()
	if w.Repository, w.Which, err = in.Find(ctx, ref); err != nil {
		return err
	}
	client, _, err := a.client()
	if err != nil {
		return err
	}
	defer client.Close()
	r, err := publish.Withdraw(ctx, client, w)
	if err != nil {
		return err
	}
	return a.print(r, func() { a.printWithdrawn(r) })
}

func (a *app) printWithdrawn(r *publish.Withdrawn) {
	what := fmt.Sprintf("%s %s in %s", r.Name, r.Version, r.Repository)
	why := registry.Withdrawal{Reason: r.Reason, Use: r.Use}
	switch {
	case r.Status == publish.Active && r.Already:
		a.line("not withdrawn: %s", what)
	case r.Status == publish.Active:
		a.line("stands again: %s", what)
	case r.Already:
		a.line("already withdrawn: %s: %s", what, why)
	default:
		a.line("withdrawn: %s: %s", what, why)
		a.note("new resolutions skip it; nothing was deleted, and locks that name it keep working")
	}
}
