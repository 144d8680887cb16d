package registry

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
)

// canonicalJSON encodes v as RFC 8785 (JSON Canonicalization Scheme) does: keys sorted, no white space, the shortest
// escapes. It is narrower in two ways: numbers must be integers that fit 53 bits, and keys must be of lower-case letters,
// digits and underscores. Those sort by bytes as by UTF-16 units, and encoding/json, which matches keys whatever their
// case, then sees in them what every other reader does.
func canonicalJSON(v any) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var tree any
	if err := d.Decode(&tree); err != nil {
		return nil, err
	}
	return appendCanonical(nil, tree)
}

func appendCanonical(out []byte, v any) (_ []byte, err error) {
	switch v := v.(type) {
	case map[string]any:
		return appendObject(out, v)
	case []any:
		return appendArray(out, v)
	case string:
		return appendString(out, v), nil
	case json.Number:
		return appendNumber(out, v)
	case bool:
		return strconv.AppendBool(out, v), nil
	case nil:
		return append(out, "null"...), nil
	}
	return nil, fmt.Errorf("a value of type %T has no JSON form", v)
}

var keyPattern = regexp.MustCompile(`^[a-z0-9_]+$`)

func appendObject(out []byte, object map[string]any) (_ []byte, err error) {
	out = append(out, '{')
	for i, key := range slices.Sorted(maps.Keys(object)) {
		if !keyPattern.MatchString(key) {
			return nil, fmt.Errorf("key %q: expected lower-case letters, digits and underscores", key)
		}
		if i > 0 {
			out = append(out, ',')
		}
		out = append(appendString(out, key), ':')
		if out, err = appendCanonical(out, object[key]); err != nil {
			return nil, err
		}
	}
	return append(out, '}'), nil
}

func appendArray(out []byte, array []any) (_ []byte, err error) {
	out = append(out, '[')
	for i, v := range array {
		if i > 0 {
			out = append(out, ',')
		}
		if out, err = appendCanonical(out, v); err != nil {
			return nil, err
		}
	}
	return append(out, ']'), nil
}

func appendNumber(out []byte, number json.Number) ([]byte, error) {
	n, err := number.Int64()
	if err != nil || n > 1<<53 || n < -1<<53 {
		return nil, fmt.Errorf("number %s: expected an integer of at most 53 bits", number)
	}
	return strconv.AppendInt(out, n, 10), nil
}

// shortEscapes are those that RFC 8785, section 3.2.2.2, requires.
var shortEscapes = map[byte]string{'"': `\"`, '\\': `\\`, '\b': `\b`, '\f': `\f`, '\n': `\n`, '\r': `\r`, '\t': `\t`}

func appendString(out []byte, s string) []byte {
	out = append(out, '"')
	for i := range len(s) {
		b := s[i]
		switch escape, ok := shortEscapes[b]; {
		case ok:
			out = append(out, escape...)
		case b < ' ':
			out = fmt.Appendf(out, `\u%04x`, b)
		default:
			out = append(out, b)
		}
	}
	return append(out, '"')
}
