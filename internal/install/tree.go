package install

import "github.com/loadr-plugins/loadr/lockfile"

// Node is a plugin in the tree of who requires whom. Either Requires or RequiredBy is nil, by the way the tree is read.
type Node struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"` // locked; empty where it is not, and for loadr.toml
	// Range is that in loadr.toml or of the plugin that requires: of the node above, in a tree read upwards the one that this
	// node has of the node above.
	Range      string `json:"range,omitempty"`
	Repeated   bool   `json:"repeated"` // what follows is shown where the plugin came first
	Requires   []Node `json:"requires,omitzero"`
	RequiredBy []Node `json:"required_by,omitzero"`
}

// edge leads to a plugin, with the range of whoever requires.
type edge struct{ name, rng string }

// Tree gives what loadr.toml asks for and what that requires in turn, from the two files alone.
func Tree(ws *Workspace) ([]Node, error) {
	g, err := readGraph(ws)
	if err != nil {
		return nil, err
	}
	seen, roots := map[string]bool{}, []Node{}
	for _, e := range g.roots() {
		roots = append(roots, g.down(e, seen))
	}
	return roots, nil
}

// Dependants gives a plugin and who requires it, up to loadr.toml.
func Dependants(ws *Workspace, name string) (Node, error) {
	g, err := readGraph(ws)
	if err != nil {
		return Node{}, err
	}
	if err := g.checkLocked(name, ws); err != nil {
		return Node{}, err
	}
	return g.up(edge{name, ""}, map[string]bool{}), nil
}

// graph is a project and its lock as requirements between plugins. Both files are read in the order of names.
type graph struct{ files }

// readGraph refuses a project that asks for plugins and has no lock.
func readGraph(ws *Workspace) (*graph, error) {
	g := &graph{}
	if err := g.readLock(ws); err != nil {
		return nil, err
	}
	if err := g.readProject(ws); err != nil {
		return nil, err
	}
	if g.lock == nil {
		if len(g.project.Plugins) > 0 {
			return nil, &NoLockError{ws.LockFile}
		}
		g.lock = &lockfile.Lock{}
	}
	return g, nil
}

// checkLocked makes an error of a plugin that is not in the lock.
func (g *graph) checkLocked(name string, ws *Workspace) error {
	wanted, asked := g.project.Plugin(name)
	_, locked := g.locked(name)
	switch {
	case locked:
		return nil
	case asked:
		return &DriftError{ws.LockFile, []lockfile.Drift{{Plugin: name, Field: "plugin", Want: wanted.Version}}}
	}
	return &NotInProjectError{name, ws.ProjectFile}
}

func (g *graph) roots() (out []edge) {
	for _, p := range g.project.Plugins {
		out = append(out, edge{p.Name, p.Version})
	}
	return out
}

func (g *graph) required(name string) (out []edge) {
	p, _ := g.locked(name)
	for _, d := range p.Dependencies {
		out = append(out, edge{d.Name, d.Range})
	}
	return out
}

// requirers lists who requires a plugin, loadr.toml first.
func (g *graph) requirers(name string) (out []edge) {
	if p, asked := g.project.Plugin(name); asked {
		out = append(out, edge{lockfile.ProjectName, p.Version})
	}
	for _, p := range g.lock.Plugins {
		for _, d := range p.Dependencies {
			if d.Name == name {
				out = append(out, edge{p.Name, d.Range})
			}
		}
	}
	return out
}

// down shows each plugin's requirements once, so that the tree stays as small as the lock.
func (g *graph) down(e edge, seen map[string]bool) Node {
	n, next := g.node(e, seen, g.required)
	n.Requires = []Node{}
	for _, e := range next {
		n.Requires = append(n.Requires, g.down(e, seen))
	}
	return n
}

func (g *graph) up(e edge, seen map[string]bool) Node {
	n, next := g.node(e, seen, g.requirers)
	n.RequiredBy = []Node{}
	for _, e := range next {
		n.RequiredBy = append(n.RequiredBy, g.up(e, seen))
	}
	return n
}

func (g *graph) node(e edge, seen map[string]bool, follow func(string) []edge) (n Node, next []edge) {
	p, _ := g.locked(e.name)
	n = Node{Name: e.name, Version: p.Version, Range: e.rng}
	next = follow(e.name)
	if seen[e.name] && len(next) > 0 {
		n.Repeated, next = true, nil
	}
	seen[e.name] = true
	return n, next
}
