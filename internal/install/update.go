package install

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/loadr-plugins/loadr/lockfile"
	"github.com/loadr-plugins/loadr/registry"
	"github.com/loadr-plugins/loadr/resolve"
)

// UpdateOptions are the choices of an update.
type UpdateOptions struct {
	// Options are those of an install. Want names the plugins to update, none meaning all; a range in it replaces that
	// in loadr.toml.
	Options
	// DryRun finds out what would change, and writes nothing.
	DryRun bool
}

// UpdateReport is what an update did, or would do.
type UpdateReport struct {
	// Updates are the plugins that were to be updated and all others whose entry in the lock changed, sorted by name.
	Updates []Update `json:"updates"`
	DryRun  bool     `json:"dry_run"`
	Report
}

// Update is what became of one plugin.
type Update struct {
	Name   string       `json:"name"`
	Action UpdateAction `json:"action"`
	From   string       `json:"from,omitempty"` // locked before; empty for an added one
	To     string       `json:"to,omitempty"`   // locked now; empty for a removed one
	// Reasons say why it is no newer version, newest first. An older version than before has the reason against From among
	// them.
	Reasons []resolve.Rejection `json:"reasons"`
}

// UpdateAction is what an update does with a plugin.
type UpdateAction string

// The actions.
const (
	Updated    UpdateAction = "updated"
	Downgraded UpdateAction = "downgraded"
	Relocked   UpdateAction = "relocked" // the same version, from another source
	Added      UpdateAction = "added"    // others require it now
	Dropped    UpdateAction = "dropped"  // nobody requires it any more
	Held       UpdateAction = "kept"
)

// updating is what an update does differently from an install.
type updating struct {
	renew map[string]bool // to be chosen as if they were not locked
	loose map[string]bool // required by these alone, so that they may change along
	held  map[string][]resolve.Rejection
}

// Update chooses the newest versions that the project allows, of the plugins named in o.Want or of all, and brings them
// about as Install does. Other plugins stay at their locked versions if that leaves a solution. A plugin that has no
// version that fits any more is kept, if what is locked still serves.
func (in *Installer) Update(ctx context.Context, o UpdateOptions) (*UpdateReport, error) {
	if !o.DryRun {
		release, err := in.begin(ctx, o.Options)
		if err != nil {
			return nil, err
		}
		defer release()
	}
	j, err := in.requireUpdate(ctx, o.Options)
	if err != nil {
		return nil, err
	}
	j.what = "update"
	events := in.Events
	in.Events = events.withoutChosen() // the report says it
	err = in.resolve(in.announce(ctx, j.requirements), j)
	in.Events = events
	if err != nil {
		return nil, err
	}
	report := in.report(j)
	if o.DryRun {
		in.change(j, report)
	} else if report, err = in.bringAbout(ctx, j); err != nil {
		return nil, err
	}
	updates := j.updates()
	report.Warnings = append(j.setbacks(updates), report.Warnings...)
	return &UpdateReport{Updates: updates, DryRun: o.DryRun, Report: *report}, nil
}

// setbacks are the updates that nobody who asks for newer versions expects.
func (j *job) setbacks(updates []Update) []string {
	warnings := []string{}
	for _, u := range updates {
		_, held := j.held[u.Name]
		switch {
		case u.Action == Downgraded:
			warnings = append(warnings, fmt.Sprintf("%s: downgraded from %s to %s: %s", u.Name, u.From, u.To, u.against(u.From)))
		case held:
			warnings = append(warnings, fmt.Sprintf("%s: nothing that is offered fits: kept at %s, which is locked", u.Name, u.To))
		}
	}
	return warnings
}

// against gives the reason against a version.
func (u Update) against(version string) string {
	i := slices.IndexFunc(u.Reasons, func(r resolve.Rejection) bool { return r.Version == version })
	if i < 0 {
		return "it is not offered where the plugin comes from now"
	}
	return u.Reasons[i].Detail
}

