package lockfile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/loadr-plugins/loadr/manifest"
	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// Project is what loadr.toml says.
type Project struct {
	// File is where it was read from, for messages.
	File string
	// Plugins are the wanted plugins, sorted by name, each once.
	Plugins []ProjectPlugin
	// Host is what [host] says; zero where there is none yet.
	Host Host
	// Targets are the platforms to lock for, in the order of the file, as target triples, each once.
	Targets []manifest.Target
}

// ProjectPlugin is one wanted plugin.
type ProjectPlugin struct {
	Name     string
	Version  string // range of versions as written; its meaning is package resolve's
	Registry string // registry/namespace or index that it comes from; empty where the file does not say
	// URL is the FileSource that it is, in its written form: an archive, or a release of GitHub. Empty for none.
	URL string
	// SHA256 are the digests that the archives of URL may have, hexadecimal and sorted; nil where the file vouches for none.
	SHA256 []string
	// At is where the range stands. It is not needed for edits.
	At Position
}

// Position is a place in a file: line and column from 1, columns in characters. Zero where there is none.
type Position struct{ Line, Column int }

// Plugin gives the entry of that name, and whether there is one.
func (p *Project) Plugin(name string) (ProjectPlugin, bool) {
	i := slices.IndexFunc(p.Plugins, func(q ProjectPlugin) bool { return q.Name == name })
	if i < 0 {
		return ProjectPlugin{}, false
	}
	return p.Plugins[i], true
}

// ErrorAt gives err, found by a reader that knows more than this package about the range of a plugin, the place of
// that range.
func (p *Project) ErrorAt(q ProjectPlugin, err error) error {
	e := &SyntaxError{File: p.File, Line: q.At.Line, Column: q.At.Column, Detail: fmt.Sprintf("plugins.%s: %s", quoteKey(q.Name), err)}
	if hint, ok := err.(interface{ Hint() string }); ok {
		e.Advice = hint.Hint()
	}
	return e
}

// ParseProject reads loadr.toml; file is for messages. Empty text is an empty project. Unknown keys are errors, because
// a misspelled one would otherwise be obeyed by nobody. The error is a *SyntaxError or a *SizeError.
func ParseProject(file string, text []byte) (*Project, error) {
	p, _, err := parseProject(file, text)
	return p, err
}

func parseProject(file string, text []byte) (*Project, *document, error) {
	if len(text) > MaxProject {
		return nil, nil, &SizeError{file, len(text), MaxProject}
	}
	d, err := scan(file, text)
	if err != nil {
		return nil, nil, err
	}
	if err := d.checkTOML(); err != nil {
		return nil, nil, err
	}
	r := projectReader{document: d, project: &Project{File: file}, plugins: map[string]*ProjectPlugin{}}
	if err := r.read(); err != nil {
		return nil, nil, err
	}
	return r.project, d, nil
}

// checkTOML finds what the scan does not look at: keys that are defined twice, impossible dates and the like.
func (d *document) checkTOML() error {
	err := toml.Unmarshal([]byte(strings.TrimPrefix(string(d.text), string(bom))), &map[string]any{})
	if err == nil {
		return nil
	}
	if derr, ok := err.(*toml.DecodeError); ok {
		line, column := derr.Position()
		return &SyntaxError{File: d.file, Line: line, Column: column, Detail: strings.TrimPrefix(derr.Error(), "toml: ")}
	}
	return d.errorAt(0, "%s", strings.TrimPrefix(err.Error(), "toml: "))
}

// projectReader fills a project from a document.
type projectReader struct {
	*document
	project *Project
	plugins map[string]*ProjectPlugin
}

func (r *projectReader) read() error {
	for _, h := range r.headers {
		if err := r.header(h); err != nil {
			return err
		}
	}
	for _, l := range r.leaves {
		if err := r.leaf(l); err != nil {
			return err
		}
	}
	return r.finish()
}

