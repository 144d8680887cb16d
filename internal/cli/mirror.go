package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/loadr-plugins/loadr/internal/airgap"
	"github.com/loadr-plugins/loadr/manifest"
	"github.com/loadr-plugins/loadr/registry"
	"github.com/loadr-plugins/loadr/registry/bundle"
)

func newMirrorCmd(a *app) *cobra.Command {
	var from string
	var words []string
	cmd := &cobra.Command{
		Use:   "mirror REGISTRY/NAMESPACE",
		Short: "Copy everything that the lock needs, or a bundle holds, into another registry",
		Long: `Mirror copies plugins as they are, digests unchanged, with what refers to them, such as signatures. What the other
registry has is not sent again; a version that it has with another digest is refused before anything is sent.`,
		Example: `  loadr plugin mirror registry.example/team
  loadr plugin mirror registry.example/team --from plugins.tar`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, places []string) error {
			targets, err := parseTargets(words)
			if err != nil {
				return err
			}
			return a.runMirror(cmd.Context(), places[0], from, targets)
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "copy everything in this `bundle`, instead of what the lock names")
	cmd.Flags().StringArrayVar(&words, "target", nil, "copy this `platform` only, into a registry that accepts an index without the others; repeatable")
	return cmd
}

func (a *app) runMirror(ctx context.Context, place, from string, targets []manifest.Target) error {
	host, namespace, err := registry.ParseNamespace(place)
	if err != nil {
		return usage("%v", err)
	}
	client, c, err := a.client()
	if err != nil {
		return err
	}
	defer client.Close()
	to := airgap.Destination{Client: client, Registry: host, Namespace: namespace}
	bars := &progress{app: a}
	report, err := a.mirror(ctx, a.mover(client, c, bars), from, targets, to)
	bars.close()
	if err != nil {
		return err
	}
	for _, w := range report.Warnings {
		a.warn(w)
	}
	return a.print(report, func() { a.printMirror(report) })
}

// mirror copies from the bundle at from, or, without one, what the lock names.
func (a *app) mirror(ctx context.Context, m *airgap.Mover, from string, targets []manifest.Target, to airgap.Destination) (*airgap.MirrorReport, error) {
	if from == "" {
		lock, err := a.lock()
		if err != nil {
			return nil, err
		}
		return m.MirrorLock(lockedRepositories(ctx, lock), lock, targets, to)
	}
	b, err := bundle.Open(from)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	archives, err := b.Archives()
	if err != nil {
		return nil, err
	}
	m.From = b.Source()
	return m.MirrorBundle(ctx, b.Plugins(), archives, targets, to)
}

func (a *app) printMirror(r *airgap.MirrorReport) {
	copied := 0
	for _, p := range r.Plugins {
		if p.Action == airgap.Unchanged {
			a.detail("unchanged %s %s", p.Name, p.Version)
			continue
		}
		a.line("%s %s %s (%s to %s, %s)", p.Action, p.Name, p.Version, p.Source, r.To, size(p.Bytes))
		copied++
	}
	if copied == 0 {
		a.note("nothing to do: %d up to date in %s", len(r.Plugins), r.To)
	}
}
