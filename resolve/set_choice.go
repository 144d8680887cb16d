package resolve

import (
	"fmt"
	"maps"
	"slices"

	"github.com/Masterminds/semver/v3"
)

// choices says for every chosen plugin why it is not another version.
func (c *catalog) choices(chosen map[string]int) map[string]Choice {
	out := map[string]Choice{}
	for name, i := range chosen {
		p := c.plugins[name]
		version := c.Title(name, i)
		choice := Choice{Version: version, Offer: p.offers[i], Kept: version == c.Locked[name], Rejected: []Rejection{}, Ignored: p.ignored}
		for _, other := range p.newestFirst() {
			if other != i {
				choice.Rejected = append(choice.Rejected, c.rejection(chosen, name, other))
			}
		}
		if locked := c.Locked[name]; locked != "" && !choice.Kept {
			choice.Replaces = locked
			choice.Rejected = withGone(choice.Rejected, p.versions, locked)
		}
		out[name] = choice
	}
	return out
}

// newestFirst gives the candidates by age and not by preference.
func (p *candidates) newestFirst() []int {
	order := make([]int, len(p.versions))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return p.versions[b].Compare(p.versions[a]) })
	return order
}

// rejection gives the one reason against a version that was not chosen: the first that applies.
func (c *catalog) rejection(chosen map[string]int, name string, i int) Rejection {
	p := c.plugins[name]
	v, taken := p.versions[i], p.versions[chosen[name]]
	locked := c.preferred(name)
	switch {
	case v.LessThan(taken) && v.Original() != locked:
		return Rejection{v.Original(), Older, "older than " + taken.Original()}
	case taken.Original() == locked:
		return Rejection{v.Original(), Kept, fmt.Sprintf("newer, but %s is locked", locked)}
	}
	code, detail := c.outside(chosen, name, v)
	if reason, ok := p.reasons[i]; ok && code == "" {
		return reason
	}
	if code == "" {
		code, detail = Conflict, c.conflictOf(chosen, p.offers[i])
	}
	return Rejection{v.Original(), code, detail}
}

// outside names the range that a version is not in, if there is one.
func (c *catalog) outside(chosen map[string]int, name string, v *semver.Version) (Code, string) {
	if at := slices.IndexFunc(c.Requirements, func(r Requirement) bool { return r.Name == name }); at >= 0 {
		if code, detail := inRangeOf(c.Requirements[at].Range, v); code != "" {
			return code, detail
		}
	}
	if by, rng, ok := c.refusedBy(chosen, name, v); ok {
		return Required, fmt.Sprintf("outside %s, which %s requires", rng, by)
	}
	return "", ""
}

// refusedBy names a chosen plugin whose requirement a version does not meet.
func (c *catalog) refusedBy(chosen map[string]int, name string, v *semver.Version) (by, rng string, ok bool) {
	for _, other := range slices.Sorted(maps.Keys(chosen)) {
		rng, requires := c.plugins[other].offers[chosen[other]].RequiresPlugins[name]
		if !requires {
			continue
		}
		if r, err := ParseRange(rng); err == nil && !r.allows(v) {
			return other + " " + c.Title(other, chosen[other]), rng, true
		}
	}
	return "", "", false
}

// conflictOf says which requirement of a newer version keeps it from being chosen.
func (c *catalog) conflictOf(chosen map[string]int, o Offer) string {
	for _, name := range slices.Sorted(maps.Keys(o.RequiresPlugins)) {
		i, ok := chosen[name]
		if r, err := ParseRange(o.RequiresPlugins[name]); ok && err == nil && !r.allows(c.plugins[name].versions[i]) {
			return fmt.Sprintf("requires %s %s, but %s was chosen", name, r, c.Title(name, i))
		}
	}
	return "leaves no solution for the other requirements"
}
