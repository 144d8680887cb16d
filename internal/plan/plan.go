// Package plan reads which plugins a loadr test plan uses: the entries of the list plugins at the top of its YAML. An entry is
// a plugin's name, or a mapping with the key name and, if wanted, version, a range. Everything else in a plan is the
// engine's affair and is not looked at.
//
// It does not resolve, and does not know what a range means. Functions are safe for concurrent use.
package plan

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/loadr-plugins/loadr/manifest"
)

// Limits on what is read. Plans are written by hand; larger ones are something else.
const (
	MaxSize    = 1 << 20 // bytes
	MaxPlugins = 1000
)

// Plugin is one entry.
type Plugin struct {
	Name  string
	Range string // of versions, as written; empty: any
	// Line and Column are where the entry stands, from 1.
	Line, Column int
}

// Error is one thing that is wrong in a plan. Line and Column are from 1, 0 where they are not known.
type Error struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Detail string `json:"detail"` // object, expected, found
}

func (e *Error) Error() string {
	where := e.File
	for _, n := range []int{e.Line, e.Column} {
		if n > 0 {
			where += ":" + strconv.Itoa(n)
		}
	}
	return where + ": " + e.Detail
}

// Hint shows both forms of an entry.
func (e *Error) Hint() string {
	return `an entry of plugins is a name, or a mapping such as { name: kafka, version: "^1.2" }`
}

// Parse reads a plan's text; file is for messages. The plugins come in the order of the list, each once. A plan without
// the list uses none. The error is an *Error.
func Parse(file string, text []byte) ([]Plugin, error) {
	r := reader{file}
	if len(text) > MaxSize {
		return nil, &Error{File: file, Detail: fmt.Sprintf("expected at most %d bytes, found %d", MaxSize, len(text))}
	}
	top, err := r.document(text)
	if top == nil || err != nil {
		return nil, err
	}
	list, err := r.list(top)
	if list == nil || err != nil {
		return nil, err
	}
	var plugins []Plugin
	seen := map[string]int{}
	for _, node := range list.Content {
		p, err := r.entry(node)
		if err != nil {
			return nil, err
		}
		if line, again := seen[p.Name]; again {
			return nil, r.errorAt(node, "plugins: expected %q once, found it on line %d too", p.Name, line)
		}
		seen[p.Name] = p.Line
		plugins = append(plugins, p)
	}
	return plugins, nil
}

type reader struct{ file string }

func (r reader) errorAt(n *yaml.Node, format string, args ...any) error {
	return &Error{r.file, n.Line, n.Column, fmt.Sprintf(format, args...)}
}

// document gives the mapping that a plan is; nil for an empty text. Nodes are all that is decoded: aliases stay what they are
// and can't grow into anything.
func (r reader) document(text []byte) (*yaml.Node, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var doc, more yaml.Node
	switch err := decoder.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, r.syntax(err)
	}
	switch err := decoder.Decode(&more); {
	case err == nil:
		return nil, r.errorAt(&more, "expected one YAML document, found another")
	case !errors.Is(err, io.EOF):
		return nil, r.syntax(err)
	}
	top := doc.Content[0]
	switch {
	case top.Kind == yaml.MappingNode:
		return top, nil
	case top.Kind == yaml.ScalarNode && top.Tag == "!!null":
		return nil, nil
	}
	return nil, r.errorAt(top, "expected a test plan, a mapping, found %s", kindOf(top))
}

// place is how the YAML library says where: in front of its words, without a column, and not at all on the first line. What
// its parser complains of, as opposed to its scanner, it counts from 0.
var place = regexp.MustCompile(`^(?:yaml: )?(?:line (\d+): )?`)

func (r reader) syntax(err error) error {
	at := place.FindStringSubmatch(err.Error())
	words := strings.TrimPrefix(err.Error(), at[0])
	line, _ := strconv.Atoi(at[1])
	if line == 0 || strings.HasPrefix(words, "did not find expected") {
		line++
	}
	return &Error{File: r.file, Line: line, Detail: "not YAML: " + shown(words)}
}

// list finds the one plugins list; nil for none.
func (r reader) list(top *yaml.Node) (list *yaml.Node, err error) {
	for i := 0; i+1 < len(top.Content); i += 2 {
		key, value := top.Content[i], top.Content[i+1]
		switch {
		case key.Kind != yaml.ScalarNode || key.Value != "plugins":
		case list != nil:
			return nil, r.errorAt(key, "plugins: expected one list, found another")
		case value.Kind == yaml.SequenceNode && len(value.Content) > MaxPlugins:
			return nil, r.errorAt(value, "plugins: expected at most %d, found %d", MaxPlugins, len(value.Content))
		case value.Kind == yaml.SequenceNode:
			list = value
		case value.Kind == yaml.ScalarNode && value.Tag == "!!null":
			list = &yaml.Node{}
		default:
			return nil, r.errorAt(value, "plugins: expected a list, found %s", kindOf(value))
		}
	}
	return list, nil
}

func (r reader) entry(n *yaml.Node) (Plugin, error) {
	p := Plugin{Line: n.Line, Column: n.Column}
	switch n.Kind {
	case yaml.ScalarNode:
		return p, r.name(&p, n)
	case yaml.MappingNode:
	default:
		return p, r.errorAt(n, "plugins: expected a name or a mapping, found %s", kindOf(n))
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		var err error
		switch {
		case key.Kind != yaml.ScalarNode:
		case key.Value == "<<":
			err = r.errorAt(key, "plugins: expected name and version written out, found a merge")
		case key.Value == "name":
			err = r.name(&p, value)
		case key.Value == "version":
			err = r.version(&p, value)
		}
		if err != nil {
			return p, err
		}
	}
	if p.Name == "" {
		return p, r.errorAt(n, "plugins: expected a mapping with a name, found none")
	}
	return p, nil
}

func (r reader) name(p *Plugin, n *yaml.Node) error {
	if n.Kind != yaml.ScalarNode {
		return r.errorAt(n, "plugins: expected a name, found %s", kindOf(n))
	}
	if err := manifest.CheckName(n.Value); err != nil {
		return r.errorAt(n, "plugins: %s", shown(err.Error()))
	}
	p.Name = n.Value
	return nil
}

// version takes the text as it stands: 1.10 is not the number 1.1.
func (r reader) version(p *Plugin, n *yaml.Node) error {
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" || strings.TrimSpace(n.Value) == "" {
		return r.errorAt(n, `plugins: version: expected a range such as "^1.2", found %s`, kindOf(n))
	}
	p.Range = n.Value
	return nil
}

func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias (*" + shown(n.Value) + "), which is not followed"
	}
	if n.Tag == "!!null" {
		return "nothing"
	}
	return strconv.Quote(shown(n.Value))
}

// maxShown bounds how much of a plan a message repeats, in bytes.
const maxShown = 200

func shown(s string) string {
	if len(s) > maxShown {
		return strings.ToValidUTF8(s[:maxShown], "") + "..."
	}
	return s
}
