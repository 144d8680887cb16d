package install

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/internal/github"
	"github.com/loadr-plugins/loadr/internal/obtain"
	"github.com/loadr-plugins/loadr/internal/unpack"
	"github.com/loadr-plugins/loadr/lockfile"
	"github.com/loadr-plugins/loadr/manifest"
	"github.com/loadr-plugins/loadr/resolve"
)

// artifact is the file for one platform.
type artifact struct {
	location string        // a URL, or file:PATH
	digest   digest.Digest // that it must have; empty: not known
	vouched  bool          // by an index, which the user chose to trust
	// What an index says besides; empty where none does.
	entry, plugin, version string
}

// vouched says which archives may be taken for which no index vouches.
type vouched struct {
	digests []string // hexadecimal; these alone; nil: none in particular
	// Without digests:
	all    bool                     // whatever comes
	locked map[string]digest.Digest // by location: what the lock says
}

// expected is the only digest that an archive may have, as far as that is known. One that somebody vouches for is not: it may be
// another platform's.
func (v vouched) expected(a artifact) digest.Digest {
	switch {
	case a.digest != "":
		return a.digest
	case v.digests == nil && !v.all:
		return v.locked[a.location]
	}
	return ""
}

// accept judges the digest that an archive turned out to have.
func (v vouched) accept(a artifact, got digest.Digest) error {
	if want := v.expected(a); want != "" && want != got {
		return &FileDigestError{obtain.Name(a.location), []digest.Digest{want}, got}
	}
	switch {
	case a.vouched, slices.Contains(v.digests, got.Encoded()):
		return nil
	case v.digests != nil:
		e := &FileDigestError{File: obtain.Name(a.location), Got: got}
		for _, hex := range v.digests {
			e.Want = append(e.Want, digest.NewDigestFromEncoded(digest.SHA256, hex))
		}
		return e
	case v.all, v.locked[a.location] == got:
		return nil
	}
	return &UntrustedError{[]Untrusted{{obtain.Name(a.location), got}}}
}

// quest says what a requirement is looked up for.
func (j *job) quest(r requirement) quest {
	q := quest{target: j.target, targets: j.targets, host: resolveHost(j.host)}
	q.vouched = vouched{digests: r.sha256, all: j.AllowUntrusted, locked: map[string]digest.Digest{}}
	if j.lock == nil {
		return q
	}
	for _, entry := range j.lock.Plugins {
		if entry.Source != r.source { // by source: an archive that was just asked for has no name yet
			continue
		}
		for _, t := range entry.Targets {
			q.vouched.locked[t.URL] = t.Archive
		}
	}
	return q
}

// accepts says whether the archives of a locked plugin may still be the plugin.
func (r requirement) accepts(entry lockfile.Plugin) bool {
	return r.sha256 == nil || !slices.ContainsFunc(entry.Targets, func(t lockfile.Target) bool {
		return !slices.Contains(r.sha256, t.Archive.Encoded())
	})
}

// single is a plugin that is one archive for each platform, and has the version that is inside.
type single struct{ entry lockfile.Plugin }

func (p *single) source() string { return p.entry.Source }

func (p *single) versions() []string { return []string{p.entry.Version} }

func (p *single) look(context.Context, string) (resolve.Offer, error) { return offerOf(p.entry), nil }

// withdrawn: nobody can, who publishes a file.
func (p *single) withdrawn(context.Context, string) (string, error) { return "", nil }

func (p *single) lock(context.Context, string) (lockfile.Plugin, error) { return p.entry, nil }

