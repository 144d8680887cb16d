package lockfile

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/loadr-plugins/loadr/manifest"
	"github.com/pelletier/go-toml/v2/unstable"
)

// EditError is an edit that can't be made in the file as it is written.
type EditError struct{ Detail string }

func (e *EditError) Error() string { return ProjectName + ": " + e.Detail }

// Hint says what to do.
func (e *EditError) Hint() string { return "make the change by hand" }

// SetPlugin gives text with the plugin wanted as p says, added or changed, in the form in which the file has it. Only
// the bytes of that entry change. It fails with ParseProject's errors on text that is not a project, and with an
// *EditError where p is not fit for a project.
func SetPlugin(text []byte, p ProjectPlugin) ([]byte, error) {
	return edit(text, func(want *Project) {
		want.Plugins = slices.DeleteFunc(want.Plugins, func(q ProjectPlugin) bool { return q.Name == p.Name })
		want.Plugins = append(want.Plugins, p)
	}, func(e *editor) { e.plugin(p) })
}

// RemovePlugin gives text without the plugin's entry, in whatever form it is written; text without such an entry comes
// back as it is. Comments stay, except those on the removed lines.
func RemovePlugin(text []byte, name string) ([]byte, error) {
	return edit(text, func(want *Project) {
		want.Plugins = slices.DeleteFunc(want.Plugins, func(q ProjectPlugin) bool { return q.Name == name })
	}, func(e *editor) { e.remove([]string{"plugins", name}) })
}

// SetHost gives text whose [host] says what h says.
func SetHost(text []byte, h Host) ([]byte, error) {
	return edit(text, func(want *Project) { want.Host = h }, func(e *editor) { e.host(h) })
}

// SetTargets gives text whose [options] lists exactly these targets. Those that are listed keep their place and
// spelling; new ones follow in the given order.
func SetTargets(text []byte, targets []manifest.Target) ([]byte, error) {
	return edit(text, func(want *Project) { want.Targets = targets }, func(e *editor) { e.targets(targets) })
}

// edit makes a change and then reads the result, so that whatever way of writing TOML was not thought of here ends in
// an error and not in a file that says something else.
func edit(text []byte, expect func(*Project), change func(*editor)) ([]byte, error) {
	want, err := ParseProject(ProjectName, text)
	if err != nil {
		return nil, err
	}
	expect(want)
	e := &editor{text: bytes.Clone(text)}
	change(e)
	got, err := ParseProject(ProjectName, e.text)
	if err = cmp.Or(e.err, err); err != nil { // the text was readable before, so this is the change's doing
		return nil, unreadable(err)
	}
	if !reflect.DeepEqual(got.meaning(), want.meaning()) {
		return nil, &EditError{"the change would alter other entries"}
	}
	return e.text, nil
}

func unreadable(err error) error {
	var edit *EditError
	if errors.As(err, &edit) {
		return edit
	}
	return &EditError{fmt.Sprintf("the change would make it unreadable: %s", err)}
}

// meaning is a project without file, places and orders, so that two can be compared.
func (p *Project) meaning() any {
	m := struct {
		plugins map[string]ProjectPlugin
		abi     map[manifest.Family]string
		glibc   string
		targets []manifest.Target
	}{map[string]ProjectPlugin{}, map[manifest.Family]string{}, p.Host.Glibc, slices.Sorted(slices.Values(p.Targets))}
	for _, q := range p.Plugins {
		q.At, q.SHA256 = Position{}, sortedCopy(q.SHA256)
		m.plugins[q.Name] = q
	}
	maps.Copy(m.abi, p.Host.ABI)
	return m
}

// editor makes one change after the other, reading the text anew for each: positions are only valid until the next.
type editor struct {
	text []byte
	err  error
}

func (e *editor) scan() *document {
	d, err := scan(ProjectName, e.text)
	if err != nil {
		e.err = err
		return &document{text: e.text}
	}
	return d
}

func (e *editor) splice(at span, text string) {
	e.text = slices.Concat(e.text[:at.start], []byte(text), e.text[at.end:])
}

