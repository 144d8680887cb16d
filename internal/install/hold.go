package install

import (
	"errors"
	"slices"

	"github.com/loadr-plugins/loadr/lockfile"
	"github.com/loadr-plugins/loadr/resolve"
)

// holdBack keeps plugins that can't be updated at their locked versions, and says whether there were any: that what is locked
// has been withdrawn, or is offered no more, must not keep the others from being updated.
func (j *job) holdBack(o *offers, err error) bool {
	var none *resolve.NoVersionError
	var unknown *UnknownError
	switch {
	case errors.As(err, &none):
		return j.hold(none.Name, none.Rejected)
	case errors.As(err, &unknown):
		entry, _ := j.locked(unknown.Name)
		return j.hold(unknown.Name, []resolve.Rejection{gone(entry)})
	case !contradiction(err):
		return false
	}
	held := false
	for _, name := range j.names() {
		if r, lost := o.lost(name); lost && j.hold(name, []resolve.Rejection{r}) {
			held = true
		}
	}
	return held
}

// hold keeps a plugin at its locked version, if that still serves.
func (j *job) hold(name string, why []resolve.Rejection) bool {
	entry, locked := j.locked(name)
	if !locked || !j.renew[name] && !j.loose[name] || !j.keeps(entry) {
		return false
	}
	delete(j.renew, name)
	delete(j.loose, name)
	j.held[name] = why
	return true
}

// lost says that a locked version can't be chosen any more, and nothing else that is listed is in the ranges that the lock and
// loadr.toml have of the plugin; and why.
func (o *offers) lost(name string) (resolve.Rejection, bool) {
	entry, locked := o.job.locked(name)
	at, looked := o.places[name]
	switch {
	case !locked || !looked:
		return resolve.Rejection{}, false
	case at == nil:
		return gone(entry), true
	case slices.ContainsFunc(at.versions(), func(v string) bool { return v != entry.Version && o.job.inRanges(name, v) }):
		return resolve.Rejection{}, false
	case !slices.Contains(at.versions(), entry.Version):
		return gone(entry), true
	}
	offer, err := o.Look(name, entry.Version)
	return resolve.Rejection{Version: entry.Version, Code: resolve.Withdrawn, Detail: "withdrawn: " + offer.Withdrawn}, err == nil && offer.Withdrawn != ""
}

// inRanges holds a version against loadr.toml and the locked plugins that require it.
func (j *job) inRanges(name, version string) bool {
	if r, asked := j.requirement(name); asked && !r.rng.Allows(version) {
		return false
	}
	for _, p := range j.lock.Plugins {
		for _, d := range p.Dependencies {
			if d.Name == name && !satisfies(d.Range, version) {
				return false
			}
		}
	}
	return true
}

func gone(entry lockfile.Plugin) resolve.Rejection {
	return resolve.Rejection{Version: entry.Version, Code: resolve.Gone, Detail: "locked, but no longer offered"}
}
