package loader

import (
	"errors"
	"slices"
	"testing"

	"github.com/loadr-plugins/loadr/internal/testplugin"
	"github.com/loadr-plugins/loadr/manifest"
)

// alike are targets whose libraries can't be told apart.
var alike = [][]manifest.Target{
	{"x86_64-pc-windows-gnu", "x86_64-pc-windows-msvc"},
	{"aarch64-pc-windows-gnullvm", "aarch64-pc-windows-msvc"},
}

// TestMatches compares a library of every target with every target.
func TestMatches(t *testing.T) {
	for _, made := range manifest.Targets() {
		if made == manifest.Neutral {
			continue
		}
		t.Run(string(made), func(t *testing.T) {
			lib := inspect(t, testplugin.Echo(t, made))
			for _, target := range manifest.Targets() {
				want := made == target || slices.ContainsFunc(alike, func(group []manifest.Target) bool {
					return slices.Contains(group, made) && slices.Contains(group, target)
				})
				err := Matches(lib, target)
				var mismatch *TargetMismatchError
				if want && err != nil || !want && !errors.As(err, &mismatch) {
					t.Errorf("for %s: %v, want match %v", target, err, want)
				}
			}
		})
	}
}

func TestMismatchSaysWhat(t *testing.T) {
	glibc := &manifest.Library{Format: manifest.ELF, Machine: "x86_64", Libc: manifest.Libc{Name: manifest.Glibc}}
	freebsd := &manifest.Library{Format: manifest.ELF, Machine: "x86_64", Needs: []string{"libc.so.7"}}
	for _, test := range []struct {
		lib    *manifest.Library
		target manifest.Target
		want   string
	}{
		{glibc, "x86_64-unknown-linux-musl", "library does not match target x86_64-unknown-linux-musl: expected C library musl, found glibc"},
		{glibc, "aarch64-unknown-linux-gnu", "library does not match target aarch64-unknown-linux-gnu: expected machine aarch64, found x86_64"},
		{glibc, "x86_64-apple-darwin", "library does not match target x86_64-apple-darwin: expected format macho, found elf"},
		{glibc, "x86_64-unknown-freebsd", "library does not match target x86_64-unknown-freebsd: expected C library libc.so.7, found glibc"},
		{freebsd, linuxAMD64, "library does not match target x86_64-unknown-linux-gnu: expected C library glibc, found libc.so.7"},
	} {
		if err := Matches(test.lib, test.target); err == nil || err.Error() != test.want {
			t.Errorf("%v, want %s", err, test.want)
		}
	}
}
