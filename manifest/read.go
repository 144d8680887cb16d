package manifest

import (
	"cmp"
	"fmt"
	"math"
	"path"
	"slices"
	"strings"
)

// reader turns a document into a manifest and collects what is wrong with it.
type reader struct {
	doc      *document
	errs     Errors
	warnings []Warning
}

func (r *reader) manifest() *Manifest {
	root := r.root()
	m := &Manifest{Config: root.table("config")}
	if _, ok := root.values["plugin"].(map[string]any); !ok {
		r.fail([]string{"plugin"}, describe(root.values["plugin"]), "a table [plugin]")
		return m
	}
	m.Build = r.build(root.section("build"))
	m.Plugin = r.plugin(root.section("plugin"), root.values["build"] != nil)
	m.Requires = r.requires(root.section("requires"))
	r.agree(m)
	r.numbers(m.Config, []string{"config"})
	return m
}

func (r *reader) plugin(s section, builds bool) Plugin {
	return Plugin{
		Name:        s.required("name", nameRule),
		Version:     s.required("version", versionRule),
		Kind:        Kind(s.required("kind", oneOf(Kinds()))),
		Type:        Type(s.required("type", oneOf(Types()))),
		Entry:       s.entry(builds),
		Description: s.text("description", descriptionRule),
		ABI:         Family(s.text("abi", oneOf([]Family{FamilyNative, FamilyC}))),
		Schemes:     s.list("schemes", schemeRule),
		License:     s.license(),
		Authors:     s.list("authors", lineRule),
		Homepage:    s.text("homepage", urlRule),
		Repository:  s.text("repository", urlRule),
		Keywords:    s.list("keywords", lineRule),
	}
}

