package search

import (
	"slices"

	"github.com/loadr-plugins/loadr/internal/legacyindex"
	"github.com/loadr-plugins/loadr/registry/catalogue"
	"github.com/loadr-plugins/loadr/resolve"
)

// unknown stands for what an index does not say: the kind and type of its plugins.
const unknown = "unknown"

// Index gives what loadr's JSON index says of its plugins the form of a catalogue: for each the newest version and, where the index
// has one that a catalogue could have too, a description. Plugins without a version, and those whose entries are broken, are
// left out.
func Index(x *legacyindex.Index) map[string]catalogue.Entry {
	out := map[string]catalogue.Entry{}
	for _, name := range x.Names() {
		versions, err := x.Versions(name)
		newest := resolve.Newest(versions)
		if err != nil || newest == "" {
			continue
		}
		e := catalogue.Entry{Name: name, Version: newest, Kind: unknown, Type: unknown, Description: x.Description(name)}
		if v, err := x.Version(name, newest); err == nil {
			for target := range v.Artifacts {
				e.Targets = append(e.Targets, string(target))
			}
			slices.Sort(e.Targets)
		}
		clipped, err := e.Clip()
		if err != nil {
			e.Description = ""
			clipped, err = e.Clip()
		}
		if err == nil {
			out[name] = clipped
		}
	}
	return out
}
