package manifest

import "strings"

// knownKeys lists the keys of each table, by its dotted path. [config] and [requires.plugins] and [build.targets] have
// keys of the author's choice.
var knownKeys = map[string][]string{
	"":         {"plugin", "requires", "build", "config"},
	"plugin":   {"name", "version", "kind", "type", "entry", "description", "abi", "schemes", "license", "authors", "homepage", "repository", "keywords"},
	"requires": {"abi", "plugins"},
	"build":    {"readme", "include", "targets"},
}

// nearestKey gives the dotted path of the known key that an unknown one in a table was probably meant to be: the same
// key of another table, else the one of this table with the fewest edits. "" where none is close.
func nearestKey(table, key string) string {
	lower := strings.ToLower(key)
	for _, other := range []string{table, "plugin", "build", "requires", ""} {
		for _, known := range knownKeys[other] {
			if known == lower {
				return join(other, known)
			}
		}
	}
	best, least := "", (len(lower)+1)/2+1
	for _, known := range knownKeys[table] {
		if n := edits(lower, known); n < least {
			best, least = join(table, known), n
		}
	}
	return best
}

func join(table, key string) string {
	if table == "" {
		return key
	}
	return table + "." + key
}

// edits counts the insertions, deletions and replacements of bytes that turn a into b (Levenshtein distance).
func edits(a, b string) int {
	if len(a) > maxShown {
		return len(a) // nothing known is that long; do not spend time on hostile keys
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal, row[j+1] = row[j+1], min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
