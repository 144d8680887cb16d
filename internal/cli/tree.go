package cli

import (
	"cmp"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/loadr-plugins/loadr/internal/install"
	"github.com/loadr-plugins/loadr/resolve"
)

func newTreeCmd(a *app) *cobra.Command {
	invert := ""
	cmd := &cobra.Command{
		Use:   "tree",
		Short: "Show which plugins require which",
		Long: `Tree shows what loadr.toml asks for and what that requires, with the locked versions, and the ranges in brackets. What a plugin requires is
shown once, where it comes first; (*) marks the other places. It reads loadr.toml and loadr.lock only.`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ws, err := a.workspace()
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("invert") {
				node, err := install.Dependants(ws, invert)
				if err != nil {
					return err
				}
				return a.print(node, func() { a.printNodes([]install.Node{node}) })
			}
			nodes, err := install.Tree(ws)
			if err != nil {
				return err
			}
			if len(nodes) == 0 {
				a.note("the project asks for no plugins")
			}
			return a.print(nodes, func() { a.printNodes(nodes) })
		},
	}
	cmd.Flags().StringVar(&invert, "invert", "", "show who requires the plugin of this `name`")
	return cmd
}

func (a *app) printNodes(nodes []install.Node) {
	for _, n := range nodes {
		a.printNode(n, "", "")
	}
}

// printNode writes a node behind first, and what follows from it behind rest.
func (a *app) printNode(n install.Node, first, rest string) {
	a.line("%s%s", first, clean(nodeTitle(n)))
	next := append(n.Requires, n.RequiredBy...)
	for i, child := range next {
		if i == len(next)-1 {
			a.printNode(child, rest+"└── ", rest+"    ")
		} else {
			a.printNode(child, rest+"├── ", rest+"│   ")
		}
	}
}

func nodeTitle(n install.Node) string {
	title := n.Name
	if n.Version != "" {
		title += " " + n.Version
	}
	if n.Range != "" {
		title += " [" + n.Range + "]"
	}
	if n.Repeated {
		title += " (*)"
	}
	return title
}

func newWhyCmd(a *app) *cobra.Command {
	offline := false
	cmd := &cobra.Command{
		Use:   "why NAME",
		Short: "Say why a plugin is here, and why at this version",
		Long: `Why shows who requires a plugin, from loadr.toml on, and what is against every other version that is published. The second part
asks the registry; --offline leaves it out.`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			in, closeAll, err := a.installer()
			if err != nil {
				return err
			}
			defer closeAll()
			why, err := in.Why(cmd.Context(), names[0], offline)
			if err != nil {
				return err
			}
			return a.print(why, func() { a.printWhy(why) })
		},
	}
	cmd.Flags().BoolVar(&offline, "offline", false, "make no requests: leave out why it is this version")
	return cmd
}

func (a *app) printWhy(w *install.Why) {
	a.line("%s %s (%s)", w.Name, w.Version, w.Source)
	for _, chain := range w.Chains {
		a.line("  %s", clean(chainInWords(chain)))
	}
	if len(w.Chains) == 0 {
		a.line("  nothing requires it any more: 'loadr plugin sync' takes it away")
	}
	if !w.Explained {
		return
	}
	a.line("why %s:", w.Version)
	if len(w.Rejected) == 0 {
		a.line("  no other version is published")
	}
	a.text(resolve.Reasons(w.Rejected))
	if w.Update != "" {
		a.note("'loadr plugin update %s' would take %s", w.Name, w.Update)
	}
}

// chainInWords tells a chain from loadr.toml on.
func chainInWords(chain []install.Link) string {
	text, by := "", ""
	for _, l := range chain {
		if by == "" {
			text = fmt.Sprintf("loadr.toml asks for %s %s", l.Name, l.Range)
		} else {
			text += fmt.Sprintf(", %s requires %s %s", by, l.Name, l.Range)
		}
		by = l.Name + " " + cmp.Or(l.Version, "(not locked)")
	}
	return text
}
