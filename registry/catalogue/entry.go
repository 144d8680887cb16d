package catalogue

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/Masterminds/semver/v3"

	"github.com/loadr-plugins/loadr/manifest"
)

// Limits of an entry. Clip makes what a plugin.toml says fit; what is larger is refused when it is read.
const (
	MaxLine        = 16 << 10 // bytes of an entry's JSON
	MaxVersion     = 48       // bytes of a version: it is part of a tag, which has at most 128
	maxDescription = 512      // bytes
	maxText        = 128      // bytes of every other text
	maxList        = 128      // texts in a list
	keptWords      = 16       // keywords and schemes that Clip keeps
)

// Entry is what a catalogue says of one plugin: the facts of its newest release, and which pre-release is newer, if one is.
// The order of fields is the order of keys, which is part of the format.
type Entry struct {
	Name        string   `json:"name"`
	Version     string   `json:"version"`           // the newest release; of a plugin without one, the newest pre-release
	Preview     string   `json:"preview,omitempty"` // the newest pre-release, when it is newer than Version, a release
	Kind        string   `json:"kind"`
	Type        string   `json:"type"`
	Description string   `json:"description,omitempty"` // one line
	Keywords    []string `json:"keywords,omitempty"`
	Schemes     []string `json:"schemes,omitempty"`
	License     string   `json:"license,omitempty"`
	Targets     []string `json:"targets,omitempty"`
	ABI         []string `json:"abi,omitempty"` // interfaces that the libraries were built against, family/version
}

// EntryError is an entry that breaks the format.
type EntryError struct {
	Field string `json:"field"`
	Want  string `json:"want"`
	Found string `json:"found"`
}

func (e *EntryError) Error() string {
	return fmt.Sprintf("catalogue entry: %s: expected %s, found %q", e.Field, e.Want, e.Found)
}

// ParseEntry reads the JSON of one entry. Keys that it does not know are passed over. The error is an *EntryError.
func ParseEntry(text []byte) (Entry, error) {
	if len(text) > MaxLine {
		return Entry{}, &EntryError{"entry", fmt.Sprintf("at most %d bytes", MaxLine), fmt.Sprint(len(text))}
	}
	var e Entry
	if err := json.Unmarshal(text, &e); err != nil {
		return Entry{}, &EntryError{"entry", "a JSON object", brief(err.Error())}
	}
	return e, e.check()
}

// Append appends the entry's JSON to out: always the same bytes for the same entry.
func (e Entry) Append(out []byte) []byte {
	var buf bytes.Buffer
	encoder := json.NewEncoder(&buf)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(e) // texts can't fail
	return append(out, bytes.TrimSuffix(buf.Bytes(), []byte("\n"))...)
}

// Clip makes an entry fit: texts on one line, and of long texts and lists the beginning. The error is an *EntryError for
// a name or version that no entry can have.
func (e Entry) Clip() (Entry, error) {
	e.Description, e.License = oneLine(e.Description, maxDescription), oneLine(e.License, maxText)
	e.Keywords, e.Schemes = clipList(e.Keywords, keptWords), clipList(e.Schemes, keptWords)
	e.Targets, e.ABI = clipList(e.Targets, maxList), clipList(e.ABI, maxList)
	return e, e.check()
}

func clipList(list []string, most int) []string {
	out := make([]string, 0, min(len(list), most))
	for _, s := range list[:min(len(list), most)] {
		if s = oneLine(s, maxText); s != "" {
			out = append(out, s)
		}
	}
	return out
}

func oneLine(s string, most int) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) <= most {
		return s
	}
	const dots = "..."
	cut := most - len(dots)
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return strings.TrimRight(s[:cut], " ") + dots
}

var wordPattern = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)

