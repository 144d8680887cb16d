package plugindir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/manifest"
)

const spaceHint = "free some space on the disk and run the command again"

// BusyError says that another process is changing the directory and that waiting was not wanted.
type BusyError struct {
	Dir    string `json:"dir"`
	Holder string `json:"holder"` // who; empty when not known
}

func (e *BusyError) Error() string {
	return fmt.Sprintf("plugins directory %s: in use by %s", e.Dir, orUnknown(e.Holder))
}

// Hint says what to do.
func (e *BusyError) Hint() string {
	return "try again when it is done, or leave out --no-wait to wait for it"
}

// AccessError says that the directory can't be read or written.
type AccessError struct {
	Dir string `json:"dir"`
	Err error  `json:"-"`
}

func (e *AccessError) Error() string { return fmt.Sprintf("plugins directory %s: %v", e.Dir, e.Err) }

func (e *AccessError) Unwrap() error { return e.Err }

// Hint says what to do.
func (e *AccessError) Hint() string {
	if errors.Is(e.Err, syscall.ENOSPC) {
		return spaceHint
	}
	return "make the folder readable and writable, or name another one with --plugins-dir or LOADR_PLUGINS_DIR"
}

// RecordError says that one of our own records is not what we write: damaged, edited, or by a newer version.
type RecordError struct {
	Path   string `json:"path"`
	Detail string `json:"detail"`
}

func (e *RecordError) Error() string { return fmt.Sprintf("%s: %s", e.Path, e.Detail) }

// Hint says what to do.
func (e *RecordError) Hint() string {
	if filepath.Base(filepath.Dir(e.Path)) == generationsName {
		return "if no newer version of loadr wrote it, remove the file: only the way back to that generation is lost"
	}
	if filepath.Base(e.Path) == journalName {
		return "if no newer version of loadr wrote it, remove the file and run loadr plugin sync"
	}
	return "if no newer version of loadr wrote it, remove the file and run loadr plugin sync --force, " +
		"which installs what the lock names in place of the folders"
}

// OwnerError says that the directory belongs to another project.
type OwnerError struct {
	Dir    string `json:"dir"`
	Owner  string `json:"owner"`
	Wanted string `json:"wanted"`
}

func (e *OwnerError) Error() string {
	return fmt.Sprintf("plugins directory %s: belongs to %s, not to %s", e.Dir, e.Owner, e.Wanted)
}

// Hint says what to do.
func (e *OwnerError) Hint() string {
	return "give each project a plugins directory of its own with --plugins-dir or LOADR_PLUGINS_DIR"
}

// TargetError says that the directory holds plugins for another platform, which would stay beside the new ones.
type TargetError struct {
	Dir     string          `json:"dir"`
	Have    manifest.Target `json:"have"`
	Wanted  manifest.Target `json:"wanted"`
	Plugins []string        `json:"plugins"` // that would stay, sorted
}

func (e *TargetError) Error() string {
	return fmt.Sprintf("plugins directory %s: holds plugins for %s (%s), not for %s",
		e.Dir, e.Have, strings.Join(e.Plugins, ", "), e.Wanted)
}

// Hint says what to do.
func (e *TargetError) Hint() string { return "name another folder with --plugins-dir" }

// UnmanagedError says that something we did not make is in a plugin's place.
type UnmanagedError struct {
	Name string `json:"name"`
	Path string `json:"path"`
}

func (e *UnmanagedError) Error() string {
	return fmt.Sprintf("plugin %s: %s was not installed by loadr plugin", e.Name, e.Path)
}

// Hint says what to do.
func (e *UnmanagedError) Hint() string { return "move it away, or replace it with --force" }

// NotInstalledError says that there is no such plugin.
type NotInstalledError struct {
	Dir  string `json:"dir"`
	Name string `json:"name"`
}

func (e *NotInstalledError) Error() string {
	return fmt.Sprintf("plugin %s: not installed in %s", e.Name, e.Dir)
}

// Hint says what to do.
func (e *NotInstalledError) Hint() string { return "loadr plugin list shows what is" }

// DigestError says that a file to be installed is not the one that was verified.
type DigestError struct {
	Plugin string        `json:"plugin"`
	File   string        `json:"file"`
	Source string        `json:"source"` // path it was copied from; empty for given bytes
	Want   digest.Digest `json:"want"`
	Got    digest.Digest `json:"got"`

	WantSize int64 `json:"want_size"`
	GotSize  int64 `json:"got_size"` // bytes
}

func (e *DigestError) Error() string {
	return fmt.Sprintf("plugin %s: %s: expected %s of %d bytes, found %s of %d bytes",
		e.Plugin, e.File, e.Want, e.WantSize, e.Got, e.GotSize)
}

// UnfinishedError says that an earlier change was interrupted and Recover has not run since.
type UnfinishedError struct{ Dir string }

func (e *UnfinishedError) Error() string {
	return fmt.Sprintf("plugins directory %s: an interrupted change is neither finished nor undone", e.Dir)
}

// ApplyError says that a change failed while it was being activated, and what became of it.
type ApplyError struct {
	What string `json:"what"` // "plugin x" or the path of a project file
	Err  error  `json:"-"`
	// Undo is why the old state could not be restored; nil when it was. Recover tries again.
	Undo error `json:"-"`
}

func (e *ApplyError) Error() string {
	if e.Undo != nil {
		return fmt.Sprintf("%s: %v; undoing the change failed too: %v", e.What, e.Err, e.Undo)
	}
	return fmt.Sprintf("%s: %v; the old state was kept", e.What, e.Err)
}

func (e *ApplyError) Unwrap() []error { return []error{e.Err, e.Undo} }

// Hint says what to do.
func (e *ApplyError) Hint() string {
	if isInUse(e.Err) {
		return "a program is using it: end it and run the command again"
	}
	if errors.Is(e.Err, syscall.ENOSPC) {
		return spaceHint
	}
	if e.Undo != nil {
		return "remove the cause and run the command again: it finishes or undoes the change first"
	}
	return ""
}

func holderNote() string {
	return fmt.Sprintf("process %d (%s)", os.Getpid(), filepath.Base(os.Args[0]))
}

func orUnknown(holder string) string {
	if holder == "" {
		return "another process"
	}
	return holder
}
