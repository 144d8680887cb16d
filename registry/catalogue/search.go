package catalogue

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Query is what is looked for. Every term must be found; without terms every plugin is.
type Query struct {
	Terms []string // upper and lower case are the same
	Kind  string   // empty: any
	Limit int      // most matches to give; at least 1
}

// Match is a plugin that was found. Of two matches the one with the lower rank is better; equal ones are in order of
// their names.
type Match struct {
	Entry Entry
	Rank  int
}

// Matches is what a search found: the best ones, best first, and how many there are in all.
type Matches struct {
	Best  []Match
	Total int
}

// The ranks of a term, by where it was found. Those of several terms are added up.
const (
	isName = iota
	beginsName
	inName
	inWords       // at the beginning of a word of the keywords or schemes
	inDescription // at the beginning of a word of the description
	nowhere
)

// Search finds what matches in a table, where fresh entries, by name, are merged into those of the table.
// Memory is that of fresh and of the best matches, whatever the length of the table. The error is ErrTable or that of
// table.
func Search(table Table, fresh map[string]Entry, q Query) (Matches, error) {
	s := &search{kind: []byte(q.Kind), limit: q.Limit}
	for _, t := range q.Terms {
		if t = strings.TrimSpace(t); t != "" {
			s.terms = append(s.terms, []byte(strings.ToLower(t)))
		}
	}
	seen := map[string]bool{}
	err := table.rows(func(r row) error {
		e, ok := fresh[string(r.name)]
		if !ok {
			s.row(r, nil)
			return nil
		}
		seen[e.Name] = true
		old, err := table.entry(e.Name, string(r.offset))
		if err == nil {
			s.entry(Merge(old, e))
		}
		return err
	})
	for _, name := range slices.Sorted(maps.Keys(fresh)) {
		if !seen[name] {
			s.entry(fresh[name])
		}
	}
	if err != nil {
		return Matches{}, err
	}
	return s.matches(table)
}

// Lookup finds the entries of the named plugins in a table. Names that are not there are left out. The error is ErrTable or
// that of table.
func Lookup(table Table, names map[string]bool) (map[string]Entry, error) {
	out := map[string]Entry{}
	return out, table.rows(func(r row) error {
		if !names[string(r.name)] {
			return nil
		}
		e, err := table.entry(string(r.name), string(r.offset))
		out[e.Name] = e
		return err
	})
}

// search keeps the best rows of those that match.
type search struct {
	terms [][]byte
	kind  []byte
	limit int
	total int
	best  []candidate // sorted, at most limit
}

// candidate is a plugin that matches. The entry of one from the table is read only when it is among the best at the end.
type candidate struct {
	rank         int
	name, offset string
	fresh        *Entry // nil: it is at offset
}

func (s *search) entry(e Entry) {
	r, _ := cutRow(appendColumns(nil, e))
	s.row(r, &e)
}

func (s *search) row(r row, fresh *Entry) {
	if len(s.kind) > 0 && !bytes.Equal(r.kind, s.kind) {
		return
	}
	rank := 0
	for _, t := range s.terms {
		found := r.rank(t)
		if found == nowhere {
			return
		}
		rank += found
	}
	s.total++
	if len(s.best) == s.limit && worse(rank, r.name, s.best[s.limit-1]) {
		return
	}
	c := candidate{rank, string(r.name), string(r.offset), fresh}
	at, _ := slices.BinarySearchFunc(s.best, c, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.name, b.name))
	})
	if len(s.best) == s.limit {
		s.best = s.best[:s.limit-1]
	}
	s.best = slices.Insert(s.best, at, c)
}

func worse(rank int, name []byte, than candidate) bool {
	return rank > than.rank || rank == than.rank && string(name) >= than.name
}

func (s *search) matches(table Table) (Matches, error) {
	m := Matches{Best: make([]Match, 0, len(s.best)), Total: s.total}
	for _, c := range s.best {
		if c.fresh == nil {
			e, err := table.entry(c.name, c.offset)
			if err != nil {
				return Matches{}, err
			}
			c.fresh = &e
		}
		m.Best = append(m.Best, Match{*c.fresh, c.rank})
	}
	return m, nil
}

// rank says where a term, in small letters, is found first.
func (r *row) rank(term []byte) int {
	switch i := bytes.Index(r.name, term); {
	case i == 0 && len(r.name) == len(term):
		return isName
	case i == 0:
		return beginsName
	case i > 0:
		return inName
	case beginsWord(r.words, term):
		return inWords
	case beginsWord(r.description, term):
		return inDescription
	}
	return nowhere
}

// beginsWord says whether term stands in text with no letter or digit before it.
func beginsWord(text, term []byte) bool {
	for from := 0; ; {
		i := bytes.Index(text[from:], term)
		if i < 0 {
			return false
		}
		before, size := utf8.DecodeLastRune(text[:from+i])
		if size == 0 || !unicode.IsLetter(before) && !unicode.IsDigit(before) {
			return true
		}
		_, size = utf8.DecodeRune(text[from+i:])
		from += i + size
	}
}
