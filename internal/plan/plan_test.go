package plan

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loadr-plugins/loadr/manifest"
)

func TestParse(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		want []Plugin
	}{
		"empty":      {"", nil},
		"a comment":  {"# nothing\n", nil},
		"no list":    {"scenarios: []\nname: x\n", nil},
		"empty list": {"plugins:\n", nil},
		"names":      {"plugins: [kafka, echo-proto]\n", []Plugin{{"kafka", "", 1, 11}, {"echo-proto", "", 1, 18}}},
		"mappings": {
			"name: load\nplugins:\n  - name: kafka\n    version: ^1.2\n    config: {plugins: [x]}\n  - echo\n  - {version: '>=1 <3', name: smtp}\nstages:\n  - plugins: [other]\n",
			[]Plugin{{"kafka", "^1.2", 3, 5}, {"echo", "", 6, 5}, {"smtp", ">=1 <3", 7, 5}},
		},
		"a version that looks like a number": {"plugins: [{name: kafka, version: 1.10}]", []Plugin{{"kafka", "1.10", 1, 11}}},
		"JSON is YAML":                       {`{"plugins": ["kafka"]}`, []Plugin{{"kafka", "", 1, 14}}},
		"anchors elsewhere":                  {"a: &a [1]\nb: *a\nplugins: [kafka]", []Plugin{{"kafka", "", 3, 11}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Parse("plan.yaml", []byte(test.text))
			if diff := cmp.Diff(test.want, got); err != nil || diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	for text, want := range map[string]string{
		"plugins: kafka":                                `plan.yaml:1:10: plugins: expected a list, found "kafka"`,
		"plugins: {kafka: 1}":                           "plan.yaml:1:10: plugins: expected a list, found a mapping",
		"a: &a [kafka]\nplugins: *a":                    "plan.yaml:2:10: plugins: expected a list, found an alias (*a), which is not followed",
		"a: &a kafka\nplugins: [*a]":                    "plan.yaml:2:11: plugins: expected a name or a mapping, found an alias (*a), which is not followed",
		"a: &a {name: x}\nplugins: [{<<: *a}]":          "plan.yaml:2:12: plugins: expected name and version written out, found a merge",
		"plugins: [[kafka]]":                            "plan.yaml:1:11: plugins: expected a name or a mapping, found a list",
		"plugins:\n- kafka\n- {name: kafka}":            `plan.yaml:3:3: plugins: expected "kafka" once, found it on line 2 too`,
		"plugins:\n  - version: ^1":                     "plan.yaml:2:5: plugins: expected a mapping with a name, found none",
		"plugins: [{name: [x]}]":                        "plan.yaml:1:18: plugins: expected a name, found a list",
		"plugins: [{name: kafka, version: }]":           `plan.yaml:1:34: plugins: version: expected a range such as "^1.2", found nothing`,
		"plugins: [kafka@^1]":                           "plan.yaml:1:11: plugins: ",
		"plugins: ['']":                                 "plan.yaml:1:11: plugins: ",
		"plugins: [a]\nplugins: [b]":                    "plan.yaml:2:1: plugins: expected one list, found another",
		"- kafka":                                       "plan.yaml:1:1: expected a test plan, a mapping, found a list",
		"plugins: []\n---\nplugins: []":                 "plan.yaml:2:1: expected one YAML document, found another",
		"plugins: [kafka\nx: 1":                         "plan.yaml:2: not YAML: did not find expected ',' or ']'",
		"a: b: c":                                       "plan.yaml:1: not YAML: mapping values are not allowed in this context",
		strings.Repeat(" ", MaxSize) + "a":              "plan.yaml: expected at most 1048576 bytes, found 1048577",
		"plugins: [" + strings.Repeat("a, ", 2e3) + "]": "plan.yaml:1:10: plugins: expected at most 1000, found 2000",
	} {
		_, err := Parse("plan.yaml", []byte(text))
		var e *Error
		if !errors.As(err, &e) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%.60q: %v, expected %s", text, err, want)
		}
	}
}

// TestBombs: text that grows when aliases are followed, or that nests as deep as it can, takes neither time nor memory.
func TestBombs(t *testing.T) {
	laughs := "a0: &a0 [x]\n"
	for i := range 40 {
		laughs += fmt.Sprintf("a%d: &a%d [%s]\n", i+1, i+1, strings.Repeat(fmt.Sprintf("*a%d, ", i), 9))
	}
	if got, err := Parse("plan.yaml", []byte(laughs+"plugins: [kafka]\n")); err != nil || len(got) != 1 {
		t.Errorf("aliases of aliases: %v, %v", got, err)
	}
	for _, open := range []string{"[", "{a: ", "- ", "? "} {
		if _, err := Parse("plan.yaml", []byte(strings.Repeat(open, MaxSize/len(open)))); err == nil {
			t.Errorf("%q without end is a plan", open)
		}
	}
}

func FuzzPlan(f *testing.F) {
	for _, seed := range []string{
		"plugins: [kafka, {name: smtp, version: ^1}]", "plugins:\n- a\n- name: b\n", "a: &a [1]\nplugins: *a", "--- \n...\n", "\xff\xfe", "<<: {plugins: [a]}", "? - a\n: b\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		plugins, err := Parse("plan.yaml", text)
		var e *Error
		if err != nil && (!errors.As(err, &e) || len(err.Error()) > 1000) {
			t.Fatalf("%T %v", err, err)
		}
		seen := map[string]bool{}
		for _, p := range plugins {
			if err := manifest.CheckName(p.Name); err != nil || seen[p.Name] || p.Line < 1 || p.Column < 1 {
				t.Fatalf("%+v: %v", p, err)
			}
			seen[p.Name] = true
		}
	})
}
