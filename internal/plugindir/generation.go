package plugindir

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/loadr-plugins/loadr/internal/fsx"
)

const (
	generationsName  = "generations"
	generationFormat = 1
	generationsKept  = 20
)

// Generation is the project files as one change left them. Two that follow each other always differ.
type Generation struct {
	// Number counts from 1. The highest is the current one.
	Number int
	// Time is when the change was made, in whole seconds, UTC.
	Time time.Time
	// What is the change's own word for itself, for people.
	What string
	// Files are the texts of the project files, by the last part of their paths; nil for an absent file.
	Files map[string][]byte
}

// generationJSON is the form of a generation's record.
type generationJSON struct {
	Format int               `json:"format"`
	Time   string            `json:"time"`
	What   string            `json:"what"`
	Files  map[string][]byte `json:"files"`
}

// newGeneration is the part of a journal that becomes a record.
type newGeneration struct {
	Number int    `json:"number"`
	Text   []byte `json:"text"` // of the record
}

// Generations gives the recorded generations, the oldest first: at most the last 20, and none for a directory that does not
// exist. One that is being made by another process may or may not be among them. Errors: *RecordError, *AccessError.
func (d *Dir) Generations() ([]Generation, error) {
	numbers, err := d.generationNumbers()
	if err != nil {
		return nil, &AccessError{d.path, err}
	}
	var out []Generation
	for _, n := range numbers {
		g, err := d.readGeneration(n)
		if err != nil {
			return nil, err
		}
		if g != nil { // else it was forgotten or undone meanwhile
			out = append(out, *g)
		}
	}
	return out, nil
}

// GenerationsAfter gives the last generations, as many as are wanted at most, that there will be once c has been made. Records
// that can't be understood are left out. Errors: *AccessError.
func (d *Dir) GenerationsAfter(c Change, want int) ([]Generation, error) {
	numbers, err := d.generationNumbers()
	if err != nil {
		return nil, &AccessError{d.path, err}
	}
	var out []Generation
	for _, n := range numbers[max(0, len(numbers)-want):] {
		if g, err := d.readGeneration(n); err == nil && g != nil {
			out = append(out, *g)
		}
	}
	next, err := d.nextGeneration(&c)
	if err != nil || next == nil {
		return out, err
	}
	g, err := parseGeneration(next.Text)
	if err != nil {
		return nil, err
	}
	g.Number = next.Number
	out = append(out, *g)
	return out[max(0, len(out)-want):], nil
}

// readGeneration gives nil for a number that there is no record of.
func (d *Dir) readGeneration(number int) (*Generation, error) {
	path := d.generation(number)
	text, err := readRecord(path)
	if err != nil {
		return nil, &AccessError{d.path, err}
	}
	if text == nil {
		return nil, nil
	}
	g, err := parseGeneration(text)
	if err != nil {
		return nil, &RecordError{path, err.Error()}
	}
	g.Number = number
	return g, nil
}

func parseGeneration(text []byte) (*Generation, error) {
	var f generationJSON
	if err := parseRecord(text, generationFormat, &f); err != nil {
		return nil, err
	}
	at, err := time.Parse(time.RFC3339, f.Time)
	if err != nil || at.UTC().Format(time.RFC3339) != f.Time {
		return nil, fmt.Errorf("damaged: time %q", f.Time)
	}
	return &Generation{Time: at.UTC(), What: f.What, Files: f.Files}, nil
}

func (g *Generation) encode() []byte {
	return encodeRecord(generationJSON{generationFormat, g.Time.UTC().Format(time.RFC3339), g.What, g.Files})
}

// generationPattern bounds the numbers, so that a planted file can't make the next one overflow.
var generationPattern = regexp.MustCompile(`^([1-9][0-9]{0,8})\.json$`)