// header sees to it that [plugins.x] without a line below it is not overlooked, and that no table has a wrong name.
func (r *projectReader) header(h header) error {
	switch {
	case h.array:
		return r.errorAt(h.at.start, "%s: expected a table in single brackets, found an array of tables", dotted(h.path))
	case len(h.path) == 1 && slices.Contains(sections, h.path[0]), slices.Equal(h.path, []string{"host", "abi"}):
		return nil
	case len(h.path) == 2 && h.path[0] == "plugins":
		_, err := r.plugin(h.path[1], h.at.start)
		return err
	}
	return r.unknown(h.path, h.at.start)
}

var sections = []string{"plugins", "host", "options"}

func (r *projectReader) leaf(l leaf) error {
	switch {
	case len(l.path) == 1 && slices.Contains(sections, l.path[0]), slices.Equal(l.path, []string{"host", "abi"}):
		return r.want(l, unstable.InlineTable, "a table")
	case l.path[0] == "plugins":
		return r.pluginLeaf(l)
	case l.path[0] == "host":
		return r.hostLeaf(l)
	case slices.Equal(l.path, []string{"options", "targets"}):
		return r.targets(l)
	}
	return r.unknown(l.path, l.keys[0].start)
}

func (r *projectReader) pluginLeaf(l leaf) error {
	p, err := r.plugin(l.path[1], l.keys[0].start)
	switch {
	case err != nil:
		return err
	case len(l.path) == 2 && l.kind == unstable.InlineTable:
		return nil
	case len(l.path) == 2:
		return r.version(p, l)
	case len(l.path) == 3 && l.path[2] == "version":
		return r.version(p, l)
	case len(l.path) == 3 && l.path[2] == "registry":
		p.Registry = l.text
		return r.word(l, `a registry and namespace, such as "registry.example/perf"`)
	case len(l.path) == 3 && l.path[2] == "url":
		return r.url(p, l)
	case len(l.path) == 3 && l.path[2] == "sha256":
		return r.sha256(p, l)
	}
	return r.unknown(l.path, l.keys[0].start)
}

func (r *projectReader) url(p *ProjectPlugin, l leaf) error {
	p.URL = l.text
	if l.kind != unstable.String || IsIndex(l.text) || !IsFileSource(l.text) {
		return r.expected(l, `the place of an archive, such as "https://host.example/x.tar.gz" or "file:vendor/x.zip"`)
	}
	if _, err := ParseFileSource(l.text); err != nil {
		return r.errorAt(l.value.start, "%s: %s", dotted(l.path), err)
	}
	return nil
}

// sha256 is one digest, or a list of them where each target has an archive of its own.
func (r *projectReader) sha256(p *ProjectPlugin, l leaf) error {
	words := []string{l.text}
	if l.kind == unstable.Array && !l.mixed {
		words = l.items
	} else if l.kind != unstable.String {
		words = nil
	}
	if len(words) == 0 || slices.ContainsFunc(words, func(s string) bool { return !IsSHA256(s) }) {
		return r.expected(l, "64 hexadecimal digits, or a list of such texts")
	}
	p.SHA256 = sortedCopy(words)
	return nil
}

// IsSHA256 says whether s is a SHA-256 digest in lower-case hexadecimal digits.
func IsSHA256(s string) bool { return isDigest("sha256:" + s) }

func (r *projectReader) version(p *ProjectPlugin, l leaf) error {
	p.Version = l.text
	p.At.Line, p.At.Column = position(r.text, l.value.start)
	return r.word(l, `a range of versions, such as "^1.2"`)
}

func (r *projectReader) plugin(name string, at int) (*ProjectPlugin, error) {
	if p := r.plugins[name]; p != nil {
		return p, nil
	}
	if err := manifest.CheckName(name); err != nil {
		return nil, r.errorAt(at, "plugins: %s", err)
	}
	p := &ProjectPlugin{Name: name}
	p.At.Line, p.At.Column = position(r.text, at)
	r.plugins[name] = p
	return p, nil
}

