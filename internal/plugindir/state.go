package plugindir

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"

	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/manifest"
)

const (
	stateFile   = "installed.json"
	stateFormat = 1
	recordLimit = 64 << 20 // bytes; a journal holds a project's lock twice
)

// State is what we know of a plugins directory: whose it is and what we put there. It does not say what is there now.
type State struct {
	// Owner names the project, as Change.Owner did; empty for a directory that nothing was installed in.
	Owner string
	// Target is the platform of the installed plugins.
	Target manifest.Target
	// Plugins are the digests of the files that were installed: plugin, file name, sha256. Never nil.
	Plugins map[string]map[string]digest.Digest
}

// stateJSON is the form of installed.json.
type stateJSON struct {
	Format  int                                 `json:"format"`
	Owner   string                              `json:"owner"`
	Target  manifest.Target                     `json:"target"`
	Plugins map[string]map[string]digest.Digest `json:"plugins"`
}

// State reads the record of what is installed. A directory without one, or none at all, gives an empty State. Errors:
// *RecordError, *AccessError.
func (d *Dir) State() (*State, error) {
	s, _, err := d.readState()
	return s, err
}

// readState also gives the record's text, nil when there is none.
func (d *Dir) readState() (*State, []byte, error) {
	text, err := readRecord(d.record(stateFile))
	if err != nil {
		return nil, nil, &AccessError{d.path, err}
	}
	if text == nil {
		return &State{Plugins: map[string]map[string]digest.Digest{}}, nil, nil
	}
	s, err := parseState(text)
	if err != nil {
		return nil, nil, &RecordError{d.record(stateFile), err.Error()}
	}
	return s, text, nil
}

func parseState(text []byte) (*State, error) {
	var f stateJSON
	if err := parseRecord(text, stateFormat, &f); err != nil {
		return nil, err
	}
	for name, files := range f.Plugins {
		if err := checkPlugin(name, maps.Keys(files)); err != nil {
			return nil, err
		}
		if err := checkDigests(name, files); err != nil {
			return nil, err
		}
	}
	if f.Plugins == nil {
		f.Plugins = map[string]map[string]digest.Digest{}
	}
	return &State{f.Owner, f.Target, f.Plugins}, nil
}

// encode gives the record's text: the same for the same state.
func (s *State) encode() []byte {
	return encodeRecord(stateJSON{stateFormat, s.Owner, s.Target, s.Plugins})
}

// after gives the state that a change leads to.
func (s *State) after(c *Change, put map[string]map[string]digest.Digest) *State {
	next := &State{c.Owner, c.Target, maps.Clone(s.Plugins)}
	if c.Target == "" {
		next.Target = s.Target
	}
	for _, name := range c.Remove {
		delete(next.Plugins, name)
	}
	maps.Copy(next.Plugins, put)
	return next
}

// readRecord reads one of our files; nil when it does not exist.
func readRecord(path string) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, recordLimit+1))
	if err == nil && len(text) > recordLimit {
		err = fmt.Errorf("%s: expected at most %d bytes", path, recordLimit)
	}
	if text == nil {
		text = []byte{} // empty is not absent
	}
	return text, err
}

// parseRecord looks at the format before it looks at anything that may depend on it.
func parseRecord(text []byte, format int, into any) error {
	var head struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return fmt.Errorf("damaged: %w", err)
	}
	if head.Format != format {
		return fmt.Errorf("expected format %d, found %d", format, head.Format)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return fmt.Errorf("damaged: %w", err)
	}
	return nil
}

func encodeRecord(v any) []byte {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		panic(err) // only strings, numbers and bytes, in maps with string keys
	}
	return append(text, '\n')
}

func checkDigests(plugin string, files map[string]digest.Digest) error {
	for file, d := range files {
		if err := d.Validate(); err != nil || d.Algorithm() != digest.SHA256 {
			return fmt.Errorf("plugin %s: %s: expected a digest sha256:..., found %q", plugin, file, string(d))
		}
	}
	return nil
}
