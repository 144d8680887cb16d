package loader

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/loadr-plugins/loadr/internal/testplugin"
	"github.com/loadr-plugins/loadr/manifest"
)

// BenchmarkInspect reports a small library of each format: all of Inspect, and the part that is not hashing.
func BenchmarkInspect(b *testing.B) {
	for _, target := range []manifest.Target{linuxAMD64, "aarch64-apple-darwin", "x86_64-pc-windows-msvc"} {
		path := testplugin.Echo(b, target)
		b.Run("whole/"+string(target.Format()), func(b *testing.B) {
			for b.Loop() {
				if _, err := Inspect(path); err != nil {
					b.Fatal(err)
				}
			}
		})
		f, err := os.Open(path)
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			b.Fatal(err)
		}
		b.Run("describe/"+string(target.Format()), func(b *testing.B) {
			for b.Loop() {
				if _, err := describe(f, info.Size(), ""); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkInspectLarge reports a library of 100 MB, most of it what a debug build carries along.
func BenchmarkInspectLarge(b *testing.B) {
	path := large(b, 100<<20)
	b.SetBytes(100 << 20)
	for b.Loop() {
		if _, err := Inspect(path); err != nil {
			b.Fatal(err)
		}
	}
}

// TestInspectNeedsLittleMemory holds for any size: pieces are read, not files.
func TestInspectNeedsLittleMemory(t *testing.T) {
	path := large(t, 64<<20)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	lib := inspect(t, path)
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20 || lib.Size != 64<<20 {
		t.Errorf("%d bytes allocated for a library of %d", used, lib.Size)
	}
}

// large gives the path of a working library of this size, with zeros at its end.
func large(t testing.TB, size int64) string {
	t.Helper()
	text, err := os.ReadFile(testplugin.Echo(t, linuxAMD64))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "large.so")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
	return path
}
