package catalogue

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/loadr-plugins/loadr/manifest"
)

// Repository is the last part of the name of a namespace's catalogue. No plugin's name has a dot.
const Repository = "catalogue.loadr"

// IndexTag is the tag of the compacted catalogue. It sorts behind the tags of entries.
const IndexTag = "index"

// MaxGeneration is the last generation there can be.
const MaxGeneration = 9_999_999_999

// Tag is what an entry is stored under: no two publishes of different releases ever have the same, so that none can undo
// another's.
type Tag struct {
	// Generation is how often the catalogue had been compacted, as far as the publisher knew. Registries list tags in
	// order, so what was written since is found without listing what was written before.
	Generation int64
	Name       string
	Version    string
}

// String gives the tag, such as "g0000000003.echo.1.2.0".
func (t Tag) String() string { return fmt.Sprintf("g%010d.%s.%s", t.Generation, t.Name, t.Version) }

var tagPattern = regexp.MustCompile(`^g(\d{10})\.([a-z0-9-]+)\.([0-9A-Za-z.-]+)$`)

// ParseTag reads the tag of an entry; ok is false for any other.
func ParseTag(s string) (t Tag, ok bool) {
	m := tagPattern.FindStringSubmatch(s)
	if m == nil || manifest.CheckName(m[2]) != nil || !isVersion(m[3]) {
		return Tag{}, false
	}
	generation, err := strconv.ParseInt(m[1], 10, 64)
	return Tag{generation, m[2], m[3]}, err == nil
}

// Since gives the text after which, in the order of tags, the entries lie that a compacted catalogue of the given generation
// may not have. They begin with the generation before: a publish that looked just before the compaction may have written
// just after it. Empty means all tags.
func Since(generation int64) string {
	if generation == 0 {
		return ""
	}
	return fmt.Sprintf("g%010d", generation-1)
}

// After says whether a tag lies after such a text. Registries that know no pages list everything.
func After(tag, since string) bool { return strings.Compare(tag, since) > 0 }
