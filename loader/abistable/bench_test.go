package abistable

import (
	"testing"

	"github.com/loadr-plugins/loadr/internal/testplugin"
	"github.com/loadr-plugins/loadr/loader/binfile"
	"github.com/loadr-plugins/loadr/loader/layout"
	"github.com/loadr-plugins/loadr/manifest"
)

// BenchmarkInspect is all of a static inspection but the digest of the file: open, relocate, walk, check. For a stripped
// plugin it must stay under 5 ms.
func BenchmarkInspect(b *testing.B) {
	Default()
	for _, target := range targets {
		for _, profile := range []string{"", "dev"} {
			b.Run(string(target)+"/"+map[string]string{"": "release", "dev": "debug"}[profile], func(b *testing.B) {
				path := echo(b, target, testplugin.RustOptions{Profile: profile})
				for b.Loop() {
					if r := inspect(b, path); r.ABI.Verdict != manifest.Fits {
						b.Fatalf("%+v", r.ABI)
					}
				}
			})
		}
	}
}

// BenchmarkWalk and what follows are the parts of it.
func BenchmarkWalk(b *testing.B) {
	f, err := binfile.Open(echo(b, linuxAMD64, testplugin.RustOptions{}))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	r, err := Default().Inspect(f)
	if err != nil {
		b.Fatal(err)
	}
	image, err := f.Image()
	if err != nil {
		b.Fatal(err)
	}
	b.Run("walk", func(b *testing.B) {
		for b.Loop() {
			if _, err := layout.Walk(imageMemory{image, f.Machine}, r.Header.RootLayout); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("digest", func(b *testing.B) {
		for b.Loop() {
			r.Graph.Digest()
		}
	})
	b.Run("check", func(b *testing.B) {
		for b.Loop() {
			if layout.Check(Default()[0].Graph, r.Graph) != nil {
				b.Fatal("does not fit")
			}
		}
	})
	b.Run("parse", func(b *testing.B) {
		for b.Loop() {
			if _, err := layout.Parse(interface10); err != nil {
				b.Fatal(err)
			}
		}
	})
}
