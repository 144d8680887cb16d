package install

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/internal/plugindir"
	"github.com/loadr-plugins/loadr/lockfile"
	"github.com/loadr-plugins/loadr/manifest"
)

// Rolled is what a rollback did.
type Rolled struct {
	Report
	// Restored is the generation whose files are in force again.
	Restored int `json:"restored"`
	// Generation is the current one now.
	Generation int `json:"generation"`
	// New says that it was made by the rollback. It was not where the files of Restored were in force already.
	New bool `json:"new"`
}

// Rollback makes a new generation that is equal to an earlier one: loadr.toml, loadr.lock and the plugins that the lock
// names. number 0 is the generation before the current one. It makes no request: bytes come from the cache, or the
// result is an *UncachedError. A loadr.toml or loadr.lock that is in no generation is somebody's work and, without
// o.Force, an *UnrecordedError. All or nothing, as Install; of o only Force and NoWait count.
func (in *Installer) Rollback(ctx context.Context, number int, o Options) (*Rolled, error) {
	o = Options{Offline: true, Prune: true, Mode: Frozen, Force: o.Force, NoWait: o.NoWait}
	release, err := in.begin(ctx, o)
	if err != nil {
		return nil, err
	}
	defer release()
	records, err := in.dir().Generations()
	if err != nil {
		return nil, err
	}
	to, err := pick(in.Workspace, records, number)
	if err != nil {
		return nil, err
	}
	j, err := in.restore(o, records, to)
	if err != nil {
		return nil, err
	}
	report, err := in.reinstall(ctx, j, to.Number)
	if err != nil {
		return nil, err
	}
	before := records[len(records)-1].Number
	if records, err = in.dir().Generations(); err != nil {
		return nil, err
	}
	now := records[len(records)-1].Number
	return &Rolled{Report: *report, Restored: to.Number, Generation: now, New: now != before}, nil
}

// restore makes a job of a generation. Its lock alone decides what is installed, for the platform that the directory has.
func (in *Installer) restore(o Options, records []plugindir.Generation, to plugindir.Generation) (*job, error) {
	j := &job{Options: o, what: fmt.Sprintf("rollback to %d", to.Number)}
	for _, f := range []struct {
		path, name string
		was        *[]byte
	}{
		{in.Workspace.ProjectFile, lockfile.ProjectName, &j.projectText},
		{in.Workspace.LockFile, lockfile.LockName, &j.lockText},
	} {
		var err error
		if *f.was, err = readOptional(f.path); err != nil {
			return nil, err
		}
		if !o.Force && !recorded(records, f.name, *f.was) {
			return nil, &UnrecordedError{Path: f.path, Generation: records[len(records)-1].Number}
		}
		if text := to.Files[f.name]; (text == nil) != (*f.was == nil) || !bytes.Equal(text, *f.was) {
			j.restored = append(j.restored, plugindir.ProjectFile{Path: f.path, Was: *f.was, Data: text, Delete: text == nil})
		}
	}
	lock, err := lockOf(to)
	if err != nil {
		return nil, err
	}
	j.next = cmp.Or(lock, &lockfile.Lock{})
	j.host, j.targets = j.next.Host, j.next.Targets
	if j.target = in.state.Target; j.target == "" {
		j.target, err = in.installTarget(o)
	}
	return j, err
}

// recorded says whether a text can be had back from some generation. There is nothing to lose of an absent file.
func recorded(records []plugindir.Generation, name string, text []byte) bool {
	return text == nil || slices.ContainsFunc(records, func(g plugindir.Generation) bool {
		return g.Files[name] != nil && bytes.Equal(g.Files[name], text)
	})
}

// reinstall does what Install does after resolution, from the cache.
func (in *Installer) reinstall(ctx context.Context, j *job, number int) (*Report, error) {
	items, err := in.plan(ctx, j)
	if err != nil {
		return nil, err
	}
	if err := in.uncached(items, number); err != nil {
		return nil, err
	}
	if err := in.fetch(ctx, items); err != nil {
		// A blob that turned out to be corrupt is not in the cache any more.
		return nil, cmp.Or(in.uncached(items, number), err)
	}
	if err := in.check(ctx, j, items); err != nil {
		return nil, err
	}
	return in.activate(ctx, j, items)
}

