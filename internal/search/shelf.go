package search

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/loadr-plugins/loadr/internal/fsx"
	"github.com/loadr-plugins/loadr/registry"
	"github.com/loadr-plugins/loadr/registry/catalogue"
)

const (
	stateFile    = "state.json"
	stateSchema  = 1
	maxState     = 64 << 20 // bytes
	rowsEnding   = ".rows"
	linesEnding  = ".lines"
	hashedDigits = 32
)

// state is what was last seen of a catalogue.
type state struct {
	Schema     int                          `json:"schema"`
	Source     string                       `json:"source"`
	Generation int64                        `json:"generation"`
	Compacted  *registry.CompactedCatalogue `json:"compacted"` // nil: there was none
	Fresh      []fresh                      `json:"fresh"`
}

// fresh is an entry that the compacted catalogue may not have.
type fresh struct {
	Tag   string          `json:"tag"`
	Entry catalogue.Entry `json:"entry"`
}

// merged gives the fresh entries by name.
func (s *state) merged() map[string]catalogue.Entry {
	out := map[string]catalogue.Entry{}
	for _, f := range s.Fresh {
		e := f.Entry
		if other, ok := out[e.Name]; ok {
			e = catalogue.Merge(other, e)
		}
		out[e.Name] = e
	}
	return out
}

// byTag gives the fresh entries by tag; s may be nil.
func (s *state) byTag() map[string]catalogue.Entry {
	out := map[string]catalogue.Entry{}
	if s != nil {
		for _, f := range s.Fresh {
			out[f.Tag] = f.Entry
		}
	}
	return out
}

// shelf is the folder of one catalogue. Files are replaced whole, so that several processes can use it.
type shelf struct {
	dir     string
	from    *registry.Catalogue
	offline bool
}

func openShelf(root string, from *registry.Catalogue, offline bool) *shelf {
	return &shelf{filepath.Join(root, hashed(from.Source())), from, offline}
}

func hashed(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])[:hashedDigits]
}

// read gives the state that was kept; nil where there is none, or one of another form.
func (s *shelf) read() (*state, error) {
	f, err := os.Open(filepath.Join(s.dir, stateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var kept state
	err = json.NewDecoder(io.LimitReader(f, maxState)).Decode(&kept)
	if err != nil || kept.Schema != stateSchema || kept.Source != s.from.Source() {
		return nil, nil
	}
	return &kept, nil
}

func (s *shelf) write(state *state) error {
	text, err := json.Marshal(state)
	if err != nil {
		return err
	}
	if err := fsx.MkdirAll(s.dir, 0o755); err != nil {
		return err
	}
	return fsx.WriteFile(filepath.Join(s.dir, stateFile), text, 0o644)
}

// path gives a file of a compacted catalogue's table.
func (s *shelf) path(c *registry.CompactedCatalogue, ending string) string {
	return filepath.Join(s.dir, hashed(c.Content.Digest.String())+ending)
}

// table hands the table of a compacted catalogue, which may be nil, to use. One that is not there, is damaged, or was removed
// by another process is made first, and use may then be called a second time.
func (s *shelf) table(ctx context.Context, c *registry.CompactedCatalogue, use func(catalogue.Table) error) error {
	if c == nil {
		return use(catalogue.EmptyTable())
	}
	err := s.withTable(c, use)
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, catalogue.ErrTable) {
		return err
	}
	if s.offline {
		return &NotKeptError{s.from.Source()}
	}
	if err := s.fetch(ctx, c); err != nil {
		return err
	}
	return s.withTable(c, use)
}

func (s *shelf) withTable(c *registry.CompactedCatalogue, use func(catalogue.Table) error) error {
	rows, err := os.Open(s.path(c, rowsEnding))
	if err != nil {
		return err
	}
	defer rows.Close()
	lines, err := os.Open(s.path(c, linesEnding))
	if err != nil {
		return err
	}
	defer lines.Close()
	return use(catalogue.Table{Rows: rows, Lines: lines})
}

// fetch makes the table of a compacted catalogue, and removes those of earlier ones.
func (s *shelf) fetch(ctx context.Context, c *registry.CompactedCatalogue) error {
	if err := fsx.MkdirAll(s.dir, 0o755); err != nil {
		return err
	}
	rows, err := fsx.Create(s.path(c, rowsEnding), 0o644)
	if err != nil {
		return err
	}
	defer rows.Discard()
	lines, err := fsx.Create(s.path(c, linesEnding), 0o644)
	if err != nil {
		return err
	}
	defer lines.Discard()
	if err := s.fill(ctx, c, rows, lines); err != nil {
		return err
	}
	if err := errors.Join(lines.Commit(), rows.Commit()); err != nil {
		return err
	}
	s.sweep(hashed(c.Content.Digest.String()))
	return nil
}

// fill writes a table while the lines of the compacted catalogue come in.
func (s *shelf) fill(ctx context.Context, c *registry.CompactedCatalogue, rows, lines io.Writer) error {
	from, to := io.Pipe()
	fetched := make(chan struct{})
	go func() {
		defer close(fetched)
		to.CloseWithError(s.from.Lines(ctx, c, to))
	}()
	count, err := catalogue.WriteTable(rows, lines, from)
	from.CloseWithError(err)
	<-fetched
	if err == nil && count != c.Entries {
		err = fmt.Errorf("holds %d plugins, expected %d", count, c.Entries)
	} else if line := (*catalogue.LineError)(nil); !errors.As(err, &line) {
		return err
	}
	return &registry.InvalidArtifactError{Object: s.from.Source() + "/" + catalogue.Repository, Problem: err.Error()}
}

// sweep removes the tables of earlier states, and what processes that were killed long ago left. Whoever reads one of them at
// this moment goes on reading it; where the system does not allow that, it stays until the next time.
func (s *shelf) sweep(keep string) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		_, temporary := fsx.TempOf(e.Name())
		info, err := e.Info()
		left := temporary && err == nil && time.Since(info.ModTime()) > time.Hour
		stem, ending := strings.TrimSuffix(e.Name(), filepath.Ext(e.Name())), filepath.Ext(e.Name())
		if left || (ending == rowsEnding || ending == linesEnding) && stem != keep {
			_ = os.Remove(filepath.Join(s.dir, e.Name()))
		}
	}
}
