package lockfile

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/loadr-plugins/loadr/manifest"
	"github.com/opencontainers/go-digest"
)

// FormatVersion is the version of the lock's format that is written, and the newest that is read.
const FormatVersion = 1

// Lock is what loadr.lock says: exact bytes for every plugin and platform.
type Lock struct {
	Host    Host              // that versions were chosen for
	Targets []manifest.Target // that versions were chosen for; sorted once encoded
	Plugins []Plugin          // sorted by name once encoded, each name once
}

// Plugin is one locked plugin.
type Plugin struct {
	Name    string
	Version string
	// Source is the registry/namespace that the plugin belongs to, never a mirror; "local/..." is the directory
	// registry of whoever installs. Or it is a FileSource, in its written form.
	Source string
	Index  digest.Digest // of the image index; empty for a FileSource
	// ABI is what the libraries were built against.
	ABI manifest.ABI
	// RequiresABI is the range of host versions that the plugin asks for besides; empty for none.
	RequiresABI  string
	Dependencies []Dependency // sorted by name once encoded, each name once
	Signers      []string     // key ids that satisfied the project's rule; sorted once encoded
	// Targets are sorted once encoded, each once: every one that the version offers, but of a FileSource those alone
	// that were asked for, since each has to be fetched to be known.
	Targets []Target
}

// Dependency is a locked plugin that another one requires.
type Dependency struct {
	Name  string
	Range string // of versions, as the plugin's [requires.plugins] has it
}

func (d Dependency) String() string { return d.Name + " " + d.Range }

// Target is the bytes of one locked plugin on one platform. Config and Blob are all that an install has to fetch; of a
// FileSource the archive, and then Manifest, Config, Blob and what goes with them are empty.
type Target struct {
	Target manifest.Target
	// ABI is set where this library was built against another version than the plugin's ABI says.
	ABI         manifest.ABI
	Libc        manifest.Libc // what the library needs; zero for nothing
	Manifest    digest.Digest // of the platform manifest
	Config      digest.Digest // of the config, which holds plugin.toml
	ConfigSize  int64         // bytes
	PluginTOML  digest.Digest // of the installed plugin.toml
	Blob        digest.Digest // of the library as it is stored and sent
	MediaType   string        // of the blob: says how it is compressed
	BlobSize    int64         // bytes
	Library     digest.Digest // of the library as it is installed
	LibrarySize int64         // bytes
	Layout      string        // type-layout digest, layout-v1:sha256:...; empty where there is none

	// Of a FileSource alone: where the archive or bare library lies, a URL or file:PATH, and what it is there.
	URL         string
	Archive     digest.Digest
	ArchiveSize int64  // bytes
	Entry       string // path of the library in the archive, beside plugin.toml; of a bare library its installed name
}

// Plugin gives the entry of that name, and whether there is one.
func (l *Lock) Plugin(name string) (Plugin, bool) {
	i := slices.IndexFunc(l.Plugins, func(p Plugin) bool { return p.Name == name })
	if i < 0 {
		return Plugin{}, false
	}
	return l.Plugins[i], true
}

// For gives what serves a host of target t, and whether there is anything: its own library, else one for every target.
func (p Plugin) For(t manifest.Target) (Target, bool) {
	neutral := -1
	for i, has := range p.Targets {
		switch {
		case has.Target == t:
			return has, true
		case has.Target.Satisfies(t):
			neutral = i
		}
	}
	if neutral < 0 {
		return Target{}, false
	}
	return p.Targets[neutral], true
}

// ABIOf gives what the library of a target was built against.
func (p Plugin) ABIOf(t Target) manifest.ABI {
	if t.ABI == (manifest.ABI{}) {
		return p.ABI
	}
	return t.ABI
}

