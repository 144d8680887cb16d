package cli

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/loadr-plugins/loadr/internal/info"
	"github.com/loadr-plugins/loadr/loader/plugin"
	"github.com/loadr-plugins/loadr/manifest"
)

// probeTime is how long a library may take to be opened when it is only asked what it is.
const probeTime = 10 * time.Second

// probedPlugin is what is known of a plugin that was also opened.
type probedPlugin struct {
	*info.Plugin
	Probe *probed `json:"probe"`
}

// probed is what only running a library tells.
type probed struct {
	Info     plugin.Info    `json:"info"`
	Parts    plugin.Parts   `json:"parts"`
	Problems []disagreement `json:"problems"`
}

// disagreement is a field about which plugin.toml and the running plugin say different things.
type disagreement struct {
	Field    string `json:"field"`
	Manifest string `json:"manifest"`
	Plugin   string `json:"plugin"`
}

// infoProbed opens the library that call would run, and asks it.
func (a *app) infoProbed(ctx context.Context, target string, p *info.Plugin) error {
	callee, err := a.callee(target)
	if err != nil {
		return err
	}
	words := a.err
	if a.json {
		words = nil
	}
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	process, err := callee.Start(ctx, words)
	if err != nil {
		return err
	}
	found := &probed{Info: process.Info(), Parts: process.Parts()}
	if err := process.Close(); err != nil {
		return err
	}
	if found.Info.Schemes == nil {
		found.Info.Schemes = []string{}
	}
	found.Problems = disagreements(p, found)
	return a.print(probedPlugin{p, found}, func() {
		a.printInfo(p)
		a.printProbed(found)
	})
}

// disagreements compares the plugin's words with plugin.toml's. A bare library has none.
func disagreements(p *info.Plugin, found *probed) []disagreement {
	out := []disagreement{}
	if p.Name == "" {
		return out
	}
	schemes := func(list []string) string {
		list = slices.Clone(list)
		slices.Sort(list)
		return strings.Join(list, ", ")
	}
	for _, d := range []disagreement{
		{"name", p.Name, found.Info.Name},
		{"version", p.Version, found.Info.Version},
		{"kind", string(p.Kind), found.Info.Kind},
		{"schemes", schemes(p.Schemes), schemes(found.Info.Schemes)},
	} {
		if d.Manifest != d.Plugin {
			out = append(out, d)
		}
	}
	makes := map[manifest.Kind]bool{
		manifest.Output: found.Parts.Output, manifest.Protocol: found.Parts.Protocol, manifest.Service: found.Parts.Service,
	}
	if !makes[p.Kind] {
		out = append(out, disagreement{"parts", string(p.Kind), found.Parts.String()})
	}
	return out
}

func (a *app) printProbed(p *probed) {
	a.line("")
	a.line("opened in a process of its own")
	a.fields([][2]string{
		{"says", strings.TrimSpace(p.Info.Name + " " + p.Info.Version)},
		{"kind", p.Info.Kind},
		{"schemes", strings.Join(p.Info.Schemes, ", ")},
		{"makes", p.Parts.String()},
	})
	for _, d := range p.Problems {
		a.line("  problem       %s: plugin.toml says %q, the running plugin %q", d.Field, d.Manifest, clean(d.Plugin))
	}
	if len(p.Problems) > 0 {
		a.warn("plugin.toml and the running plugin disagree; publishing it would be refused")
	}
}