func (e *Entry) check() error {
	if err := manifest.CheckName(e.Name); err != nil {
		return &EntryError{"name", "a plugin's name", brief(e.Name)}
	}
	if !isVersion(e.Version) {
		return &EntryError{"version", versionRule, brief(e.Version)}
	}
	if e.Preview != "" && (!isVersion(e.Preview) || !isPreview(e.Preview) || isPreview(e.Version) || Compare(e.Preview, e.Version) <= 0) {
		return &EntryError{"preview", "a pre-release newer than the release " + e.Version, brief(e.Preview)}
	}
	for _, w := range []struct{ field, value string }{{"kind", e.Kind}, {"type", e.Type}} {
		if !wordPattern.MatchString(w.value) {
			return &EntryError{w.field, "a word", brief(w.value)}
		}
	}
	if err := checkText("description", e.Description, maxDescription); err != nil {
		return err
	}
	return e.checkLists()
}

func (e *Entry) checkLists() error {
	if err := checkText("license", e.License, maxText); err != nil {
		return err
	}
	for _, l := range []struct {
		field string
		texts []string
	}{{"keywords", e.Keywords}, {"schemes", e.Schemes}, {"targets", e.Targets}, {"abi", e.ABI}} {
		if len(l.texts) > maxList {
			return &EntryError{l.field, fmt.Sprintf("at most %d texts", maxList), fmt.Sprint(len(l.texts))}
		}
		for _, s := range l.texts {
			if err := checkText(l.field, s, maxText); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkText refuses what would drive a terminal, break a line, or make text read differently from what it is.
func checkText(field, s string, most int) error {
	hidden := func(r rune) bool {
		return unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control)
	}
	if len(s) > most || !utf8.ValidString(s) || strings.ContainsFunc(s, hidden) {
		return &EntryError{field, fmt.Sprintf("one line of text of at most %d bytes", most), brief(s)}
	}
	return nil
}

// brief keeps hostile text out of messages in full length.
func brief(s string) string {
	if len(s) > 64 {
		return s[:64] + "..."
	}
	return s
}

var versionRule = fmt.Sprintf("a semantic version without build metadata, of at most %d characters", MaxVersion)

func isVersion(s string) bool {
	v, err := semver.StrictNewVersion(s)
	return err == nil && v.Metadata() == "" && len(s) <= MaxVersion
}

func isPreview(version string) bool { return strings.Contains(version, "-") }

// Compare orders two versions by semver precedence: negative where a is older. Both must be versions.
func Compare(a, b string) int {
	return semver.MustParse(a).Compare(semver.MustParse(b))
}

// Merge makes one entry of two of the same plugin, whichever of them is a publish's own and whichever was merged before.
// The order in which entries are merged makes no difference, nor does merging one twice.
func Merge(a, b Entry) Entry {
	if prefer(b, a) {
		a, b = b, a
	}
	a.Preview = newest(a, a.Preview, b.Preview, b.Version)
	return a
}

// prefer says whether a stands before b: a release before a pre-release, then the newer one. Entries of the same version
// differ where programs of different age wrote them; any rule will do that everyone follows.
func prefer(a, b Entry) bool {
	if isPreview(a.Version) != isPreview(b.Version) {
		return !isPreview(a.Version)
	}
	if c := Compare(a.Version, b.Version); c != 0 {
		return c > 0
	}
	a.Preview, b.Preview = "", ""
	return bytes.Compare(a.Append(nil), b.Append(nil)) > 0
}

// newest gives the newest pre-release of the given versions that is newer than the release of e; empty if there is none.
func newest(e Entry, versions ...string) string {
	if isPreview(e.Version) {
		return ""
	}
	versions = slices.DeleteFunc(versions, func(v string) bool {
		return v == "" || !isPreview(v) || Compare(v, e.Version) < 0
	})
	if len(versions) == 0 {
		return ""
	}
	return slices.MaxFunc(versions, Compare)
}

// Covers says whether an entry of the given version would change nothing about e but, perhaps, its texts.
func (e Entry) Covers(version string) bool {
	switch {
	case Compare(version, e.Version) <= 0:
		return isPreview(version) || !isPreview(e.Version)
	case !isPreview(version):
		return false
	}
	return e.Preview != "" && Compare(version, e.Preview) <= 0
}