// Canonical gives an equal lock in the form that Encode writes and ParseLock returns: sorted, empty lists nil, nothing
// said twice. It shares no memory that either could change through the other's slices.
func (l *Lock) Canonical() *Lock {
	out := &Lock{Host: Host{ABI: maps.Clone(l.Host.ABI), Glibc: l.Host.Glibc}, Targets: sortedCopy(l.Targets)}
	if len(out.Host.ABI) == 0 {
		out.Host.ABI = nil
	}
	for _, p := range l.Plugins {
		p.Signers = sortedCopy(p.Signers)
		p.Dependencies = append([]Dependency(nil), p.Dependencies...)
		slices.SortFunc(p.Dependencies, func(a, b Dependency) int { return strings.Compare(a.Name, b.Name) })
		p.Targets = slices.Clone(p.Targets)
		slices.SortFunc(p.Targets, func(a, b Target) int { return strings.Compare(string(a.Target), string(b.Target)) })
		for i := range p.Targets {
			if p.Targets[i].ABI == p.ABI {
				p.Targets[i].ABI = manifest.ABI{}
			}
		}
		out.Plugins = append(out.Plugins, p)
	}
	slices.SortFunc(out.Plugins, func(a, b Plugin) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func sortedCopy[T ~string](in []T) []T {
	if len(in) == 0 {
		return nil
	}
	out := slices.Clone(in)
	slices.Sort(out)
	return slices.Compact(out)
}

const (
	firstLines = "# Written by loadr: the exact bytes of every plugin for every platform.\n" +
		"# Keep it in version control next to " + ProjectName + "; it changes with loadr plugin install and remove.\n"
	// endLine is how a reader knows that nothing is missing at the end. It says nothing about the content, so that
	// two branches that both change the lock never differ in it.
	endLine = "# end of " + LockName
)

// Encode gives the text of the lock: the same bytes for the same content, whatever the order of its lists.
func (l *Lock) Encode() []byte {
	l = l.Canonical()
	w := &writer{}
	w.WriteString(firstLines)
	w.raw("version", fmt.Sprint(FormatVersion))
	w.section("[host]")
	for _, f := range slices.Sorted(maps.Keys(l.Host.ABI)) {
		w.text("abi."+quoteKey(string(f)), l.Host.ABI[f])
	}
	w.text("glibc", l.Host.Glibc)
	w.section("[options]")
	writeList(w, "targets", l.Targets)
	for _, p := range l.Plugins {
		w.plugin(p)
	}
	w.WriteString("\n" + endLine + "\n")
	return []byte(w.String())
}

// writer writes TOML, one value per line. Empty values are left out.
type writer struct{ strings.Builder }

func (w *writer) section(heading string) { w.WriteString("\n" + heading + "\n") }

func (w *writer) raw(key, value string) { w.WriteString(key + " = " + value + "\n") }

func (w *writer) text(key, value string) {
	if value != "" {
		w.raw(key, quote(value))
	}
}

func (w *writer) size(key string, bytes int64) { w.raw(key, fmt.Sprint(bytes)) }

func writeList[T ~string](w *writer, key string, values []T) {
	if len(values) == 0 {
		return
	}
	w.WriteString(key + " = [\n")
	for _, v := range values {
		w.WriteString("  " + quote(string(v)) + ",\n")
	}
	w.WriteString("]\n")
}

func dependencyTexts(dependencies []Dependency) (out []string) {
	for _, d := range dependencies {
		out = append(out, d.String())
	}
	return out
}

func (w *writer) plugin(p Plugin) {
	w.section("[[plugin]]")
	w.text("name", p.Name)
	w.text("version", p.Version)
	w.text("source", p.Source)
	w.text("index", string(p.Index))
	w.text("abi", p.ABI.String())
	w.text("requires-abi", p.RequiresABI)
	writeList(w, "dependencies", dependencyTexts(p.Dependencies))
	writeList(w, "signers", p.Signers)
	for _, t := range p.Targets {
		w.target(t, IsFileSource(p.Source))
	}
}

func (w *writer) target(t Target, file bool) {
	w.section("[[plugin.target]]")
	w.text("target", string(t.Target))
	w.text("abi", t.ABI.String())
	w.text("libc", t.Libc.String())
	if file {
		w.text("url", t.URL)
		w.text("archive", string(t.Archive))
		w.size("archive-size", t.ArchiveSize)
		w.text("entry", t.Entry)
		w.text("plugin-toml", string(t.PluginTOML))
	} else {
		w.text("manifest", string(t.Manifest))
		w.text("config", string(t.Config))
		w.size("config-size", t.ConfigSize)
		w.text("plugin-toml", string(t.PluginTOML))
		w.text("blob", string(t.Blob))
		w.text("blob-type", t.MediaType)
		w.size("blob-size", t.BlobSize)
	}
	w.text("library", string(t.Library))
	w.size("library-size", t.LibrarySize)
	w.text("layout", t.Layout)
}