// generationNumbers are those that have a record, in order.
func (d *Dir) generationNumbers() (numbers []int, err error) {
	folder := d.record(generationsName)
	switch info, err := os.Lstat(folder); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case !info.IsDir(): // what a link points to is not ours
		return nil, errors.New(generationsName + ": expected a folder, found " + info.Mode().Type().String())
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if m := generationPattern.FindStringSubmatch(e.Name()); m != nil {
			n, _ := strconv.Atoi(m[1]) // nine digits
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

func (d *Dir) generation(number int) string {
	return filepath.Join(d.record(generationsName), strconv.Itoa(number)+".json")
}

// nextGeneration gives what a change has to record; nil when it leaves the project files as the last generation has them.
// A last one that can't be understood counts as different: history must not stand in the way of a change.
func (d *Dir) nextGeneration(c *Change) (*newGeneration, error) {
	texts := map[string][]byte{}
	for _, path := range d.files {
		text, err := c.leaves(path)
		if err != nil {
			return nil, &AccessError{d.path, err}
		}
		texts[filepath.Base(path)] = text
	}
	numbers, err := d.generationNumbers()
	if err != nil {
		return nil, &AccessError{d.path, err}
	}
	last, lastNumber := &Generation{}, 0
	if len(numbers) > 0 {
		lastNumber = numbers[len(numbers)-1]
		if g, err := d.readGeneration(lastNumber); err == nil && g != nil {
			last = g
		}
	}
	if sameFiles(last.Files, texts) {
		return nil, nil
	}
	next := &Generation{Time: time.Now(), What: c.What, Files: texts}
	return &newGeneration{lastNumber + 1, next.encode()}, nil
}

// leaves gives what a project file will hold after the change.
func (c *Change) leaves(path string) ([]byte, error) {
	for _, f := range fileChanges(c.Files) {
		if filepath.Clean(f.Path) == filepath.Clean(path) {
			return f.New, nil
		}
	}
	return readRecord(path)
}

// sameFiles compares texts by name; a name that is not there is an absent file.
func sameFiles(a, b map[string][]byte) bool {
	for _, m := range []map[string][]byte{a, b} {
		for name := range m {
			if !same(a[name], b[name]) {
				return false
			}
		}
	}
	return true
}

// check accepts only what nextGeneration makes: the number becomes a path.
func (g *newGeneration) check() error {
	if g == nil {
		return nil
	}
	if !generationPattern.MatchString(strconv.Itoa(g.Number) + ".json") {
		return fmt.Errorf("damaged: generation %d", g.Number)
	}
	if _, err := parseGeneration(g.Text); err != nil {
		return fmt.Errorf("generation %d: %w", g.Number, err)
	}
	return nil
}

// recordGeneration writes the change's record, if it has one. It can be repeated.
func (t *tx) recordGeneration() error {
	g := t.j.Generation
	if g == nil {
		return nil
	}
	if err := fsx.MkdirAll(t.d.record(generationsName), 0o755); err != nil {
		return err
	}
	if _, err := t.d.generationNumbers(); err != nil { // a link
		return err
	}
	if now, err := readRecord(t.d.generation(g.Number)); err == nil && bytes.Equal(now, g.Text) {
		return nil
	}
	return fsx.WriteFile(t.d.generation(g.Number), g.Text, 0o644)
}

// dropGeneration takes the record of a change back that is undone. It can be repeated.
func (t *tx) dropGeneration() error {
	g := t.j.Generation
	if g == nil {
		return nil
	}
	numbers, err := t.d.generationNumbers()
	if err != nil || !slices.Contains(numbers, g.Number) {
		return nil // a folder that is not ours has no record of ours
	}
	if err := os.Remove(t.d.generation(g.Number)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return fsx.SyncDir(t.d.record(generationsName))
}

// forgetGenerations removes records that are too old to be kept, and what killed processes left beside them. No journal is
// open. Failing is no harm; the next change tries again.
func (d *Dir) forgetGenerations() {
	numbers, err := d.generationNumbers()
	if err != nil {
		return
	}
	for _, n := range numbers[:max(0, len(numbers)-generationsKept)] {
		os.Remove(d.generation(n))
	}
	entries, err := os.ReadDir(d.record(generationsName))
	if err != nil {
		return
	}
	for _, e := range entries {
		if _, temp := fsx.TempOf(e.Name()); temp {
			os.Remove(filepath.Join(d.record(generationsName), e.Name()))
		}
	}
}
