package info

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loadr-plugins/loadr/loader/abistable"
	"github.com/loadr-plugins/loadr/loader/layout"
)

// The offsets are those at which package native reads and calls.
func TestModuleOfTheInterface(t *testing.T) {
	graph := abistable.Default()[0].Graph
	got := moduleOf(graph)
	for i := range got.Fields {
		if f := &got.Fields[i]; f.ID <= 0 || f.ID >= len(graph.Types) || graph.Types[f.ID].Size != f.Size {
			t.Errorf("field %s: type %d of %d", f.Name, f.ID, len(graph.Types))
		} else {
			f.ID = 0
		}
	}
	want := &Module{
		Name: "PluginMod", Size: 64, Align: 8,
		Fields: []ModuleField{
			{Name: "abi_version", Type: "u32", Offset: 0, Size: 4},
			{Name: "info", Type: "fn() -> RString", Offset: 8, Size: 8},
			{Name: "make_output", Type: "ROption<fn() -> FfiOutput_TO>", Offset: 16, Size: 16},
			{Name: "make_protocol", Type: "ROption<fn() -> FfiProtocol_TO>", Offset: 32, Size: 16},
			{Name: "make_service", Type: "ROption<fn() -> FfiService_TO>", Offset: 48, Size: 16},
		},
		Traits: []Trait{
			{Name: "FfiOutput", MadeBy: []string{"make_output"}, Size: 24, Auto: []string{"Send"}, Methods: []Method{
				{"name", "name(&self) -> RString", 8},
				{"start", "start(&mut self, RString) -> RResult<(), RString>", 16},
				{"on_samples", "on_samples(&mut self, RString)", 24},
				{"on_snapshot", "on_snapshot(&mut self, RString)", 32},
				{"finish", "finish(&mut self, RString)", 40},
			}},
			{Name: "FfiProtocol", MadeBy: []string{"make_protocol"}, Size: 24, Auto: []string{"Send", "Sync"}, Methods: []Method{
				{"name", "name(&self) -> RString", 8},
				{"execute", "execute(&self, RString) -> RString", 16},
			}},
			{Name: "FfiService", MadeBy: []string{"make_service"}, Size: 24, Auto: []string{"Send"}, Methods: []Method{
				{"name", "name(&self) -> RString", 8},
				{"start", "start(&mut self, RString) -> RResult<RString, RString>", 16},
				{"stop", "stop(&mut self)", 24},
			}},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// A library nobody vouches for may have any root.
func TestModuleOfOtherRoots(t *testing.T) {
	if got := moduleOf(nil); got != nil {
		t.Errorf("no graph: %+v", got)
	}
	for text, want := range map[string]Module{
		"type 0 Odd\n  package 1 p\n  layout size=3 align=1 nonzero=no repr=c lifetimes=0\n  opaque\n": {
			Name: "Odd", Align: 1, Fields: []ModuleField{}, Traits: []Trait{},
		},
		// A pointer to a module that is no module, whose function makes what is no trait's object.
		"type 0 PrefixRef\n  package 1 p\n  layout size=8 align=8 nonzero=yes repr=c lifetimes=0\n  type-param 0\n  struct\n" +
			"    field 0 - a\n      fn -\n        param 0 self\n        result 0\n": {
			Name: "PrefixRef", Size: 8, Align: 8, Traits: []Trait{},
			Fields: []ModuleField{{Name: "a", Size: 8}},
		},
	} {
		g, err := layout.Parse([]byte("layout-v1\n" + text))
		if err != nil {
			t.Fatal(err)
		}
		got := moduleOf(g)
		for i := range got.Fields { // the words for a type that mentions itself are the graph's
			if !strings.HasPrefix(got.Fields[i].Type, "PrefixRef") {
				t.Errorf("type %q", got.Fields[i].Type)
			}
			got.Fields[i].Type = ""
		}
		if diff := cmp.Diff(&want, got); diff != "" {
			t.Errorf("%s: -want +got:\n%s", text, diff)
		}
	}
}
