package install

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/loadr-plugins/loadr/internal/archive"
	"github.com/loadr-plugins/loadr/internal/legacyindex"
	"github.com/loadr-plugins/loadr/internal/unpack"
	"github.com/loadr-plugins/loadr/loader"
	"github.com/loadr-plugins/loadr/lockfile"
	"github.com/loadr-plugins/loadr/manifest"
	"github.com/loadr-plugins/loadr/resolve"
)

// indexed is a plugin in loadr's JSON index.
type indexed struct {
	in     *Installer
	index  *legacyindex.Index
	src    string
	name   string
	quest  quest
	words  []string
	opened map[string]lockfile.Plugin // by version
}

func (p *indexed) source() string { return p.src }

func (p *indexed) versions() []string { return p.words }

// withdrawn: an index has no word for it; its owner takes the version out.
func (p *indexed) withdrawn(context.Context, string) (string, error) { return "", nil }

// inIndex gives a plugin in an index; nil where the index does not have it.
func (in *Installer) inIndex(ctx context.Context, source, name string, q quest) (place, error) {
	index, err := in.index(ctx, source)
	if err != nil {
		return nil, err
	}
	words, err := index.Versions(name)
	if words == nil || err != nil {
		return nil, err
	}
	return &indexed{in, index, source, name, q, words, map[string]lockfile.Plugin{}}, nil
}

// index reads an index, once.
func (in *Installer) index(ctx context.Context, source string) (*legacyindex.Index, error) {
	read := sync.OnceValues(func() (*legacyindex.Index, error) { return in.readIndex(ctx, source) })
	once, _ := in.indexes.LoadOrStore(source, read)
	return once.(func() (*legacyindex.Index, error))()
}

func (in *Installer) readIndex(ctx context.Context, source string) (*legacyindex.Index, error) {
	src, err := lockfile.ParseFileSource(source)
	if err != nil {
		return nil, err
	}
	text, err := in.fetcher().Text(ctx, src.Index, legacyindex.MaxSize)
	if err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	return legacyindex.Parse(src.Index, text)
}

// look fetches a version's files, since the index does not say what resolution must know; but not those of a version that
// is out of the question by what the index does say.
func (p *indexed) look(ctx context.Context, version string) (resolve.Offer, error) {
	offer := p.claim(version)
	exactly, err := resolve.ParseRange(version)
	if err != nil {
		return resolve.Offer{Version: version, Problem: err.Error()}, nil
	}
	if _, ok := resolve.Fits(resolve.Requirement{Name: p.name, Range: exactly}, p.quest.host, p.quest.targets, offer); !ok {
		return offer, nil
	}
	entry, err := p.lock(ctx, version)
	switch {
	case unsound(err):
		return resolve.Offer{Version: version, Problem: err.Error()}, nil
	case err != nil:
		return resolve.Offer{}, err
	}
	return offerOf(entry), nil
}

// unsound says whether an error is about what a file holds, and not about getting it.
func unsound(err error) bool {
	return errors.As(err, new(*archive.Error)) || errors.As(err, new(*unpack.Error)) || errors.As(err, new(*unpack.NoLibraryError)) ||
		errors.As(err, new(manifest.Errors)) || errors.As(err, new(*manifest.Error)) || errors.As(err, new(*loader.InspectError)) ||
		errors.As(err, new(*MismatchError))
}

// claim is what the index says. The family of the interface is not among it: the host's own is taken where the major
// version is the same.
func (p *indexed) claim(version string) resolve.Offer {
	offer := resolve.Offer{Version: version}
	v, err := p.index.Version(p.name, version)
	var bad *legacyindex.Error
	switch {
	case errors.As(err, &bad):
		offer.Problem = bad.Place + ": " + bad.Detail
	case err != nil:
		offer.Problem = err.Error()
	case len(v.Artifacts) == 0:
		offer.Problem = "the index names no file for any known platform"
	default:
		for target := range v.Artifacts {
			offer.Targets = append(offer.Targets, resolve.TargetOffer{Target: target, ABI: claimedABI(p.quest.host, target, v.MinABI)})
		}
	}
	return offer
}

func claimedABI(host resolve.Host, target manifest.Target, major int) manifest.ABI {
	if target == manifest.Neutral { // the number is about native plugins
		return manifest.ABI{Family: manifest.FamilyComponent, Version: host.ABI[manifest.FamilyComponent]}
	}
	for _, family := range []manifest.Family{manifest.FamilyNative, manifest.FamilyC} {
		if strings.HasPrefix(host.ABI[family], fmt.Sprintf("%d.", major)) {
			return manifest.ABI{Family: family, Version: host.ABI[family]}
		}
	}
	return manifest.ABI{Family: manifest.FamilyNative, Version: fmt.Sprintf("%d.0.0", major)}
}

func (p *indexed) lock(ctx context.Context, version string) (lockfile.Plugin, error) {
	if entry, ok := p.opened[version]; ok {
		return entry, nil
	}
	v, err := p.index.Version(p.name, version)
	if err != nil {
		return lockfile.Plugin{}, err
	}
	entry := lockfile.Plugin{Name: p.name, Version: version, Source: p.src}
	entry, err = p.in.assemble(ctx, entry, p.quest, func(t manifest.Target) (artifact, bool, error) {
		a, ok := v.Artifacts[t]
		if !ok {
			a, ok = v.Artifacts[manifest.Neutral]
		}
		return artifact{location: a.Location, digest: a.Digest, vouched: true, entry: a.Entry, plugin: p.name, version: version}, ok, nil
	})
	if err == nil {
		p.opened[version] = entry
	}
	return entry, err
}

// verifyIndex asks an index whether the version is still what was locked. Nobody can be asked about a single archive; other
// bytes in its place are noticed when they are fetched.
func (in *Installer) verifyIndex(ctx context.Context, p lockfile.Plugin, add func(FindingCode, string, ...any)) error {
	if !lockfile.IsIndex(p.Source) {
		return nil
	}
	index, err := in.index(ctx, p.Source)
	if err != nil {
		return err
	}
	location := strings.TrimPrefix(p.Source, "index+")
	words, err := index.Versions(p.Name)
	if err != nil {
		return err
	}
	if !slices.Contains(words, p.Version) {
		add(Moved, "index %s no longer has version %s", location, p.Version)
		return nil
	}
	v, err := index.Version(p.Name, p.Version)
	if err != nil {
		return err
	}
	for _, t := range p.Targets {
		if !has(v, t) {
			add(Moved, "index %s no longer has what was locked for %s: expected %s, found %s", location, t.Target, t.Archive,
				orNone(string(v.Artifacts[t.Target].Digest)))
		}
	}
	return nil
}

// has says whether an index names the file of a locked target. A component's may be listed for any platform.
func has(v *legacyindex.Version, t lockfile.Target) bool {
	for target, a := range v.Artifacts {
		if a.Digest == t.Archive && (target == t.Target || t.Target == manifest.Neutral) {
			return true
		}
	}
	return false
}
