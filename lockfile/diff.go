package lockfile

import (
	"reflect"
	"slices"
)

// Change is one plugin that differs between two locks. Old is nil for an added plugin, New for a removed one.
type Change struct {
	Name     string
	Old, New *Plugin
	// Fields names what differs where both are there, in the order of the file: version, source, index, abi,
	// requires-abi, dependencies, signers, and "target TRIPLE" for each target.
	Fields []string
}

// Diff lists the plugins that differ between two locks, sorted by name. A nil lock is an empty one. Order within the
// locks does not count.
func Diff(old, new *Lock) (out []Change) {
	was, is := byName(old), byName(new)
	for _, name := range keys(was, is) {
		c := Change{Name: name, Old: was[name], New: is[name]}
		if c.Old != nil && c.New != nil {
			c.Fields = differing(*c.Old, *c.New)
			if c.Fields == nil {
				continue
			}
		}
		out = append(out, c)
	}
	return out
}

func byName(l *Lock) map[string]*Plugin {
	out := map[string]*Plugin{}
	if l == nil {
		return out
	}
	for _, p := range l.Canonical().Plugins {
		out[p.Name] = &p
	}
	return out
}

func keys[V any](maps ...map[string]V) (out []string) {
	for _, m := range maps {
		for k := range m {
			out = append(out, k)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func differing(a, b Plugin) (out []string) {
	for _, f := range []struct {
		name string
		same bool
	}{
		{"version", a.Version == b.Version},
		{"source", a.Source == b.Source},
		{"index", a.Index == b.Index},
		{"abi", a.ABI == b.ABI},
		{"requires-abi", a.RequiresABI == b.RequiresABI},
		{"dependencies", slices.Equal(a.Dependencies, b.Dependencies)},
		{"signers", slices.Equal(a.Signers, b.Signers)},
	} {
		if !f.same {
			out = append(out, f.name)
		}
	}
	return append(out, differingTargets(a, b)...)
}

func differingTargets(a, b Plugin) (out []string) {
	was, is := byTarget(a), byTarget(b)
	for _, name := range keys(was, is) {
		if !reflect.DeepEqual(was[name], is[name]) {
			out = append(out, "target "+name)
		}
	}
	return out
}

func byTarget(p Plugin) map[string]*Target {
	out := map[string]*Target{}
	for _, t := range p.Targets {
		out[string(t.Target)] = &t
	}
	return out
}
