package install

import (
	"context"
	"errors"
	"sync"

	"github.com/loadr-plugins/loadr/cache"
	"github.com/loadr-plugins/loadr/internal/plugindir"
	"github.com/loadr-plugins/loadr/lockfile"
	"github.com/loadr-plugins/loadr/manifest"
	"github.com/loadr-plugins/loadr/registry"
)

// Installer does the work on one workspace. Its methods take the plugins directory's lock themselves; an Installer is
// used by one command at a time.
type Installer struct {
	Workspace *Workspace
	// Source is where plugins are looked up and fetched.
	Source registry.Source
	// Files is where plugins are found and fetched that are plain files.
	Files Files
	// Cache holds what was fetched.
	Cache *cache.Cache
	// Namespaces are the registry/namespace pairs and indexes in which a short name is looked up, the first one first in
	// messages.
	Namespaces []string
	// Machine is this machine and the host that will run the plugins: what a project without [host] starts from.
	Machine Machine
	// Concurrency bounds parallel look-ups and downloads; 0 means 16.
	Concurrency int
	// Events may be nil.
	Events *Events

	plugins *plugindir.Dir
	state   *plugindir.State // as begin found it
	offline bool
	noWait  bool
	using   cacheUse
	indexes sync.Map // by source: a function that reads it once
	// decoding is held by those who decompress.
	decoding chan struct{}
}

// Machine describes where plugins will run.
type Machine struct {
	Target manifest.Target            // empty where it is unknown
	Libc   manifest.Libc              // what the machine has
	ABI    map[manifest.Family]string // the host's interface versions
}

// Mode says what may decide which versions are installed.
type Mode int

// The modes, from the freest to the strictest.
const (
	Resolve Mode = iota // use the lock, resolve what is missing or no longer satisfies
	Locked              // loadr.toml and the lock must agree; nothing is resolved
	Frozen              // loadr.toml is not read; the lock alone decides
)

// Options are the choices of one command.
type Options struct {
	// Want are plugins to add or to change the range of.
	Want []registry.Reference
	// Plans are what test plans use. Lock adds those that loadr.toml does not name to it, and sees to it that what is
	// locked serves all of them.
	Plans []PlanPlugin
	// Files are plugins to add, or to exchange, that are archives: sources of files in their written form.
	Files []string
	// SHA256 are the digests, hexadecimal, that these archives may have; nil where nothing vouches for them.
	SHA256 []string
	// AllowUntrusted takes archives that nothing vouches for.
	AllowUntrusted bool
	Mode           Mode
	// Offline forbids every request.
	Offline bool
	// Target is the platform of the plugins directory; empty means this machine's.
	Target manifest.Target
	// AddTarget adds Target to the project's targets instead of refusing one that is not listed.
	AddTarget bool
	// HostABI overrides the host's interface versions, per family.
	HostABI map[manifest.Family]string
	// Prune removes installed plugins that the lock does not name.
	Prune bool
	// Force overwrites folders that were made by hand, and reads installed bytes again to replace altered ones.
	Force bool
	// NoWait fails when another process is at work on the directory.
	NoWait bool
}

// Install makes the plugins directory hold what the project and o.Want ask for, and records it in loadr.toml and
// loadr.lock. It either does all of it or changes nothing; an interrupted run is finished or undone by the next.
func (in *Installer) Install(ctx context.Context, o Options) (*Report, error) {
	release, err := in.begin(ctx, o)
	if err != nil {
		return nil, err
	}
	defer release()
	job, err := in.require(ctx, o) // requirements: loadr.toml and what was asked for
	if err != nil {
		return nil, err
	}
	job.what = "install"
	if o.Prune {
		job.what = "sync"
	}
	ctx = in.announce(ctx, job.requirements)
	if err := in.resolve(ctx, job); err != nil { // the lock: what was chosen, for every target
		return nil, err
	}
	return in.bringAbout(ctx, job)
}

// bringAbout makes the plugins directory and the project's files what was resolved.
func (in *Installer) bringAbout(ctx context.Context, job *job) (*Report, error) {
	items, err := in.plan(ctx, job) // what has to change in the plugins directory
	if err != nil {
		return nil, err
	}
	if err := in.fetch(ctx, items); err != nil { // bytes in the cache, every digest verified
		return nil, err
	}
	if err := in.check(ctx, job, items); err != nil { // what the libraries are, against their claims and the host
		return nil, err
	}
	return in.activate(ctx, job, items) // staged, swapped in, recorded: all or nothing
}

// Lock resolves and writes loadr.toml and loadr.lock without touching any plugin.
func (in *Installer) Lock(ctx context.Context, o Options) (*Report, error) {
	release, err := in.begin(ctx, o)
	if err != nil {
		return nil, err
	}
	defer release()
	job, err := in.require(ctx, o)
	if err != nil {
		return nil, err
	}
	job.what = "lock"
	if err := in.resolve(in.announce(ctx, job.requirements), job); err != nil {
		return nil, err
	}
	if err := job.checkPlans(); err != nil {
		return nil, err
	}
	return in.record(ctx, job)
}

// begin takes the plugins directory for this command alone. release also gives up the cache, where useCache took it.
func (in *Installer) begin(ctx context.Context, o Options) (release func() error, err error) {
	in.offline, in.noWait = o.Offline, o.NoWait
	leave, err := in.enter(ctx, o)
	if err != nil {
		return nil, err
	}
	return func() error { return errors.Join(in.leaveCache(), leave()) }, nil
}

// enter takes the directory's lock, finishes or undoes what an interrupted command left, and refuses a directory that
// belongs to another project before anything is asked of a registry.
func (in *Installer) enter(ctx context.Context, o Options) (leave func() error, err error) {
	dir := in.dir()
	leave, err = dir.Acquire(ctx, plugindir.AcquireOptions{NoWait: o.NoWait, Waiting: in.Events.waiting})
	if err != nil {
		return nil, err
	}
	recovered, err := dir.Recover(ctx)
	if err == nil {
		in.Events.recovered(recovered)
		err = in.readState()
	}
	if err != nil {
		leave()
		return nil, err
	}
	return leave, nil
}

// readState reads the directory's records, which nobody else changes until the command ends.
func (in *Installer) readState() (err error) {
	if in.state, err = in.dir().State(); err != nil {
		return err
	}
	if us := in.Workspace.Owner(); in.state.Owner != "" && in.state.Owner != us {
		return &plugindir.OwnerError{Dir: in.Workspace.Plugins, Owner: in.state.Owner, Wanted: us}
	}
	return nil
}

// job is one command's work as it goes from step to step.
type job struct {
	Options
	files                        // as read
	target       manifest.Target // of the plugins directory
	requirements []requirement   // sorted by name
	host         lockfile.Host   // what resolution is for
	targets      []manifest.Target
	writeHost    bool // loadr.toml does not have host yet
	writeTargets bool // loadr.toml does not have targets yet
	next         *lockfile.Lock
	text         []byte // what loadr.toml will be
	choices      []Choice
	warnings     []string
	updating                             // nothing for commands that keep what is locked
	what         string                  // the command, in a few words, for the generation that it makes
	restored     []plugindir.ProjectFile // by a rollback, in place of text and next
}
