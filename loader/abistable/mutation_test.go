package abistable

import (
	"bytes"
	"debug/elf"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/loadr-plugins/loadr/internal/testplugin"
	"github.com/loadr-plugins/loadr/loader/binfile"
	"github.com/loadr-plugins/loadr/manifest"
)

// inspectBytes is inspect for bytes that may be anything. It checks what must hold for every input.
func inspectBytes(t testing.TB, file []byte) *Report {
	f, err := binfile.New(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		return nil
	}
	r, err := Default().Inspect(f)
	if err != nil {
		if !damaged(err) && !is[*NoRootModuleError](err) {
			t.Errorf("error of reading memory: %v", err)
		}
		return nil
	}
	if (r.ABI.Verdict == manifest.Fits) != (r.ABI.Problems == nil) || r.ABI.Verdict == "" || r.ABI.Family != manifest.FamilyNative {
		t.Errorf("verdict %q with problems %+v", r.ABI.Verdict, r.ABI.Problems)
	}
	if (r.ABI.Layout != "") != (r.Graph != nil) {
		t.Errorf("layout %q, graph %v", r.ABI.Layout, r.Graph != nil)
	}
	return r
}

// patience is for one inspection of a small library, whatever is in it, on a slow machine.
const patience = 5 * time.Second

// TestMutatedLibraries flips bits where the description of types lies, and cuts libraries off. Whatever comes of
// that, an inspection ends soon and says something.
func TestMutatedLibraries(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	verdicts := map[manifest.Verdict]int{}
	copies := 0
	for _, target := range targets {
		t.Run(string(target), func(t *testing.T) {
			whole := bytesOf(t, echo(t, target, testplugin.RustOptions{}))
			parts := mutable(t, whole)
			rounds := 500
			if target == linuxAMD64 {
				rounds = 1000
			}
			for i := range rounds {
				file := bytes.Clone(whole)
				if i%10 == 9 {
					file = file[:random.IntN(len(file))]
				} else {
					flip(random, file, parts)
				}
				start := time.Now()
				r := inspectBytes(t, file)
				if took := time.Since(start); took > patience {
					t.Fatalf("copy %d: %v", i, took)
				}
				copies++
				if r != nil {
					verdicts[r.ABI.Verdict]++
				}
			}
		})
	}
	t.Logf("%d copies: %v", copies, verdicts)
	if copies > 0 && (verdicts[manifest.Fits] == 0 || verdicts[manifest.Differs] == 0 || verdicts[manifest.Unverifiable] == 0) {
		t.Errorf("verdicts %v: expected some of each", verdicts)
	}
}

// flip changes 1 to 400 bits of one of the parts.
func flip(random *rand.Rand, file []byte, parts [][2]int) {
	part := parts[random.IntN(len(parts))]
	for range 1 << random.IntN(9) {
		at := part[0] + random.IntN(part[1]-part[0])
		file[at] ^= 1 << random.IntN(8)
	}
}

// mutable gives the ranges of a file where descriptions of types and relocations lie: by name in ELF, else anywhere.
func mutable(t testing.TB, file []byte) [][2]int {
	f, err := elf.NewFile(bytes.NewReader(file))
	var format *elf.FormatError
	if errors.As(err, &format) {
		return [][2]int{{0, len(file)}}
	}
	if err != nil {
		t.Fatal(err)
	}
	var parts [][2]int
	for _, name := range []string{".data.rel.ro", ".rodata", ".rela.dyn", ".data"} {
		if s := f.Section(name); s != nil {
			parts = append(parts, [2]int{int(s.Offset), int(s.Offset + s.FileSize)})
		}
	}
	return parts
}

// FuzzInspect changes bytes of a real library, many at once.
func FuzzInspect(f *testing.F) {
	whole := bytesOf(f, echo(f, linuxAMD64, testplugin.RustOptions{}))
	parts := mutable(f, whole)
	f.Add(uint8(0), uint32(16), []byte{0xff})
	f.Add(uint8(2), uint32(8), little(0x10))
	f.Add(uint8(3), uint32(96), little(0))
	f.Fuzz(func(t *testing.T, part uint8, at uint32, patch []byte) {
		file := bytes.Clone(whole)
		p := parts[int(part)%len(parts)]
		copy(file[p[0]+int(at)%(p[1]-p[0]):p[1]], patch)
		start := time.Now()
		inspectBytes(t, file)
		if took := time.Since(start); took > patience {
			t.Errorf("took %v", took)
		}
	})
}