// requireUpdate reads the project, and decides which locked versions count for what.
func (in *Installer) requireUpdate(ctx context.Context, o Options) (*job, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	named := o.Want
	o.Want = slices.DeleteFunc(slices.Clone(named), func(r registry.Reference) bool { return r.Range == "" })
	j, err := in.require(ctx, o)
	if err != nil {
		return nil, err
	}
	if len(named) == 0 {
		j.renewAll()
		return j, nil
	}
	j.renew, j.held = map[string]bool{}, map[string][]resolve.Rejection{}
	for _, ref := range named {
		if err := j.checkNamed(ref, in.Workspace); err != nil {
			return nil, err
		}
		j.renew[ref.Name] = true
	}
	j.loose = j.alongWith(j.renew)
	return j, nil
}

// renewAll makes resolution look at everything as if it were not locked.
func (j *job) renewAll() {
	j.renew, j.held = map[string]bool{}, map[string][]resolve.Rejection{}
	for _, name := range j.names() {
		j.renew[name] = true
	}
}

// checkNamed refuses what an update can't be asked for.
func (j *job) checkNamed(ref registry.Reference, ws *Workspace) error {
	_, asked := j.project.Plugin(ref.Name)
	_, locked := j.locked(ref.Name)
	switch {
	case !ref.Short() || ref.Digest != "":
		return &UsageError{fmt.Sprintf("update: %s: expected NAME or NAME@RANGE; 'loadr plugin install' changes where a plugin comes from", ref)}
	case !asked && !locked:
		return &NotInProjectError{ref.Name, ws.ProjectFile}
	case !asked && ref.Range != "":
		return &UsageError{fmt.Sprintf("update: %s: the plugin is only required by %v, so there is no range in loadr.toml to change; 'loadr plugin install' adds one",
			ref, requiring(j.lock, ref.Name))}
	}
	return nil
}

// names are the plugins that are asked for or locked.
func (j *job) names() []string {
	names := map[string]bool{}
	for _, r := range j.requirements {
		names[r.name] = true
	}
	if j.lock != nil {
		for _, p := range j.lock.Plugins {
			names[p.Name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// alongWith gives what plugins require, directly or not, as far as the project does not ask for it itself.
func (j *job) alongWith(plugins map[string]bool) map[string]bool {
	out := map[string]bool{}
	queue := slices.Collect(maps.Keys(plugins))
	for len(queue) > 0 {
		p, _ := j.locked(queue[0])
		queue = queue[1:]
		for _, d := range p.Dependencies {
			if !out[d.Name] && !plugins[d.Name] && !j.requires(d.Name) {
				out[d.Name] = true
				queue = append(queue, d.Name)
			}
		}
	}
	return out
}

// updates compares the lock with what it will be.
func (j *job) updates() []Update {
	changes := map[string]lockfile.Change{}
	for _, c := range lockfile.Diff(j.lock, j.next) {
		changes[c.Name] = c
	}
	names := maps.Clone(j.renew)
	for name := range changes {
		names[name] = true
	}
	for name := range j.held {
		names[name] = true
	}
	out := []Update{}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		out = append(out, j.update(name, changes[name]))
	}
	return out
}

func (j *job) update(name string, c lockfile.Change) Update {
	u := Update{Name: name, Action: Held, Reasons: []resolve.Rejection{}}
	if c.Name == "" { // no change
		c.Old, c.New = lookup(j.next, name), lookup(j.next, name)
	}
	if c.Old != nil {
		u.From = c.Old.Version
	}
	if c.New != nil {
		u.To = c.New.Version
	}
	switch newer := resolve.Compare(u.To, u.From); {
	case c.Old == nil:
		u.Action = Added
	case c.New == nil:
		u.Action = Dropped
		return u
	case newer > 0:
		u.Action = Updated
	case newer < 0:
		u.Action = Downgraded
	case c.Name != "":
		u.Action = Relocked
	}
	for _, r := range j.rejected(name) {
		if resolve.Compare(r.Version, u.To) >= 0 {
			u.Reasons = append(u.Reasons, r)
		}
	}
	return u
}

func lookup(lock *lockfile.Lock, name string) *lockfile.Plugin {
	if p, ok := lock.Plugin(name); ok {
		return &p
	}
	return nil
}

// rejected are the versions of a plugin that were not chosen.
func (j *job) rejected(name string) []resolve.Rejection {
	i := slices.IndexFunc(j.choices, func(c Choice) bool { return c.Name == name })
	if i < 0 {
		return j.held[name]
	}
	return j.choices[i].Rejected
}