func (r *projectReader) hostLeaf(l leaf) error {
	h := &r.project.Host
	switch {
	case slices.Equal(l.path[1:], []string{"glibc"}):
		h.Glibc = l.text
		if !isGlibc(l.text) || l.kind != unstable.String {
			return r.expected(l, `a version of glibc, such as "2.31"`)
		}
		return nil
	case len(l.path) == 3 && l.path[1] == "abi" && isFamily(l.path[2]):
		if !isVersion(l.text) || l.kind != unstable.String {
			return r.expected(l, `a version of the host's interface, such as "1.0.0"`)
		}
		if h.ABI == nil {
			h.ABI = map[manifest.Family]string{}
		}
		h.ABI[manifest.Family(l.path[2])] = l.text
		return nil
	}
	return r.unknown(l.path, l.keys[0].start)
}

func isFamily(s string) bool { return slices.Contains(manifest.Families(), manifest.Family(s)) }

func (r *projectReader) targets(l leaf) error {
	if l.kind != unstable.Array || l.mixed {
		return r.expected(l, `an array of targets, such as ["x86_64-unknown-linux-gnu"]`)
	}
	for i, word := range l.items {
		t, err := manifest.ParseTarget(word)
		switch {
		case err != nil:
			return r.errorAt(l.spots[i].start, "options.targets: %s", err)
		case slices.Contains(r.project.Targets, t):
			return r.errorAt(l.spots[i].start, "options.targets: expected each target once, found %s again", shown(word))
		}
		r.project.Targets = append(r.project.Targets, t)
	}
	return nil
}

// word accepts a string on one line that is not empty.
func (r *projectReader) word(l leaf, want string) error {
	if l.kind != unstable.String || !isWord(l.text) {
		return r.expected(l, want)
	}
	return nil
}

// isWord says whether s is text for one line: not empty, not long, nothing that drives a terminal.
func isWord(s string) bool {
	hidden := func(r rune) bool { return r < 0x20 || r >= 0x7f && r < 0xa0 || r == 0xfffd }
	return strings.TrimSpace(s) != "" && len(s) <= 1024 && strings.IndexFunc(s, hidden) < 0
}

func (r *projectReader) want(l leaf, kind unstable.Kind, want string) error {
	if l.kind != kind {
		return r.expected(l, want)
	}
	return nil
}

func (r *projectReader) expected(l leaf, want string) error {
	return r.errorAt(l.value.start, "%s: expected %s, found %s", dotted(l.path), want, r.found(l))
}

func (d *document) found(l leaf) string {
	return shown(string(d.text[l.value.start:l.value.end]))
}

func (r *projectReader) finish() error {
	for _, p := range r.plugins {
		r.project.Plugins = append(r.project.Plugins, *p)
	}
	slices.SortFunc(r.project.Plugins, func(a, b ProjectPlugin) int { return strings.Compare(a.Name, b.Name) })
	for _, p := range r.project.Plugins {
		if detail, advice := p.lacks(); detail != "" {
			return &SyntaxError{
				File: r.file, Line: p.At.Line, Column: p.At.Column,
				Detail: fmt.Sprintf("plugins.%s: %s", quoteKey(p.Name), detail), Advice: advice,
			}
		}
	}
	return nil
}

// lacks says what an entry needs, or has too much of.
func (p ProjectPlugin) lacks() (detail, advice string) {
	switch {
	case p.Version == "":
		return "expected a version, found none", `add version = "*" for the newest release, or a range such as "^1.2"`
	case p.URL != "" && p.Registry != "":
		return "expected a registry or a url, found both", "keep the one that the plugin comes from"
	case p.SHA256 != nil && p.URL == "":
		return "expected a url beside sha256, found none", "a registry's plugins are locked by digest in any case"
	}
	return "", ""
}

// known lists the keys of each table, by its dotted path, for the message about one that is not.
var known = map[string][]string{
	"":         sections,
	"host":     {"abi", "glibc"},
	"host.abi": {"c", "component", "native"},
	"options":  {"targets"},
}

func (r *projectReader) unknown(path []string, at int) error {
	table := path[:len(path)-1]
	keys, ok := known[dotted(table)]
	for !ok && len(table) > 0 {
		if len(table) == 2 && table[0] == "plugins" {
			keys = []string{"version", "registry", "url", "sha256"}
			break
		}
		table = table[:len(table)-1]
		keys, ok = known[dotted(table)]
	}
	return r.errorAt(at, "unknown key %s, expected one of %s", shown(dotted(path)), strings.Join(keys, ", "))
}