// openFiles opens the archives that were asked for: how their plugins are called is written inside.
func (in *Installer) openFiles(ctx context.Context, j *job) error {
	for _, source := range j.Files {
		r := requirement{source: source, sha256: j.SHA256, asked: true}
		same := slices.IndexFunc(j.requirements, func(old requirement) bool { return old.source == source })
		if same >= 0 && j.SHA256 == nil && !j.AllowUntrusted {
			r.sha256 = j.requirements[same].sha256
		}
		opened, err := in.filesAt(ctx, source, "", j.quest(r))
		if err != nil {
			return err
		}
		r.opened = opened
		entry, _ := opened.lock(ctx, "")
		r.name, r.written = entry.Name, entry.Version
		if r.rng, err = resolve.ParseRange(entry.Version); err != nil {
			return &MismatchError{Plugin: r.name, Part: "version", Want: "one without build metadata", Got: entry.Version}
		}
		i := slices.IndexFunc(j.requirements, func(old requirement) bool { return old.name == r.name })
		switch {
		case i < 0:
			j.requirements = append(j.requirements, r)
		case j.requirements[i].asked:
			return &UsageError{fmt.Sprintf("plugin %q: named twice", r.name)}
		default:
			j.requirements[i] = r
		}
	}
	slices.SortFunc(j.requirements, func(a, b requirement) int { return strings.Compare(a.name, b.name) })
	return nil
}

// archived is what loadr.toml says of a plugin that is an archive: its place, and the digests if somebody vouched for them.
func archived(r requirement, entry lockfile.Plugin) lockfile.ProjectPlugin {
	p := lockfile.ProjectPlugin{Name: entry.Name, Version: entry.Version, URL: entry.Source}
	if r.sha256 != nil {
		for _, t := range entry.Targets {
			p.SHA256 = append(p.SHA256, t.Archive.Encoded())
		}
	}
	return p
}

// filesAt gives a plugin in a source of files; nil where the source does not have it. The name is empty for an archive that
// has yet to say it.
func (in *Installer) filesAt(ctx context.Context, source, name string, q quest) (place, error) {
	src, err := lockfile.ParseFileSource(source)
	if err != nil {
		return nil, err
	}
	if src.Index != "" {
		return in.inIndex(ctx, source, name, q)
	}
	entry := lockfile.Plugin{Name: name, Source: source}
	if len(q.targets) == 0 {
		return &single{entry}, nil
	}
	at, err := in.artifacts(ctx, source, src)
	if err != nil {
		return nil, err
	}
	if entry, err = in.assemble(ctx, entry, q, at); err != nil {
		return nil, err
	}
	return &single{entry}, nil
}

// artifacts says where the archive for each target is, for a source that is no index.
func (in *Installer) artifacts(ctx context.Context, source string, src lockfile.FileSource) (func(manifest.Target) (artifact, bool, error), error) {
	if src.GitHub == (lockfile.GitHubRelease{}) {
		return func(t manifest.Target) (artifact, bool, error) { return artifact{location: src.For(t)}, true, nil }, nil
	}
	release, err := in.release(ctx, source, src.GitHub)
	return func(t manifest.Target) (artifact, bool, error) {
		asset, ok, err := release.For(t)
		return artifact{location: asset.URL, digest: asset.Digest}, ok, err
	}, err
}

// release asks GitHub for a release.
func (in *Installer) release(ctx context.Context, source string, r lockfile.GitHubRelease) (*github.Release, error) {
	text, err := in.fetcher().Text(ctx, github.Address(in.Files.GitHub, r), github.MaxSize)
	if err != nil {
		return nil, fmt.Errorf("release %s: %w", source, err)
	}
	return github.Parse(source, r.Tag, text)
}

// assemble opens the file for every target asked for, and adds to entry what is in them. Targets without a file, or with one
// that is no library for them, are left out; that none is left is an error.
func (in *Installer) assemble(ctx context.Context, entry lockfile.Plugin, q quest, at func(manifest.Target) (artifact, bool, error)) (lockfile.Plugin, error) {
	var untrusted []Untrusted
	var none error = &unpack.NoLibraryError{File: obtain.Name(entry.Source), Target: q.targets[0], Detail: "there is no file for it"}
	seen := map[string]digest.Digest{} // by location: what need not be fetched again
	for _, t := range q.targets {
		a, ok, err := at(t)
		if err != nil {
			return entry, err
		}
		if !ok {
			continue
		}
		if d, ok := seen[a.location]; ok {
			a.digest = d
		}
		seen[a.location], err = in.openInto(ctx, &entry, t, a, q.vouched)
		var unvouched *UntrustedError
		switch {
		case errors.As(err, &unvouched):
			untrusted = append(untrusted, unvouched.Files...)
		case errors.As(err, new(*unpack.NoLibraryError)):
			none = err
		case err != nil:
			return entry, err
		}
	}
	switch {
	case len(untrusted) > 0:
		return entry, &UntrustedError{slices.Compact(untrusted)}
	case len(entry.Targets) == 0:
		return entry, none
	}
	return entry, nil
}

