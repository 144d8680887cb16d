//go:build unix

package cli_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

const jsonUsage = "json FILE PATH [= VALUE | ~ REGEXP | len N | keys A,B,C | > VAR]"

// json FILE PATH ... asserts something of the one JSON value in a file, or in stdout or stderr. A PATH is a row of .key
// and [index] that begins with a dot, which alone is the whole. Without more it asserts that the value is there; with a "!" in front, that it is not.
func cmdJSON(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 && len(args) != 4 {
		ts.Fatalf("usage: %s", jsonUsage)
	}
	root, err := oneJSON(ts.ReadFile(args[0]))
	if err != nil {
		ts.Fatalf("%s: %v", args[0], err)
	}
	value, err := follow(root, args[1])
	if err == nil && len(args) == 4 {
		err = holds(ts, value, args[2], args[3])
	}
	switch {
	case err != nil && !neg:
		ts.Fatalf("%s %s: %v", args[0], args[1], err)
	case err == nil && neg:
		ts.Fatalf("%s %s: found %s", args[0], args[1], inWords(value))
	}
}

// oneJSON decodes text that must be one JSON value and nothing else.
func oneJSON(text string) (value any, err error) {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		return nil, fmt.Errorf("expected JSON: %w: found %q", err, text)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("expected one JSON value, found more: %q", text)
	}
	return value, checkKeys(value)
}

// checkKeys refuses keys that a struct got from its Go names: those are no interface.
func checkKeys(value any) error {
	switch v := value.(type) {
	case map[string]any:
		for key, inner := range v {
			if key != strings.ToLower(key) {
				return fmt.Errorf("expected keys in small letters, found %q", key)
			}
			if err := checkKeys(inner); err != nil {
				return err
			}
		}
	case []any:
		for _, inner := range v {
			if err := checkKeys(inner); err != nil {
				return err
			}
		}
	}
	return nil
}

var step = regexp.MustCompile(`^(?:\.([^.\[\]]+)|\[(\d+)\])`)

func follow(value any, path string) (any, error) {
	if path == "." || strings.HasPrefix(path, ".[") {
		path = path[1:]
	}
	for path != "" {
		m := step.FindStringSubmatch(path)
		if m == nil {
			return nil, fmt.Errorf("not a path: %q", path)
		}
		path = path[len(m[0]):]
		if m[1] != "" {
			object, ok := value.(map[string]any)
			if value, ok = object[m[1]], ok && hasKey(object, m[1]); !ok {
				return nil, fmt.Errorf("no key %q", m[1])
			}
			continue
		}
		list, _ := value.([]any)
		i, err := strconv.Atoi(m[2])
		if err != nil || i >= len(list) {
			return nil, fmt.Errorf("no element %s of %d", m[2], len(list))
		}
		value = list[i]
	}
	return value, nil
}

func hasKey(object map[string]any, key string) bool {
	_, ok := object[key]
	return ok
}

// inWords gives strings as they are and all else as JSON.
func inWords(value any) string {
	if s, ok := value.(string); ok {
		return s
	}
	text, err := json.Marshal(value)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func holds(ts *testscript.TestScript, value any, operator, want string) error {
	got := inWords(value)
	switch operator {
	case "=":
	case "~":
		if regexp.MustCompile(want).MatchString(got) {
			return nil
		}
	case "len":
		got = size(value)
	case "keys":
		object, _ := value.(map[string]any)
		got = strings.Join(slices.Sorted(maps.Keys(object)), ",")
	case ">":
		ts.Setenv(want, got)
		return nil
	default:
		return fmt.Errorf("usage: %s", jsonUsage)
	}
	if got != want {
		return fmt.Errorf("expected %s %q, found %q", operator, want, got)
	}
	return nil
}

func size(value any) string {
	switch v := value.(type) {
	case []any:
		return strconv.Itoa(len(v))
	case map[string]any:
		return strconv.Itoa(len(v))
	}
	return "none"
}

// TestFollow holds the scripts' own instrument to what it promises.
func TestFollow(t *testing.T) {
	root, err := oneJSON(`{"a":[{"b-c":1},null],"d":{"e":"f"}}`)
	if err != nil {
		t.Fatal(err)
	}
	list, err := oneJSON(`["x"]`)
	if value, problem := follow(list, ".[0]"); err != nil || problem != nil || inWords(value) != "x" {
		t.Errorf(".[0]: expected x, found %s, %v", inWords(value), problem)
	}
	for path, want := range map[string]string{
		".": `{"a":[{"b-c":1},null],"d":{"e":"f"}}`, ".a[0].b-c": "1", ".a[1]": "null", ".d.e": "f",
		".a[2]": "", ".d.x": "", ".d.e.f": "", ".d[0]": "", "d": "",
	} {
		value, err := follow(root, path)
		if want == "" && err == nil || want != "" && (err != nil || inWords(value) != want) {
			t.Errorf("%s: expected %q, found %s, %v", path, want, inWords(value), err)
		}
	}
	for _, text := range []string{"", "{", "{}{}", "{} x", "x"} {
		if _, err := oneJSON(text); err == nil {
			t.Errorf("%q passed for one JSON value", text)
		}
	}
}