// entry is required by the engine, but an author who has pack set it for each target need not write it.
func (s section) entry(builds bool) string {
	if _, has := s.values["entry"]; !has && builds {
		return ""
	}
	entry := s.required("entry", entryRule)
	if strings.ContainsAny(entry, `/\`) { // then the last error is about it
		s.r.errs[len(s.r.errs)-1].hint = "paths of built libraries belong to [build.targets]"
	}
	return entry
}

func (s section) license() string {
	license := s.text("license", lineRule)
	if license != "" && !isLicense(license) {
		s.r.warn(s.path("license"), fmt.Sprintf("%s is not an SPDX expression, such as \"MIT OR Apache-2.0\"", quote(license)), "")
	}
	return license
}

func (r *reader) requires(s section) Requires {
	out := Requires{ABI: s.text("abi", rangeRule)}
	plugins := section{r, s.path("plugins"), s.table("plugins")}
	for _, name := range sortedKeys(plugins.values) {
		if want := nameRule(name); want != "" {
			r.fail(plugins.path(name), "key "+quote(name), want)
			continue
		}
		put(&out.Plugins, name, plugins.required(name, rangeRule))
	}
	return out
}

func (r *reader) build(s section) Build {
	out := Build{Readme: clean(s.text("readme", innerPathRule))}
	for _, p := range s.list("include", innerPathRule) {
		out.Include = append(out.Include, clean(p))
	}
	r.differentNames(out)
	targets := section{r, s.path("targets"), s.table("targets")}
	for _, key := range sortedKeys(targets.values) {
		r.target(&out, targets, key)
	}
	return out
}

func (r *reader) target(b *Build, s section, key string) {
	target, err := ParseTarget(key)
	library := clean(s.required(key, pathRule))
	switch {
	case err != nil:
		r.fail(s.path(key), "key "+quote(key), "os/arch (linux/amd64) or one of "+joinTargets(Targets()))
	case b.Targets[target] != "":
		r.fail(s.path(key), "key "+quote(key), "one library for "+string(target))
	default:
		put(&b.Targets, target, library)
	}
}

// differentNames holds because packed files lie side by side under their bare names, perhaps where case does not count.
func (r *reader) differentNames(b Build) {
	seen := map[string]bool{}
	if b.Readme != "" {
		seen[strings.ToLower(path.Base(b.Readme))] = true
	}
	for i, p := range b.Include {
		name := strings.ToLower(path.Base(p))
		if seen[name] {
			r.fail([]string{"build", "include", index(i)}, quote(p), "files with different names, which differ in more than case")
		}
		seen[name] = true
	}
}

// agree checks fields against each other. Rules about a field that is already refused stay silent.
func (r *reader) agree(m *Manifest) {
	p := m.Plugin
	if kinds := p.Type.Kinds(); kinds != nil && slices.Contains(Kinds(), p.Kind) && !slices.Contains(kinds, p.Kind) {
		e := r.fail([]string{"plugin", "kind"}, quote(string(p.Kind)), fmt.Sprintf("%s for type %q", listed(kinds), p.Type))
		e.hint = "native libraries provide protocols, outputs and services; WebAssembly components provide extractors and assertions"
	}
	if len(p.Schemes) > 0 && p.Kind != Protocol {
		r.fail([]string{"plugin", "schemes"}, "an array", fmt.Sprintf("none for kind %q: only protocols have schemes", p.Kind))
	}
	if p.ABI != "" && p.Type == Wasm {
		r.fail([]string{"plugin", "abi"}, quote(string(p.ABI)), `none for type "wasm"`)
	}
	if p.ABI == FamilyC && p.Type == Native && p.Kind != Protocol {
		r.fail([]string{"plugin", "abi"}, quote(string(p.ABI)), `"native" for kinds other than protocol`)
	}
	if m.Requires.Plugins[p.Name] != "" {
		r.fail([]string{"requires", "plugins", p.Name}, "the plugin itself", "other plugins")
	}
	r.targetsOfType(m)
}

func (r *reader) targetsOfType(m *Manifest) {
	for target := range m.Build.Targets {
		if m.Plugin.Type == Wasm && target != Neutral {
			r.fail([]string{"build", "targets", r.spelled(target)}, string(target), fmt.Sprintf("%s for type \"wasm\"", Neutral))
		}
		if m.Plugin.Type == Native && target == Neutral {
			r.fail([]string{"build", "targets", r.spelled(target)}, string(target), `a machine's target for type "native"`)
		}
	}
}

// spelled gives the key that the author wrote for target.
func (r *reader) spelled(target Target) string {
	targets, _ := r.doc.find("build", "targets")
	for key := range targets.children {
		if t, err := ParseTarget(key); err == nil && t == target {
			return key
		}
	}
	return string(target)
}

// numbers warns of defaults that JSON, in which they reach the plugin, has no form for.
func (r *reader) numbers(value any, at []string) {
	switch v := value.(type) {
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			r.warn(at, "JSON has no inf and nan: the plugin is handed null", "")
		}
	case map[string]any:
		for _, key := range sortedKeys(v) {
			r.numbers(v[key], append(slices.Clone(at), key))
		}
	case []any:
		for i, element := range v {
			r.numbers(element, append(slices.Clone(at), index(i)))
		}
	}
}

func clean(p string) string {
	if p == "" {
		return ""
	}
	return path.Clean(p)
}

func put[K comparable, V any](m *map[K]V, key K, value V) {
	if *m == nil {
		*m = map[K]V{}
	}
	(*m)[key] = value
}

// oneOf is the rule for a fixed set of words.
func oneOf[T ~string](words []T) rule {
	return func(s string) string {
		if slices.Contains(words, T(s)) {
			return ""
		}
		return listed(words)
	}
}

func listed[T ~string](words []T) string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = string(w)
	}
	return strings.Join(out, ", ")
}

// sorted puts the errors into the order of the file and bounds their number.
func (r *reader) sorted() Errors {
	slices.SortStableFunc(r.errs, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Field, b.Field))
	})
	return r.errs[:min(len(r.errs), maxErrors)]
}
