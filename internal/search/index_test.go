package search

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loadr-plugins/loadr/internal/legacyindex"
	"github.com/loadr-plugins/loadr/registry/catalogue"
)

func TestIndexBecomesACatalogue(t *testing.T) {
	x, err := legacyindex.Parse("file:index.json", []byte(`{"schema": 1, "plugins": {
		"echo": {"description": "says it\nagain", "versions": {"1.0.0": {}, "1.10.0": {}, "1.9.0": {}, "2.0.0-rc.1": {}, "nightly": {}}},
		"steers": {"description": "\u001b[2J", "versions": {"1.0.0": {}}},
		"shapeless": {"description": 7, "versions": {"1.0.0": {}}},
		"early": {"versions": {"1.0.0-rc.1": {}}},
		"empty": {"versions": {}},
		"Not A Name": {"versions": {"1.0.0": {}}},
		"broken": 7
	}}`))
	if err != nil {
		t.Fatal(err)
	}
	entry := func(name, version, description string) catalogue.Entry {
		return catalogue.Entry{Name: name, Version: version, Kind: unknown, Type: unknown, Description: description,
			Keywords: []string{}, Schemes: []string{}, Targets: []string{}, ABI: []string{}}
	}
	want := map[string]catalogue.Entry{
		"echo": entry("echo", "1.10.0", "says it again"), "early": entry("early", "1.0.0-rc.1", ""), "steers": entry("steers", "1.0.0", ""), "shapeless": entry("shapeless", "1.0.0", ""),
	}
	if d := cmp.Diff(want, Index(x)); d != "" {
		t.Error(d)
	}
}
