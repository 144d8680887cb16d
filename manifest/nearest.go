package manifest

import (
	"cmp"
	"slices"
	"strings"
)

// knownKeys lists the keys of each table, by its dotted path. [config] and [requires.plugins] and [build.targets] have
// keys of the author's choice.
var knownKeys = map[string][]string{
	"":         {"plugin", "requires", "build", "config"},
	"plugin":   {"name", "version", "kind", "type", "entry", "description", "abi", "schemes", "license", "authors", "homepage", "repository", "keywords"},
	"requires": {"abi", "plugins"},
	"build":    {"readme", "include", "targets"},
}

// nearestKey gives the dotted path of the known key that an unknown one in a table was probably meant to be: one of
// this table that is a slip away, else the same key of another table, else the nearest of this one. "" where none is
// close.
func nearestKey(table, key string) string {
	lower := strings.ToLower(key)
	best, least := "", (len(lower)+1)/2+1
	for _, known := range knownKeys[table] {
		if n := edits(lower, known); n < least {
			best, least = join(table, known), n
		}
	}
	if least > slip {
		return cmp.Or(elsewhere(lower), best)
	}
	return best
}

// slip is the most edits that make a typing mistake.
const slip = 2

// elsewhere gives the path of a key of any table.
func elsewhere(key string) string {
	for _, table := range []string{"plugin", "build", "requires", ""} {
		if slices.Contains(knownKeys[table], key) {
			return join(table, key)
		}
	}
	return ""
}

func join(table, key string) string {
	if table == "" {
		return key
	}
	return table + "." + key
}

// edits counts the insertions, deletions and replacements of bytes that turn a into b (Levenshtein distance).
func edits(a, b string) int {
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
