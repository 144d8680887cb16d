package lockfile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/loadr-plugins/loadr/manifest"
)

// Drift is one thing on which loadr.toml and loadr.lock disagree, or that the lock lacks.
type Drift struct {
	Plugin string `json:"plugin,omitempty"` // empty for the head
	Field  string `json:"field"`            // plugin, version, registry, url, sha256 TARGET, requires NAME, target, host.abi.c, host.glibc, options.targets
	Want   string `json:"want"`             // by loadr.toml, or by the plugin that requires; empty for nothing
	Found  string `json:"found"`            // in loadr.lock; empty for nothing
}

func (d Drift) String() string {
	what := d.Field
	if d.Plugin != "" {
		what = "plugin " + quote(d.Plugin)
		if d.Field != "plugin" {
			what += ": " + d.Field
		}
	}
	by := ProjectName
	if strings.HasPrefix(d.Field, "requires ") {
		by = "the plugin"
	}
	return fmt.Sprintf("%s: %s says %s, %s says %s", what, by, orNothing(d.Want), LockName, orNothing(d.Found))
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

// Compare lists every disagreement, the head first, then by plugin; none means that the lock can be installed as it is.
// allows says whether a version is in a range, as package resolve does. A nil lock is an empty one.
func Compare(p *Project, l *Lock, allows func(rng, version string) bool) []Drift {
	if l == nil {
		l = &Lock{}
	}
	out, reached := compareHead(p, l), l.Reached(p)
	for _, name := range names(p, l) {
		wanted, isWanted := p.Plugin(name)
		locked, isLocked := l.Plugin(name)
		switch {
		case isWanted && isLocked:
			out = append(out, comparePlugin(wanted, locked, allows)...)
		case isWanted:
			out = append(out, Drift{name, "plugin", wanted.Version, ""})
		case !reached[name]:
			out = append(out, Drift{name, "plugin", "", locked.Version})
		}
		if isLocked {
			out = append(out, l.unmet(locked, allows)...)
			out = append(out, lacking(locked, l.Targets)...)
		}
	}
	return out
}

func compareHead(p *Project, l *Lock) (out []Drift) {
	for _, f := range manifest.Families() {
		out = appendDrift(out, "", "host.abi."+string(f), p.Host.ABI[f], l.Host.ABI[f])
	}
	out = appendDrift(out, "", "host.glibc", p.Host.Glibc, l.Host.Glibc)
	return appendDrift(out, "", "options.targets", joinTargets(p.Targets), joinTargets(l.Targets))
}

func appendDrift(out []Drift, plugin, field, want, found string) []Drift {
	if want != found {
		out = append(out, Drift{plugin, field, want, found})
	}
	return out
}

func comparePlugin(wanted ProjectPlugin, locked Plugin, allows func(rng, version string) bool) (out []Drift) {
	if !allows(wanted.Version, locked.Version) {
		out = append(out, Drift{wanted.Name, "version", wanted.Version, locked.Version})
	}
	if wanted.Registry != "" {
		out = appendDrift(out, wanted.Name, "registry", wanted.Registry, locked.Source)
	}
	if wanted.URL == "" {
		return out
	}
	if wanted.URL != locked.Source {
		return append(out, Drift{wanted.Name, "url", wanted.URL, locked.Source})
	}
	for _, t := range locked.Targets {
		if found := strings.TrimPrefix(string(t.Archive), "sha256:"); !wanted.Accepts(found) {
			out = append(out, Drift{wanted.Name, "sha256 " + string(t.Target), strings.Join(wanted.SHA256, ", "), found})
		}
	}
	return out
}

// Accepts says whether an archive with this hexadecimal digest may be the plugin: one of SHA256, or any where there are none.
func (p ProjectPlugin) Accepts(sha256 string) bool {
	return p.SHA256 == nil || slices.Contains(p.SHA256, sha256)
}

// unmet lists the requirements of a locked plugin that the locked versions of others do not meet.
func (l *Lock) unmet(p Plugin, allows func(rng, version string) bool) (out []Drift) {
	for _, d := range p.Dependencies {
		if other, _ := l.Plugin(d.Name); !allows(d.Range, other.Version) {
			out = append(out, Drift{p.Name, "requires " + d.Name, d.Range, other.Version})
		}
	}
	return out
}

// Reached gives the names of the locked plugins that a project wants, and of those that they require in turn: what else is
// locked is wanted by nobody.
func (l *Lock) Reached(p *Project) map[string]bool {
	out := map[string]bool{}
	var queue []string
	for _, q := range p.Plugins {
		queue = append(queue, q.Name)
	}
	for len(queue) > 0 {
		name := queue[0]
		queue = queue[1:]
		if locked, ok := l.Plugin(name); ok && !out[name] {
			out[name] = true
			for _, d := range locked.Dependencies {
				queue = append(queue, d.Name)
			}
		}
	}
	return out
}

// lacking lists the targets of the head that a plugin has nothing for.
func lacking(p Plugin, targets []manifest.Target) (out []Drift) {
	for _, t := range targets {
		if _, ok := p.For(t); !ok {
			out = append(out, Drift{p.Name, "target", string(t), ""})
		}
	}
	return out
}

func names(p *Project, l *Lock) (out []string) {
	for _, q := range p.Plugins {
		out = append(out, q.Name)
	}
	for _, q := range l.Plugins {
		out = append(out, q.Name)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func joinTargets(targets []manifest.Target) string {
	words := make([]string, len(targets))
	for i, t := range sortedCopy(targets) {
		words[i] = string(t)
	}
	return strings.Join(words, ", ")
}
