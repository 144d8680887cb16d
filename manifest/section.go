package manifest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// section is one table that is being read. Its methods report what they refuse to r, and then give the value all the
// same, so that one run finds everything that is wrong.
type section struct {
	r      *reader
	names  []string // the table's path
	values map[string]any
}

// root is the section of the whole document.
func (r *reader) root() section {
	s := section{r, nil, r.doc.tree}
	s.unknown()
	return s
}

// section opens a table below s whose keys are fixed.
func (s section) section(key string) section {
	sub := section{s.r, s.path(key), s.table(key)}
	sub.unknown()
	return sub
}

func (s section) path(key string) []string { return append(slices.Clone(s.names), key) }

// table gives nil for a table that is missing.
func (s section) table(key string) map[string]any {
	switch v := s.values[key].(type) {
	case nil:
	case map[string]any:
		return v
	default:
		s.r.fail(s.path(key), describe(v), "a table")
	}
	return nil
}

// required reads a string that must be there and must satisfy the rule, also when it is empty.
func (s section) required(key string, allowed rule) string {
	v, has := s.values[key]
	if !has {
		s.r.fail(s.path(key), "nothing", cmp.Or(allowed(""), "a string"))
		return ""
	}
	return s.checked(s.path(key), v, allowed)
}

// text reads a string that may be missing; an empty one says as much.
func (s section) text(key string, allowed rule) string {
	v, has := s.values[key]
	if !has || v == "" {
		return ""
	}
	return s.checked(s.path(key), v, allowed)
}

// list reads an array of strings that may be missing.
func (s section) list(key string, allowed rule) (out []string) {
	v, has := s.values[key]
	if !has {
		return nil
	}
	elements, ok := v.([]any)
	if !ok || len(elements) > maxList {
		s.r.fail(s.path(key), describe(v), fmt.Sprintf("an array of at most %d strings", maxList))
		return nil
	}
	for i, element := range elements {
		out = append(out, s.checked(append(s.path(key), index(i)), element, allowed))
	}
	return out
}

func (s section) checked(path []string, v any, allowed rule) string {
	text, ok := v.(string)
	if !ok {
		s.r.fail(path, describe(v), "a string")
		return ""
	}
	if want := allowed(text); want != "" {
		s.r.fail(path, quote(text), want)
	}
	return text
}

// unknown warns of keys that nothing reads.
func (s section) unknown() {
	table := strings.Join(s.names, ".")
	for _, key := range sortedKeys(s.values) {
		if slices.Contains(knownKeys[table], key) {
			continue
		}
		nearest := nearestKey(table, key)
		detail := "unknown key; known are " + strings.Join(knownKeys[table], ", ")
		if nearest != "" {
			detail = "unknown key; the nearest known one is " + nearest
		}
		s.r.warn(s.path(key), detail, nearest)
	}
}

func (r *reader) fail(path []string, found, want string) *Error {
	n, _ := r.doc.find(path...)
	e := r.doc.errorAt(n.value, dotted(path), found, want)
	r.errs = append(r.errs, e)
	return e
}

func (r *reader) warn(path []string, detail, nearest string) {
	if len(r.warnings) == maxErrors {
		return
	}
	n, _ := r.doc.find(path...)
	line, column := r.doc.position(n.key)
	r.warnings = append(r.warnings, Warning{r.doc.file, line, column, dotted(path), detail, nearest})
}

func tooLarge(file string, size int) *Error {
	return &Error{File: file, Field: "size", Found: fmt.Sprintf("%d bytes", size), Want: fmt.Sprintf("at most %d bytes", MaxSize)}
}

// describe shows a value of any type in an error.
func describe(v any) string {
	switch v := v.(type) {
	case nil:
		return "nothing"
	case string:
		return quote(v)
	case int64:
		return fmt.Sprintf("the integer %d", v)
	case float64:
		return fmt.Sprintf("the number %g", v)
	case bool:
		return fmt.Sprintf("the boolean %t", v)
	case []any:
		return fmt.Sprintf("an array of %d", len(v))
	case map[string]any:
		return "a table"
	}
	return "a date or time"
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
