package airgap

import (
	"context"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/loadr-plugins/loadr/lockfile"
	"github.com/loadr-plugins/loadr/manifest"
	"github.com/loadr-plugins/loadr/registry"
)

// Plugin is one release that was moved.
type Plugin struct {
	Name      string            `json:"name"`
	Version   string            `json:"version"`
	Source    string            `json:"source"`    // registry/namespace that it belongs to, or where archives come from
	Index     string            `json:"index"`     // digest; empty for a plugin that is archives
	Targets   []manifest.Target `json:"targets"`   // those whose libraries are in it
	Referrers int               `json:"referrers"` // manifests that refer to it: signatures, withdrawals, ...
}

// TargetError says that a locked plugin has nothing for a platform.
type TargetError struct {
	Plugin  string            `json:"plugin"`
	Version string            `json:"version"`
	Target  manifest.Target   `json:"target"`
	Has     []manifest.Target `json:"has"`
}

func (e *TargetError) Error() string {
	return fmt.Sprintf("plugin %q %s: has no library for %s (has: %s)", e.Plugin, e.Version, e.Target, joinTargets(e.Has))
}

// Hint says how to change that.
func (e *TargetError) Hint() string {
	return "leave the platform out, or add it to loadr.toml's targets and lock a version that has it"
}

// SourceError says that a locked plugin does not come from a registry.
type SourceError struct {
	Plugin  string `json:"plugin"`
	Version string `json:"version"`
	Source  string `json:"source"`
}

func (e *SourceError) Error() string {
	return fmt.Sprintf("plugin %q %s: comes from %s: expected a registry and namespace", e.Plugin, e.Version, e.Source)
}

// Hint says what to do.
func (e *SourceError) Hint() string {
	if lockfile.IsIndex(e.Source) {
		return "mirrors hold what registries do: copy it from the index into one with 'loadr plugin import', and install it from there"
	}
	return "mirrors hold what registries do: publish it to one, and install it from there; 'loadr plugin bundle' takes it as it is"
}

// locked is one plugin of a lock with everything that belongs to it.
type locked struct {
	repo     registry.Repository
	artifact *registry.Artifact
	attached []registry.Document
	chosen   []manifest.Target // of the release; sorted
}

// read reads a locked plugin's manifests, and holds them against the lock.
func (m *Mover) read(ctx context.Context, p lockfile.Plugin, targets []manifest.Target) (*locked, error) {
	host, namespace, err := registry.ParseNamespace(p.Source)
	if err != nil {
		return nil, &SourceError{p.Name, p.Version, p.Source}
	}
	l := &locked{repo: registry.Repository{Registry: host, Namespace: namespace, Name: p.Name}}
	if l.chosen, err = choose(p, targets); err != nil {
		return nil, err
	}
	if err := m.readDocuments(ctx, l, p.Index); err != nil {
		return nil, err
	}
	return l, l.agrees(p)
}

// maxTexts bounds the manifests that one command holds in memory, in bytes: those of some thousand ordinary plugins.
const maxTexts = 256 << 20

// readDocuments reads a release's manifests, and those of what refers to it.
func (m *Mover) readDocuments(ctx context.Context, l *locked, index digest.Digest) (err error) {
	if l.artifact, err = m.From.Artifact(ctx, l.repo, index); err != nil {
		return err
	}
	if l.attached, err = m.From.Attached(ctx, l.repo, index); err != nil {
		return err
	}
	var bytes int64
	for _, doc := range slices.Concat([]registry.Document{l.artifact.Index}, l.artifact.Platforms, l.attached) {
		bytes += doc.Descriptor.Size
	}
	if m.texts.Add(bytes) > maxTexts {
		return fmt.Errorf("%s: with this plugin, the manifests have more than %d bytes: copy fewer plugins at once", l.repo, maxTexts)
	}
	return nil
}

// choose gives the libraries of a plugin that serve the targets; all of them for no targets.
func choose(p lockfile.Plugin, targets []manifest.Target) (out []manifest.Target, err error) {
	var has []manifest.Target
	for _, t := range p.Targets {
		has = append(has, t.Target)
	}
	if len(targets) == 0 {
		return has, nil
	}
	for _, t := range targets {
		serves, ok := p.For(t)
		if !ok {
			return nil, &TargetError{p.Name, p.Version, t, has}
		}
		out = append(out, serves.Target)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// agrees compares the release with the lock: the index digest says that it is the same one, unless somebody has changed the
// lock's other digests, and then an install would look for blobs that the copy does not have.
func (l *locked) agrees(p lockfile.Plugin) error {
	if p.Version != l.artifact.Release.Version {
		return l.differs(p, "version", p.Version, l.artifact.Release.Version)
	}
	for _, t := range p.Targets {
		i := slices.IndexFunc(l.artifact.Release.Targets, func(r registry.ReleaseTarget) bool { return r.Target == t.Target })
		if i < 0 {
			return l.differs(p, "target", string(t.Target), "none")
		}
		r := l.artifact.Release.Targets[i]
		if t.Blob != r.Library.Digest {
			return l.differs(p, "library for "+string(t.Target), t.Blob.String(), r.Library.Digest.String())
		}
		if t.Config != r.ConfigDescriptor.Digest {
			return l.differs(p, "config for "+string(t.Target), t.Config.String(), r.ConfigDescriptor.Digest.String())
		}
	}
	return nil
}

func (l *locked) differs(p lockfile.Plugin, part, want, got string) error {
	return &registry.IntegrityError{Object: fmt.Sprintf("plugin %q %s: %s in the lock", p.Name, p.Version, part), Want: want, Got: got}
}

// blobs lists what is copied besides manifests: of platforms that were not chosen the config alone, which resolution
// may ask for.
func (l *locked) blobs() (out []v1.Descriptor) {
	for i, t := range l.artifact.Release.Targets {
		out = append(out, t.ConfigDescriptor) // first: this descriptor has the config's text
		if slices.Contains(l.chosen, t.Target) {
			out = append(out, l.artifact.Platforms[i].Blobs...)
		}
	}
	for _, doc := range l.attached {
		out = append(out, doc.Blobs...)
	}
	return out
}

func (l *locked) plugin() Plugin {
	p := Plugin{
		Name: l.repo.Name, Version: l.artifact.Release.Version, Source: l.repo.Source(),
		Index: l.artifact.Release.Digest.String(), Targets: l.chosen,
	}
	for _, doc := range l.attached {
		if doc.Subject != "" {
			p.Referrers++
		}
	}
	return p
}
