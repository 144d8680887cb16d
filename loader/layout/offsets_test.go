package layout

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOffsets(t *testing.T) {
	g := parse(t, interfaceText(t))
	found := map[string][]uint64{}
	for _, typ := range g.Types {
		found[typ.Name] = g.Offsets(typ)
	}
	for name, want := range map[string][]uint64{
		"PluginMod": {0, 8, 16, 32, 48}, "RVec": {0, 8, 16, 24, 32}, "RObjectVtable": {0, 0, 8, 16, 24, 32}, "ROption": nil, "u32": nil, "AFunctionPointer": nil, "()": {},
	} {
		if !cmp.Equal(found[name], want) {
			t.Errorf("%s: %v, want %v", name, found[name], want)
		}
	}
	if got := parse(t, rich); !cmp.Equal(got.Offsets(got.Types[1]), []uint64{0}) || got.Types[1].Kind != UnionKind {
		t.Errorf("%+v: %v", got.Types[1], got.Offsets(got.Types[1]))
	}
}
