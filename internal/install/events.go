package install

import (
	"github.com/loadr-plugins/loadr/internal/plugindir"
	"github.com/loadr-plugins/loadr/manifest"
	"github.com/loadr-plugins/loadr/resolve"
)

// Events are optional callbacks that tell what goes on. They may come from several goroutines at once. A nil Events is
// silent.
type Events struct {
	// Waiting: another process holds the plugins directory; holder says which.
	Waiting func(holder string)
	// Pruning: another process prunes the cache; holder says which.
	Pruning func(holder string)
	// Recovered: an interrupted command was finished or undone.
	Recovered func(plugindir.Recovered)
	// Chosen: resolution chose a version.
	Chosen func(Choice)
	// Fetching: a library of size bytes, compressed, begins to arrive. The result is told of progress.
	Fetching func(name string, size int64) Progress
}

// Progress follows one download.
type Progress interface {
	// Add counts n more bytes.
	Add(n int)
	// Done ends the download, complete or not.
	Done(complete bool)
}

// Choice is one plugin's resolution.
type Choice struct {
	Name   string `json:"name"`
	Source string `json:"source"` // registry/namespace
	resolve.Choice
}

// Report is what a command did.
type Report struct {
	Plugins []Change `json:"plugins"` // sorted by name
	// Choices are the resolutions that took place; what the lock settled is not among them.
	Choices []Choice `json:"resolved"`
	// Warnings are what a person should know and what stopped nothing.
	Warnings []string `json:"warnings"`
	Dir      string   `json:"plugins_dir"`
	// WroteProject and WroteLock say which of the two files changed.
	WroteProject bool `json:"wrote_project"`
	WroteLock    bool `json:"wrote_lock"`
}

// Action is what happened to one plugin.
type Action string

// The actions.
const (
	Installed Action = "installed"
	Replaced  Action = "replaced"
	Unchanged Action = "unchanged"
	Removed   Action = "removed"
)

// Change is what happened to one plugin. Version is the new version, From the old one where there was one.
type Change struct {
	Name    string          `json:"name"`
	Action  Action          `json:"action"`
	Version string          `json:"version,omitempty"`
	From    string          `json:"from,omitempty"`
	Source  string          `json:"source,omitempty"`
	Target  manifest.Target `json:"target,omitempty"`
}

func (e *Events) waiting(holder string) {
	if e != nil && e.Waiting != nil {
		e.Waiting(holder)
	}
}

func (e *Events) pruning(holder string) {
	if e != nil && e.Pruning != nil {
		e.Pruning(holder)
	}
}

func (e *Events) recovered(r plugindir.Recovered) {
	if e != nil && e.Recovered != nil && r.Outcome != plugindir.Nothing {
		e.Recovered(r)
	}
}

func (e *Events) chosen(c Choice) {
	if e != nil && e.Chosen != nil {
		e.Chosen(c)
	}
}

// withoutChosen leaves out what a command reports itself.
func (e *Events) withoutChosen() *Events {
	if e == nil {
		return nil
	}
	quiet := *e
	quiet.Chosen = nil
	return &quiet
}

func (e *Events) fetching(name string, size int64) Progress {
	if e != nil && e.Fetching != nil {
		return e.Fetching(name, size)
	}
	return noProgress{}
}

type noProgress struct{}

func (noProgress) Add(int)   {}
func (noProgress) Done(bool) {}
