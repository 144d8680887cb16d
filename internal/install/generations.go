package install

import (
	"fmt"
	"slices"
	"time"

	"github.com/loadr-plugins/loadr/internal/plugindir"
	"github.com/loadr-plugins/loadr/lockfile"
)

// Generation is what one command made of loadr.toml and loadr.lock.
type Generation struct {
	Number int       `json:"number"`
	Time   time.Time `json:"time"`
	// What is the command, in a few words.
	What string `json:"what"`
	// Current is the last one, from which the next command starts.
	Current bool `json:"current"`
	// Changes are the plugins that are locked otherwise than in the generation before; none where that one is no longer kept.
	Changes []Change `json:"changes"`
}

// Generations lists what is recorded of a plugins directory, the oldest first. It takes no lock and changes nothing.
func Generations(ws *Workspace) ([]Generation, error) {
	records, err := ws.dir().Generations()
	if err != nil {
		return nil, err
	}
	out := make([]Generation, len(records))
	var before *lockfile.Lock
	for i, r := range records {
		lock, err := lockOf(r)
		out[i] = Generation{Number: r.Number, Time: r.Time, What: r.What, Current: i == len(records)-1, Changes: []Change{}}
		if err == nil && (i > 0 || r.Number == 1) {
			out[i].Changes = lockChanges(before, lock)
		}
		before = lock
	}
	return out, nil
}

// lockOf reads a generation's lock; nil where it has none.
func lockOf(g plugindir.Generation) (*lockfile.Lock, error) {
	text := g.Files[lockfile.LockName]
	if text == nil {
		return nil, nil
	}
	return lockfile.ParseLock(fmt.Sprintf("generation %d: %s", g.Number, lockfile.LockName), text)
}

// lockChanges says what became of each plugin between two locks, either of which may be nil.
func lockChanges(old, new *lockfile.Lock) []Change {
	out := []Change{}
	for _, d := range lockfile.Diff(old, new) {
		c := Change{Name: d.Name, Action: Replaced}
		if d.Old == nil {
			c.Action = Installed
		} else {
			c.From = d.Old.Version
		}
		if d.New == nil {
			c.Action = Removed
		} else {
			c.Version, c.Source = d.New.Version, d.New.Source
		}
		out = append(out, c)
	}
	return out
}

// pick gives the generation that a rollback goes to: the numbered one or, for 0, the one before the current.
func pick(ws *Workspace, records []plugindir.Generation, number int) (plugindir.Generation, error) {
	i := len(records) - 2
	if number != 0 {
		i = slices.IndexFunc(records, func(g plugindir.Generation) bool { return g.Number == number })
	}
	if i < 0 {
		e := &NoGenerationError{Dir: ws.Plugins, Number: number, Kept: []int{}}
		for _, g := range records {
			e.Kept = append(e.Kept, g.Number)
		}
		return plugindir.Generation{}, e
	}
	return records[i], nil
}
