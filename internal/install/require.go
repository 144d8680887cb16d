package install

import (
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
	source  string        // registry/namespace; empty: look in every namespace
	digest  digest.Digest // of the index; empty: any
	asked   bool          // on the command line, so that loadr.toml is written
}

// require reads the project and merges what was asked for into its requirements.
func (in *Installer) require(o Options) (*job, error) {
	if len(o.Want) > 0 && o.Mode != Resolve {
		return nil, &UsageError{"--locked and --frozen take no plugin names: they install what the lock names"}
	}
	files, err := in.Workspace.readFiles()
	if err != nil {
		return nil, err
	}
	j := &job{Options: o, files: *files, text: files.projectText}
	if j.target, err = in.installTarget(o); err != nil {
		return nil, err
	}
	if o.Mode == Frozen {
		return j, in.frozen(j)
	}
	if j.requirements, err = mergeRequirements(files.project, o.Want); err != nil {
		return nil, err
	}
	return j, in.settleHost(j)
}

func (in *Installer) frozen(j *job) error {
	if j.lock == nil {
		return &NoLockError{in.Workspace.LockFile}
	}
	j.host, j.targets = j.lock.Host, j.lock.Targets
	return j.checkTarget(in.Workspace)
}

func mergeRequirements(project *lockfile.Project, want []registry.Reference) ([]requirement, error) {
	byName := map[string]requirement{}
	for _, p := range project.Plugins {
		rng, err := resolve.ParseRange(p.Version)
		if err != nil {
			return nil, project.ErrorAt(p, err)
		}
		byName[p.Name] = requirement{name: p.Name, rng: rng, written: p.Version, source: p.Registry}
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
		r.source = ref.Repository().Source()
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
func (in *Installer) settleHost(j *job) error {
	j.host, j.targets = j.project.Host, slices.Clone(j.project.Targets)
	if j.host.IsZero() {
		j.host = in.machineHost()
		j.writeHost = true
	}
	if len(j.HostABI) > 0 {
		j.host.ABI = maps.Clone(j.host.ABI)
		maps.Copy(j.host.ABI, j.HostABI)
		j.writeHost = true
	}
	if len(j.targets) == 0 || j.AddTarget && !slices.Contains(j.targets, j.target) {
		j.targets = append(j.targets, j.target)
		j.writeTargets = true
	}
	return j.checkTarget(in.Workspace)
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
