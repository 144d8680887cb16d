package manifest_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/loadr-plugins/loadr/manifest"
)

func layout(digit string) string { return "layout-v1:sha256:" + strings.Repeat(digit, 64) }

func TestDifference(t *testing.T) {
	base := manifest.Library{
		Format: manifest.ELF, Machine: "x86_64", Digest: "sha256:1", Size: 7, Needs: []string{"libc.so.6"}, Constructors: 1,
		Libc: manifest.Libc{Name: manifest.Glibc, Version: "2.17"}, Exports: []string{"a", "b"},
		ABI: manifest.ABIReport{
			Family: manifest.FamilyNative, Version: "1.0.0", Interface: "loadr-plugin-api", Layout: layout("a"), Verdict: manifest.Fits,
		},
	}
	changes := map[string]func(*manifest.Library){
		"format":        func(l *manifest.Library) { l.Format = manifest.PE },
		"machine":       func(l *manifest.Library) { l.Machine = "aarch64" },
		"digest":        func(l *manifest.Library) { l.Digest = "sha256:2" },
		"size":          func(l *manifest.Library) { l.Size++ },
		"needs":         func(l *manifest.Library) { l.Needs = nil },
		"libc":          func(l *manifest.Library) { l.Libc.Version = "2.31" },
		"constructors":  func(l *manifest.Library) { l.Constructors = 0 },
		"exports":       func(l *manifest.Library) { l.Exports = []string{"b", "a"} },
		"abi.family":    func(l *manifest.Library) { l.ABI.Family = manifest.FamilyC },
		"abi.version":   func(l *manifest.Library) { l.ABI.Version = "1.1.0" },
		"abi.interface": func(l *manifest.Library) { l.ABI.Interface = "" },
		"abi.layout":    func(l *manifest.Library) { l.ABI.Layout = layout("b") },
	}
	// Not the abi itself, but its facts, without the verdict and its problems.
	fields := reflect.TypeFor[manifest.Library]().NumField() - 1 + reflect.TypeFor[manifest.ABIReport]().NumField() - 2
	if len(changes) != fields {
		t.Errorf("%d facts are tried, a report has %d", len(changes), fields)
	}
	for field, change := range changes {
		other := base
		change(&other)
		if d, ok := base.Difference(other); !ok || d.Field != field || d.Want == d.Got {
			t.Errorf("%s: difference %+v, %v", field, d, ok)
		}
	}
	same := base
	same.ABI.Verdict, same.ABI.Problems = manifest.Unverifiable, []manifest.Problem{{Path: "x"}}
	if d, ok := base.Difference(same); ok {
		t.Errorf("another verdict: difference %+v", d)
	}
	later := base
	later.ABI.Layout = "layout-v2:sha256:1"
	if d, ok := base.Difference(later); ok {
		t.Errorf("a digest of a later form of the text: difference %+v", d)
	}
	if d, ok := (manifest.Library{}).Difference(manifest.Library{Needs: []string{}, Exports: []string{}}); ok {
		t.Errorf("empty lists: difference %+v", d)
	}
}