func (e *editor) plugin(p ProjectPlugin) {
	path := []string{"plugins", p.Name}
	d := e.scan()
	i := d.find(path)
	if i != root && d.leaves[i].kind != unstable.InlineTable || !d.mentions(path) {
		e.set(path, p.inline()) // a plain range, or a new entry
		return
	}
	keys := p.keys()
	for _, k := range keys { // first, lest an entry seem empty in between
		if k.raw != "" {
			e.set(append(slices.Clone(path), k.name), k.raw)
		}
	}
	for _, k := range keys {
		if k.raw == "" {
			e.remove(append(slices.Clone(path), k.name))
		}
	}
}

// projectKey is one key of an entry and its value in TOML; empty for none.
type projectKey struct{ name, raw string }

func (p ProjectPlugin) keys() []projectKey {
	keys := []projectKey{{"registry", ""}, {"url", ""}, {"sha256", ""}, {"version", quote(p.Version)}}
	for i, value := range []string{p.Registry, p.URL} {
		if value != "" {
			keys[i].raw = quote(value)
		}
	}
	switch digests := sortedCopy(p.SHA256); len(digests) {
	case 0:
	case 1:
		keys[2].raw = quote(digests[0])
	default:
		keys[2].raw = arrayOf(digests)
	}
	return keys
}

// inline is the value of an entry on one line.
func (p ProjectPlugin) inline() string {
	if p.Registry == "" && p.URL == "" {
		return quote(p.Version)
	}
	words := []string{"version = " + quote(p.Version)}
	for _, k := range p.keys()[:3] {
		if k.raw != "" {
			words = append(words, k.name+" = "+k.raw)
		}
	}
	return "{ " + strings.Join(words, ", ") + " }"
}

func (d *document) mentions(path []string) bool {
	return slices.ContainsFunc(d.leaves, func(l leaf) bool { return hasPrefix(l.path, path) }) ||
		slices.ContainsFunc(d.headers, func(h header) bool { return hasPrefix(h.path, path) })
}

func (e *editor) host(h Host) {
	abi := []string{"host", "abi"}
	switch {
	case len(h.ABI) == 0:
		e.remove(abi)
	case !e.scan().mentions(abi):
		e.set(abi, h.inlineABI())
	default:
		e.families(h)
	}
	if h.Glibc == "" {
		e.remove([]string{"host", "glibc"})
	} else {
		e.set([]string{"host", "glibc"}, quote(h.Glibc))
	}
}

func (e *editor) families(h Host) {
	for _, f := range manifest.Families() {
		path := []string{"host", "abi", string(f)}
		if version, ok := h.ABI[f]; ok {
			e.set(path, quote(version))
		} else {
			e.remove(path)
		}
	}
}

func (h Host) inlineABI() string {
	var words []string
	for _, f := range slices.Sorted(maps.Keys(h.ABI)) {
		words = append(words, fmt.Sprintf("%s = %s", quoteKey(string(f)), quote(h.ABI[f])))
	}
	return "{ " + strings.Join(words, ", ") + " }"
}

func (e *editor) targets(targets []manifest.Target) {
	path := []string{"options", "targets"}
	d := e.scan()
	i := d.find(path)
	switch {
	case len(targets) == 0 && i == root:
	case len(targets) == 0 || i == root || len(d.leaves[i].items) == 0:
		e.set(path, arrayOf(targets))
	default:
		e.keepTargets(path, targets)
		e.addTargets(path, targets)
	}
}

func arrayOf[T ~string](values []T) string {
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = quote(string(v))
	}
	return "[" + strings.Join(words, ", ") + "]"
}

// keepTargets removes the listed targets that are not wanted.
func (e *editor) keepTargets(path []string, targets []manifest.Target) {
	for {
		d := e.scan()
		l := d.leaves[d.find(path)]
		i := slices.IndexFunc(l.items, func(word string) bool {
			t, err := manifest.ParseTarget(word)
			return err != nil || !slices.Contains(targets, t)
		})
		if i < 0 {
			return
		}
		e.splice(d.listOf(l).without(i), "")
	}
}

// addTargets appends the wanted targets that are not listed.
func (e *editor) addTargets(path []string, targets []manifest.Target) {
	for _, t := range targets {
		d := e.scan()
		l := d.leaves[d.find(path)]
		listed := slices.ContainsFunc(l.items, func(word string) bool {
			has, err := manifest.ParseTarget(word)
			return err == nil && has == t
		})
		if !listed {
			e.apply(d.listOf(l).with(quote(string(t))))
		}
	}
}
