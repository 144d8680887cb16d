package plugindir

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"

	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/internal/fsx"
)

const (
	journalName   = "journal.json"
	journalFormat = 1
)

// journal is a change that has begun. While it exists on disk the directory and the project's files may be anything
// between the old state and the new one.
type journal struct {
	Format int `json:"format"`
	// ID names the folders under staging and trash that belong to this change.
	ID string `json:"id"`
	// Plugins are the folders to swap.
	Plugins []swap `json:"plugins"`
	// State is installed.json, before and after.
	State contents `json:"state"`
	// Files are the project's files, before and after, in the order in which they are replaced.
	Files []fileChange `json:"files"`
	// Generation is the record that the change adds; nil where it adds none.
	Generation *newGeneration `json:"generation"`
}

// swap is one plugin's part of a change.
type swap struct {
	Name string `json:"name"`
	// Old says that something was in the plugin's place.
	Old bool `json:"old"`
	// New are the digests of the new folder's files; nil for a plugin to be removed.
	New map[string]digest.Digest `json:"new"`
}

// contents are a file's bytes before and after; nil is an absent file. Whole bytes and not digests, since both
// finishing and undoing need them.
type contents struct {
	Old []byte `json:"old"`
	New []byte `json:"new"`
}

type fileChange struct {
	Path string `json:"path"`
	contents
}

// readJournal gives nil when there is none. Errors: *RecordError, *AccessError.
func (d *Dir) readJournal() (*journal, error) {
	text, err := readRecord(d.record(journalName))
	if err != nil {
		return nil, &AccessError{d.path, err}
	}
	if text == nil {
		return nil, nil
	}
	j, err := parseJournal(text)
	if err != nil {
		return nil, &RecordError{d.record(journalName), err.Error()}
	}
	return j, nil
}

var idPattern = regexp.MustCompile(`^[0-9a-f]{16}$`)

// parseJournal accepts only what Apply writes: names become paths.
func parseJournal(text []byte) (*journal, error) {
	var j journal
	if err := parseRecord(text, journalFormat, &j); err != nil {
		return nil, err
	}
	if !idPattern.MatchString(j.ID) {
		return nil, fmt.Errorf("damaged: id %q", j.ID)
	}
	if err := checkSwaps(j.Plugins); err != nil {
		return nil, err
	}
	if err := errors.Join(checkStates(j.State), j.Generation.check()); err != nil {
		return nil, err
	}
	return &j, nil
}

func checkSwaps(swaps []swap) error {
	seen := map[string]bool{}
	for _, s := range swaps {
		if seen[s.Name] {
			return fmt.Errorf("damaged: plugin %s named twice", s.Name)
		}
		seen[s.Name] = true
		files := s.New
		if files == nil { // a removal has no files to check, only a name
			files = map[string]digest.Digest{manifestName: digest.FromString("")}
		}
		if err := errors.Join(checkPlugin(s.Name, maps.Keys(files)), checkDigests(s.Name, files)); err != nil {
			return err
		}
	}
	return nil
}

func checkStates(c contents) error {
	if _, err := parseState(c.New); err != nil {
		return fmt.Errorf("state after the change: %w", err)
	}
	if c.Old == nil {
		return nil
	}
	if _, err := parseState(c.Old); err != nil {
		return fmt.Errorf("state before the change: %w", err)
	}
	return nil
}

// open writes the journal: from here on the change is finished or undone, whatever happens to this process.
func (t *tx) open() error {
	return fsx.WriteFile(t.d.record(journalName), encodeRecord(t.j), 0o644)
}

// close removes the journal: the change is over. What it leaves in staging and trash is of no meaning.
func (t *tx) close() error {
	if err := os.Remove(t.d.record(journalName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return fsx.SyncDir(filepath.Dir(t.d.record(journalName)))
}

// Unfinished says whether a change has begun and not ended: another process is at it now, or was killed. It needs no lock.
func (d *Dir) Unfinished() (bool, error) {
	open, err := exists(d.record(journalName))
	return open, d.access(err)
}

func (d *Dir) mustBeClosed() error {
	open, err := d.Unfinished()
	if err == nil && open {
		err = &UnfinishedError{d.path}
	}
	return err
}
