package install

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/lockfile"
	"github.com/loadr-plugins/loadr/manifest"
	"github.com/loadr-plugins/loadr/registry"
	"github.com/loadr-plugins/loadr/resolve"
)

// requirement is one plugin that is wanted, from loadr.toml or from the command line.
type requirement struct {
	name    string
	rng     resolve.Range
	written string        // the range as written; empty: any version
	source  string        // registry/namespace or a source of files; empty: look in every namespace
	digest  digest.Digest // of the index; empty: any
	sha256  []string      // that archives may have; nil: nothing vouches for any
	asked   bool          // on the command line, so that loadr.toml is written
	opened  place         // where it was looked at already; nil: nowhere
}

// require reads the project and merges what was asked for into its requirements.
func (in *Installer) require(ctx context.Context, o Options) (*job, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	j := &job{Options: o}
	if err := j.readLock(in.Workspace); err != nil {
		return nil, err
	}
	var err error
	if j.target, err = in.installTarget(o); err != nil {
		return nil, err
	}
	if o.Mode == Frozen {
		return j, in.frozen(j)
	}
	if err := in.readWants(j); err != nil {
		return nil, err
	}
	if err := j.checkTarget(in.Workspace); err != nil {
		return nil, err
	}
	return j, in.openFiles(ctx, j)
}

// survey reads the project for a command that only asks: it installs nothing, so it works on any platform.
func (in *Installer) survey() (*job, error) {
	j := &job{target: in.Machine.Target}
	if err := j.readLock(in.Workspace); err != nil {
		return nil, err
	}
	return j, in.readWants(j)
}

// readWants reads loadr.toml, and merges what was asked for into its requirements.
func (in *Installer) readWants(j *job) (err error) {
	if err := j.readProject(in.Workspace); err != nil {
		return err
	}
	j.text = j.projectText
	if j.requirements, err = mergeRequirements(j.project, slices.Concat(j.Want, j.planned())); err != nil {
		return err
	}
	j.belong()
	in.settleHost(j)
	return nil
}

// check refuses what contradicts itself: a lock that decides alone leaves no choices.
func (o *Options) check() error {
	if o.Mode != Resolve && len(o.Want)+len(o.Files)+len(o.HostABI) > 0 || o.Mode != Resolve && o.AddTarget {
		return &UsageError{"--locked and --frozen install what the lock names: they take no plugin names, no --host-abi and no --add-target"}
	}
	seen := map[string]bool{}
	for _, ref := range o.Want {
		if seen[ref.Name] {
			return &UsageError{fmt.Sprintf("plugin %q: named twice", ref.Name)}
		}
		seen[ref.Name] = true
	}
	return nil
}

// frozen takes everything from the lock.
func (in *Installer) frozen(j *job) error {
	if j.lock == nil {
		return &NoLockError{in.Workspace.LockFile}
	}
	j.host, j.targets = j.lock.Host, j.lock.Targets
	j.requirements = lockedRequirements(j.lock)
	return j.checkTarget(in.Workspace)
}

// lockedRequirements are a lock's plugins, at the places they belong to.
func lockedRequirements(lock *lockfile.Lock) (out []requirement) {
	for _, p := range lock.Plugins {
		out = append(out, requirement{name: p.Name, source: p.Source})
	}
	return out
}

func mergeRequirements(project *lockfile.Project, want []registry.Reference) ([]requirement, error) {
	byName := map[string]requirement{}
	for _, p := range project.Plugins {
		rng, err := resolve.ParseRange(p.Version)
		if err != nil {
			return nil, project.ErrorAt(p, err)
		}
		byName[p.Name] = requirement{name: p.Name, rng: rng, written: p.Version, source: cmp.Or(p.Registry, p.URL), sha256: p.SHA256}
	}
	for _, ref := range want {
		r, err := byName[ref.Name].with(ref)
		if err != nil {
			return nil, err
		}
		byName[ref.Name] = r
	}
	return slices.SortedFunc(maps.Values(byName), func(a, b requirement) int { return strings.Compare(a.name, b.name) }), nil
}

// with lays what was asked for on the command line over what the project says.
func (r requirement) with(ref registry.Reference) (requirement, error) {
	r.name, r.asked, r.digest = ref.Name, true, ref.Digest
	if !ref.Short() {
		if lockfile.IsFileSource(r.source) && home(r.source) == "" { // the version was the archive's, and nobody's choice
			r.written, r.rng = "", resolve.Range{}
		}
		r.source, r.sha256 = ref.Repository().Source(), nil
	}
	if ref.Digest != "" {
		r.written, r.rng = "", resolve.Range{}
	}
	if ref.Range == "" {
		return r, nil
	}
	rng, err := resolve.ParseRange(ref.Range)
	if err != nil {
		return r, fmt.Errorf("reference %q: %w", ref.String(), err)
	}
	r.written, r.rng = ref.Range, rng
	return r, nil
}

// belong gives requirements that name no source the one they are locked from: where a locked plugin belongs does not
// change because namespaces were configured, or a plugin of its name has appeared in one of them.
func (j *job) belong() {
	for i, r := range j.requirements {
		if entry, ok := j.locked(r.name); ok && r.source == "" {
			j.requirements[i].source = entry.Source
		}
	}
}

// installTarget is the platform of the plugins directory.
func (in *Installer) installTarget(o Options) (manifest.Target, error) {
	target := o.Target
	if target == "" {
		target = in.Machine.Target
	}
	if target == "" {
		return "", &UsageError{"this machine's platform is not known; name it with --target"}
	}
	return target, nil
}

// settleHost decides what resolution is for: loadr.toml's [host] and targets, and this machine's where the project does
// not say yet, which is then written down so that the next machine gets the same answer.
func (in *Installer) settleHost(j *job) {
	j.host, j.targets = j.project.Host, slices.Clone(j.project.Targets)
	if j.host.IsZero() {
		j.host = in.machineHost()
		j.writeHost = true
	}
	if len(j.HostABI) > 0 {
		abi := map[manifest.Family]string{}
		maps.Copy(abi, j.host.ABI)
		maps.Copy(abi, j.HostABI)
		j.host.ABI, j.writeHost = abi, true
	}
	if len(j.targets) == 0 && j.target != "" || j.AddTarget && !slices.Contains(j.targets, j.target) {
		j.targets = append(j.targets, j.target)
		j.writeTargets = true
	}
}

func (in *Installer) machineHost() lockfile.Host {
	host := lockfile.Host{ABI: maps.Clone(in.Machine.ABI)}
	if in.Machine.Libc.Name == manifest.Glibc {
		host.Glibc = in.Machine.Libc.Version
	}
	return host
}

// checkTarget refuses a platform that the project does not list: what is locked was chosen for those alone.
func (j *job) checkTarget(ws *Workspace) error {
	if slices.Contains(j.targets, j.target) {
		return nil
	}
	return &TargetError{Target: j.target, Targets: j.targets, Project: ws.ProjectFile}
}
