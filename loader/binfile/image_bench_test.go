package binfile

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/loadr-plugins/loadr/internal/testplugin"
)

// BenchmarkImage opens a plugin, makes its image and reads as much as a walk of its type layouts does: a few thousand
// words along the pointers from the root module.
func BenchmarkImage(b *testing.B) {
	for name, o := range map[string]testplugin.RustOptions{
		"stripped": {},
		"debug":    {Profile: "dev"},
	} {
		path := testplugin.RustSource(b, linuxAMD64, rustEcho, o)
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				inspect(b, path)
			}
		})
	}
}

func inspect(b *testing.B, path string) {
	f, err := Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	m := imageOf(b, f)
	root, found, err := f.Lookup(rootModule)
	if err != nil || !found {
		b.Fatal("no root module")
	}
	seen := map[uint64]bool{}
	queue := []uint64{root.Address}
	for reads := 0; len(queue) > 0 && reads < 5000; queue = queue[1:] {
		for at := queue[0]; at < queue[0]+128; at += 8 {
			reads++
			word, err := m.Read(at, 8)
			if err != nil {
				break
			}
			if target := m.memory.order.Uint64(word); target > 4096 && !seen[target] {
				seen[target] = true
				if _, inside := m.memory.at(target); inside {
					queue = append(queue, target)
				}
			}
		}
	}
}

// BenchmarkLargeImage takes Rust's compiler, a library of 150 MB with some hundred thousand relocations, and reads words
// in a few hundred places all over it: as many as a walk needs in a debug build.
func BenchmarkLargeImage(b *testing.B) {
	root, _ := exec.Command("rustc", "--print", "sysroot").Output()
	paths, _ := filepath.Glob(filepath.Join(strings.TrimSpace(string(root)), "lib", "librustc_driver-*.so"))
	if len(paths) == 0 {
		b.Skip("no librustc_driver: install Rust for Linux")
	}
	for b.Loop() {
		f := open(b, paths[0])
		m := imageOf(b, f)
		for i := range uint64(300) {
			s := f.memory.segments[i%uint64(len(f.memory.segments))]
			place := s.address + i*7919*4096%(s.size-4096)
			for word := range uint64(16) {
				_, _ = m.Read(place+word*256, 8)
			}
		}
		f.Close()
	}
}