// uncached lists all that a rollback would have to fetch; nil when there is nothing.
func (in *Installer) uncached(items []*item, number int) error {
	e := &UncachedError{Generation: number}
	for _, it := range items {
		for part, b := range it.blobs() {
			if !it.unchanged && !in.Cache.Has(b) {
				e.Missing = append(e.Missing, MissingPart{
					Plugin: it.plugin.Name, Version: it.plugin.Version, Source: it.plugin.Source,
					Part: part, Target: it.target.Target, Digest: b.Digest,
				})
			}
		}
	}
	if len(e.Missing) == 0 {
		return nil
	}
	slices.SortFunc(e.Missing, func(a, b MissingPart) int {
		return cmp.Or(strings.Compare(a.Plugin, b.Plugin), strings.Compare(a.Part, b.Part))
	})
	return e
}

// UncachedError says that a rollback needs bytes that the cache no longer has.
type UncachedError struct {
	Generation int           `json:"generation"`
	Missing    []MissingPart `json:"missing"`
}

// MissingPart is one of them.
type MissingPart struct {
	Plugin  string          `json:"plugin"`
	Version string          `json:"version"`
	Source  string          `json:"source"` // registry/namespace
	Part    string          `json:"part"`   // config, library
	Target  manifest.Target `json:"target"`
	Digest  digest.Digest   `json:"digest"`
}

func (e *UncachedError) Error() string {
	lines := make([]string, len(e.Missing))
	for i, m := range e.Missing {
		lines[i] = fmt.Sprintf("plugin %q %s: %s for %s (%s)", m.Plugin, m.Version, m.Part, m.Target, m.Digest)
	}
	return fmt.Sprintf("generation %d: a rollback fetches nothing, and the cache no longer has\n  %s", e.Generation, strings.Join(lines, "\n  "))
}

// Hint says how to get the versions back by another way.
func (e *UncachedError) Hint() string {
	var refs []string
	for _, m := range e.Missing {
		if ref := fmt.Sprintf("%s/%s@%s", m.Source, m.Plugin, m.Version); !slices.Contains(refs, ref) {
			refs = append(refs, ref)
		}
	}
	return fmt.Sprintf("nothing was changed; 'loadr plugin install %s' fetches what is missing", strings.Join(refs, " "))
}

// UnrecordedError says that a rollback would overwrite what can't be had back.
type UnrecordedError struct {
	Path       string `json:"path"`
	Generation int    `json:"generation"` // the current one
}

func (e *UnrecordedError) Error() string {
	return fmt.Sprintf("%s: changed since generation %d, by hand or by another program; a rollback would lose that", e.Path, e.Generation)
}

// Hint says what to do.
func (e *UnrecordedError) Hint() string {
	return "keep a copy of the file if it is worth something, and repeat the command with --force"
}

// NoGenerationError says that there is nothing to go back to.
type NoGenerationError struct {
	Dir    string `json:"plugins_dir"`
	Number int    `json:"number"` // 0: the one before the current
	Kept   []int  `json:"kept"`   // the numbers that there are
}

func (e *NoGenerationError) Error() string {
	if e.Number == 0 {
		return fmt.Sprintf("plugins directory %s: no earlier generation is recorded", e.Dir)
	}
	return fmt.Sprintf("plugins directory %s: expected generation %d, found %s", e.Dir, e.Number, numbers(e.Kept))
}

func numbers(kept []int) string {
	if len(kept) == 0 {
		return "none"
	}
	return fmt.Sprintf("%d to %d", kept[0], kept[len(kept)-1])
}

// Hint says where to look.
func (e *NoGenerationError) Hint() string {
	return "'loadr plugin rollback --list' shows those that there are; each command that changes loadr.toml or loadr.lock makes one"
}
