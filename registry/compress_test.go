package registry

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"

	"github.com/opencontainers/go-digest"
)

// machineCode is made-up content that compresses like a library does.
func machineCode(size int) []byte {
	random := rand.New(rand.NewPCG(1, 2))
	var out []byte
	for len(out) < size {
		if len(out) > 4096 && random.IntN(3) > 0 {
			from := random.IntN(len(out) - 64)
			out = append(out, out[from:from+8+random.IntN(56)]...)
			continue
		}
		out = append(out, byte(random.Uint32()), byte(random.IntN(4)))
	}
	return out[:size]
}

// TestCompressIsDeterministic compares readers that hand out their content in different pieces, as disks do, and pins
// the result: another compressor, level or window would give every publisher other digests.
func TestCompressIsDeterministic(t *testing.T) {
	const want = digest.Digest("sha256:a0741a648b8f1e0b36ed56746b21d95b97c8717816a7e076d85e588c1a5e2c09")
	content := machineCode(5 << 20)
	for name, r := range map[string]io.Reader{
		"whole":  bytes.NewReader(content),
		"halves": iotest.HalfReader(bytes.NewReader(content)),
		"bytes":  iotest.OneByteReader(bytes.NewReader(content)),
		"files":  struct{ io.Reader }{bytes.NewReader(content)},
	} {
		var out bytes.Buffer
		if err := Compress(&out, r); err != nil {
			t.Fatal(err)
		}
		if got := digest.FromBytes(out.Bytes()); got != want {
			t.Errorf("%s: %d bytes with digest %s, expected %s", name, out.Len(), got, want)
		}
		var back bytes.Buffer
		if err := Decompress(&back, &out, MediaTypeLibraryZstd); err != nil || !bytes.Equal(back.Bytes(), content) {
			t.Errorf("%s: decompressed content differs: %v", name, err)
		}
	}
}

func TestCompressPassesErrorsOn(t *testing.T) {
	broken := io.MultiReader(bytes.NewReader(machineCode(1<<20)), iotest.ErrReader(io.ErrNoProgress))
	if err := Compress(io.Discard, broken); err != io.ErrNoProgress {
		t.Errorf("error %v, expected the reader's", err)
	}
}
