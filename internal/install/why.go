package install

import (
	"context"
	"fmt"
	"slices"

	"github.com/loadr-plugins/loadr/lockfile"
	"github.com/loadr-plugins/loadr/resolve"
)

// Why says why a plugin is in the lock, and why at this version.
type Why struct {
	Name    string `json:"name"`
	Version string `json:"version"` // locked
	Source  string `json:"source"`
	// Chains lead from what loadr.toml asks for to the plugin: one for loadr.toml itself where it names the plugin, and the
	// shortest for each plugin that requires it.
	Chains [][]Link `json:"chains"`
	// Explained says that sources were asked about other versions; what follows is empty without. They are not asked about a
	// plugin that nothing requires any more.
	Explained bool `json:"explained"`
	// Update is what an update of this plugin would choose, where that is another version.
	Update string `json:"update,omitempty"`
	// Rejected has every other version that is offered, newest first, each with one reason.
	Rejected []resolve.Rejection `json:"rejected"`
}

// Link is one step of a chain: a plugin, and the range that the one before, or loadr.toml, has of it.
type Link struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Range   string `json:"range"`
}

// Why explains one locked plugin. Offline it says from the lock why the plugin is there, and nothing about other versions.
// It changes nothing.
func (in *Installer) Why(ctx context.Context, name string, offline bool) (*Why, error) {
	g, err := readGraph(in.Workspace)
	if err != nil {
		return nil, err
	}
	if err := g.checkLocked(name, in.Workspace); err != nil {
		return nil, err
	}
	entry, _ := g.locked(name)
	w := &Why{Name: name, Version: entry.Version, Source: entry.Source, Chains: g.chains(name), Rejected: []resolve.Rejection{}}
	if offline || len(w.Chains) == 0 { // nothing is resolved about a plugin that nobody wants
		return w, nil
	}
	w.Explained = true
	return w, in.explain(ctx, w)
}

// explain resolves the one plugin anew, and holds the answer against what is locked.
func (in *Installer) explain(ctx context.Context, w *Why) error {
	in.offline = false
	j, err := in.survey()
	if err != nil {
		return err
	}
	j.renew, j.held = map[string]bool{w.Name: true}, map[string][]resolve.Rejection{}
	j.loose = j.alongWith(j.renew)
	_, choices, err := in.solve(in.announce(ctx, j.requirements), j)
	if err != nil {
		return err
	}
	choice := choices[w.Name]
	if why, held := j.held[w.Name]; held {
		choice = resolve.Choice{Version: w.Version, Rejected: why}
	}
	if choice.Version != w.Version {
		w.Update = choice.Version
	}
	w.Rejected = append(w.Rejected, againstLocked(w.Version, choice)...)
	return nil
}

// againstLocked gives the reasons against versions other than the locked one, where resolution chose freely.
func againstLocked(locked string, c resolve.Choice) []resolve.Rejection {
	kept, older := fmt.Sprintf("newer, but %s is locked", locked), "older than "+locked
	out := slices.Clone(c.Rejected)
	if c.Version != "" {
		out = append(out, resolve.Rejection{Version: c.Version, Code: resolve.Older})
	}
	out = slices.DeleteFunc(out, func(r resolve.Rejection) bool { return r.Version == locked && r.Code == resolve.Older })
	for i, r := range out {
		switch newer := resolve.Compare(r.Version, locked); {
		case newer < 0:
			out[i].Code, out[i].Detail = resolve.Older, older
		case newer > 0 && r.Code == resolve.Older:
			out[i].Code, out[i].Detail = resolve.Kept, kept
		}
	}
	slices.SortFunc(out, func(a, b resolve.Rejection) int { return resolve.Compare(b.Version, a.Version) })
	return out
}

// chains gives the ways to a plugin that do not lead through itself.
func (g *graph) chains(name string) [][]Link {
	reached := g.shortest(name)
	out := [][]Link{}
	for _, by := range g.requirers(name) {
		chain, ok := reached[by.name]
		if by.name == lockfile.ProjectName || ok {
			out = append(out, append(slices.Clone(chain), g.link(edge{name, by.rng})))
		}
	}
	return out
}

// shortest gives the shortest chain to every plugin that is reached without going through one.
func (g *graph) shortest(without string) map[string][]Link {
	chains := map[string][]Link{}
	visit := func(from []Link, edges []edge) (found []string) {
		for _, e := range edges {
			if _, known := chains[e.name]; !known && e.name != without {
				chains[e.name] = append(slices.Clone(from), g.link(e))
				found = append(found, e.name)
			}
		}
		return found
	}
	queue := visit(nil, g.roots())
	for len(queue) > 0 {
		queue = append(queue[1:], visit(chains[queue[0]], g.required(queue[0]))...)
	}
	return chains
}

func (g *graph) link(e edge) Link {
	p, _ := g.locked(e.name)
	return Link{e.name, p.Version, e.rng}
}