// openInto adds to entry what the file for one target holds, and gives the file's digest as far as it was fetched.
func (in *Installer) openInto(ctx context.Context, entry *lockfile.Plugin, t manifest.Target, a artifact, v vouched) (digest.Digest, error) {
	if err := in.useCache(ctx); err != nil {
		return a.digest, err
	}
	files := in.fetcher()
	accept := func(got digest.Digest) error { return v.accept(a, got) }
	file, archive, err := files.File(ctx, a.location, v.expected(a), accept)
	if err != nil {
		return a.digest, err
	}
	p, _, err := files.Unpack(ctx, unpack.File{
		Path: file, Name: obtain.Name(a.location), Target: t, Entry: a.entry, Plugin: a.plugin, Version: a.version,
	})
	if err != nil {
		return archive.Digest, err
	}
	is := lockfile.Plugin{
		Name: p.Manifest.Plugin.Name, Version: p.Manifest.Plugin.Version, ABI: p.Report.ABI.ABI(),
		RequiresABI: p.Manifest.Requires.ABI, Dependencies: dependencies(p.Manifest.Requires.Plugins),
	}
	if err := join(entry, is, a.location); err != nil {
		return archive.Digest, err
	}
	if !slices.ContainsFunc(entry.Targets, func(has lockfile.Target) bool { return has.Target == p.Target }) { // not a component again
		entry.Targets = append(entry.Targets, lockfile.Target{
			Target: p.Target, ABI: is.ABI, Libc: p.Report.Libc, Layout: p.Report.ABI.Layout,
			URL: a.location, Archive: archive.Digest, ArchiveSize: archive.Size, Entry: p.Entry,
			PluginTOML: digest.FromBytes(p.Text), Library: p.Report.Digest, LibrarySize: p.Report.Size,
		})
	}
	return archive.Digest, nil
}

// join holds one file's plugin against what is known already, and fills in what is not.
func join(entry *lockfile.Plugin, is lockfile.Plugin, location string) error {
	name, version := entry.Name, entry.Version
	if name == "" {
		entry.Name = is.Name
	}
	if version == "" {
		entry.Version = is.Version
	}
	if len(entry.Targets) == 0 {
		entry.ABI, entry.RequiresABI, entry.Dependencies = is.ABI, is.RequiresABI, is.Dependencies
	}
	for _, c := range []struct{ part, want, got string }{
		{"name", entry.Name, is.Name},
		{"version", entry.Version, is.Version},
		{"[requires]", fmt.Sprint(entry.RequiresABI, entry.Dependencies), fmt.Sprint(is.RequiresABI, is.Dependencies)},
	} {
		if c.want != c.got {
			return &MismatchError{Plugin: entry.Name, Part: c.part + " in " + obtain.Name(location), Want: c.want, Got: c.got, Claim: true}
		}
	}
	return nil
}

// FileSource gives the source, in its written form, that an archive at path is: relative to the project's folder, so that
// others find it who have the folder, or absolute outside of a project.
func (w *Workspace) FileSource(file string) (string, error) {
	file, err := filepath.Abs(file)
	if err != nil {
		return "", err
	}
	if w.Root != "" {
		if rel, err := filepath.Rel(w.Root, file); err == nil {
			file = rel
		}
	}
	return lockfile.FileLocation(filepath.ToSlash(file)), nil
}

// outside says whether a source lies on this machine and not in the project's folder.
func outside(source string) bool {
	location := strings.TrimPrefix(source, "index+")
	file, ok := lockfile.PathOf(location)
	return ok && (path.IsAbs(file) || filepath.IsAbs(filepath.FromSlash(file)) || strings.HasPrefix(path.Clean(file), "../"))
}
