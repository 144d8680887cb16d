// Package plugindir keeps a plugins directory: one folder per plugin, as the loadr engine reads them, and our records
// beside them. It changes them as a whole: after Apply, or after a crash and Recover, either all plugins and project files
// of a change are the new ones or all are the old ones. docs/spec/plugins-directory.md is the specification.
//
// The package knows nothing of registries, versions or what is in loadr.toml and loadr.lock; it gets names, bytes and
// digests. It prints nothing, opens no library, and never touches a folder that it did not make, unless told to.
package plugindir

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"

	"github.com/loadr-plugins/loadr/internal/fsx"
)

// Names in a plugins directory. The engine skips the folder of our records.
const (
	stateName    = ".loadr-state"
	disabledName = "disabled"
)

// Dir is a plugins directory. Reading (List, State, Check) is safe at any time, also while others write. Changing it
// (Apply, Recover, SetEnabled) is for whoever holds Acquire, from one goroutine at a time.
type Dir struct {
	path  string
	files []string

	mu       sync.Mutex
	acquired bool

	step       func(string) // for tests: called between any two steps of a change
	noExchange bool         // for tests: as on a system that can't
}

// Open gives the plugins directory at path, which need not exist yet; Acquire makes it. projectFiles are the absolute
// paths of all files that a change may replace (loadr.toml and loadr.lock). They are named here and not taken from the
// journal, because a journal may have come with somebody else's files and must not be able to point anywhere.
func Open(path string, projectFiles ...string) *Dir {
	return &Dir{path: path, files: projectFiles}
}

// Path is the plugins directory's folder.
func (d *Dir) Path() string { return d.path }

// AcquireOptions are the choices of Acquire. The zero value waits in silence.
type AcquireOptions struct {
	// NoWait fails with a *BusyError instead of waiting.
	NoWait bool
	// Holder is what others are told about this process; empty means its id.
	Holder string
	// Waiting is called once when another process is at work. holder says which one, empty when not known.
	Waiting func(holder string)
}

// Acquire makes the directory if need be and waits to become its one writer. Errors: *BusyError, *AccessError, ctx's. The
// system frees the directory when the process ends, however it ends. Call Recover next; readers need none of this.
func (d *Dir) Acquire(ctx context.Context, o AcquireOptions) (release func() error, err error) {
	if err := d.make(); err != nil {
		return nil, err
	}
	note := o.Holder
	if note == "" {
		note = holderNote()
	}
	unlock, err := fsx.Lock(ctx, d.record("lock"), fsx.LockOptions{NoWait: o.NoWait, Note: note, Waiting: o.Waiting})
	if err != nil {
		return nil, d.lockError(ctx, err)
	}
	d.setAcquired(true)
	return func() error {
		d.setAcquired(false)
		return unlock()
	}, nil
}

func (d *Dir) lockError(ctx context.Context, err error) error {
	var locked *fsx.LockedError
	switch {
	case errors.As(err, &locked):
		return &BusyError{d.path, locked.Holder}
	case ctx.Err() != nil:
		return err
	}
	return &AccessError{d.path, err}
}

// make makes the directory and the folder of records, which must not be a link: what it points to is not ours.
func (d *Dir) make() error {
	state := filepath.Join(d.path, stateName)
	if err := fsx.MkdirAll(state, 0o755); err != nil {
		return &AccessError{d.path, err}
	}
	info, err := os.Lstat(state)
	if err != nil {
		return &AccessError{d.path, err}
	}
	if !info.IsDir() {
		return &AccessError{d.path, errors.New(stateName + " is not a folder but a link")}
	}
	return nil
}

func (d *Dir) setAcquired(b bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.acquired = b
}

// mustHold is the check of everything that writes.
func (d *Dir) mustHold() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.acquired {
		return errors.New("plugins directory " + d.path + ": changed without Acquire")
	}
	return nil
}

func (d *Dir) record(name string) string { return filepath.Join(d.path, stateName, name) }
func (d *Dir) live(plugin string) string { return filepath.Join(d.path, plugin) }

func (d *Dir) at(step string) {
	if d.step != nil {
		d.step(step)
	}
}
