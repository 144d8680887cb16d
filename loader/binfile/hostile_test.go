package binfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/loadr-plugins/loadr/internal/testplugin"
	"github.com/loadr-plugins/loadr/manifest"
)

// samples has a small library of each format.
func samples(t testing.TB) map[manifest.Format][]byte {
	t.Helper()
	return map[manifest.Format][]byte{
		manifest.ELF:   content(t, testplugin.Zig(t, linuxAMD64, "x86_64-linux-gnu.2.28", hello, "-s")),
		manifest.MachO: content(t, testplugin.Zig(t, "x86_64-apple-darwin", "x86_64-macos", hello)),
		manifest.PE:    content(t, testplugin.Zig(t, windows64, "x86_64-windows-gnu", hello)),
	}
}

func content(t testing.TB, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// read reads all there is to read and gives the first error.
func read(r io.ReaderAt, size int64) error {
	f, err := New(r, size)
	if err != nil {
		return err
	}
	for _, name := range []string{"a_function", "a_variable", "nothing_of_this_name"} {
		if _, _, err := f.Lookup(name); err != nil {
			return err
		}
	}
	return readImage(f)
}

// readImage reads what an inspection would: around the root module, and where its pointers lead.
func readImage(f *File) error {
	m, err := f.Image()
	if err != nil {
		return err
	}
	root, found, err := f.Lookup(rootModule)
	if n := len(f.memory.segments); (err != nil || !found) && n > 0 {
		root = Symbol{Address: f.memory.segments[n-1].address}
	}
	for address := root.Address - min(root.Address, 4096); address < root.Address+4096; address += 8 {
		word, err := m.Read(address, 8)
		if err != nil {
			continue // the words beside it are still there
		}
		target := binary.LittleEndian.Uint64(word)
		m.Executable(target)
		text, err := m.Read(target, 100)
		if err == nil && len(text) != 100 {
			return fmt.Errorf("%d bytes of 100", len(text))
		}
		if err != nil && !isTyped(err) {
			return err
		}
	}
	_, err = m.Read(root.Address, 152)
	return err
}

func readBytes(image []byte) error { return read(bytes.NewReader(image), int64(len(image))) }

// isTyped says whether an error is one of those that New promises.
func isTyped(err error) bool {
	var unknown *UnknownFormatError
	var universal *UniversalError
	var unsupported *UnsupportedError
	var format *FormatError
	return errors.As(err, &unknown) || errors.As(err, &universal) || errors.As(err, &unsupported) || errors.As(err, &format)
}

// TestTruncated cuts a library at every length. Up to the end of what a loader maps there has to be an error.
func TestTruncated(t *testing.T) {
	mapped := map[manifest.Format]float64{manifest.ELF: 0.5, manifest.MachO: 1, manifest.PE: 0.9}
	for format, image := range samples(t) {
		for n := 0; n < len(image); n += 1 + len(image)/3000 {
			err := readBytes(image[:n])
			if err == nil && float64(n) < mapped[format]*float64(len(image)) {
				t.Errorf("%s of %d bytes is read at %d", format, len(image), n)
			}
			if err != nil && !isTyped(err) {
				t.Errorf("%s at %d bytes: %v", format, n, err)
			}
		}
	}
}

func TestTruncatedSaysSo(t *testing.T) {
	for format, image := range samples(t) {
		err := readBytes(image[:len(image)/3])
		if err == nil || !strings.Contains(err.Error(), "truncated") || !strings.Contains(err.Error(), string(format)) {
			t.Errorf("%s: error %v does not say that it is truncated", format, err)
		}
	}
}

// TestDamaged changes random bytes, most of them in the tables at the beginning, and asks for an answer or an error
// within little time and memory.
func TestDamaged(t *testing.T) {
	images := map[string][]byte{
		"elf pointers":     content(t, testplugin.Zig(t, linuxAMD64, "x86_64-linux-musl", pointers, "-s")),
		"pe pointers":      content(t, testplugin.Zig(t, windows64, "x86_64-windows-gnu", pointers)),
		"macho pointers":   content(t, testplugin.Zig(t, darwinARM, "aarch64-macos", pointers)),
		"chained pointers": content(t, testplugin.Apple(t, darwinARM, pointers, "-fixup_chains")),
	}
	for format, image := range samples(t) {
		images[string(format)] = image
	}
	random := rand.New(rand.NewPCG(1, 2))
	for name, image := range images {
		failed := 0
		for range 2000 {
			damaged := bytes.Clone(image)
			for range 1 + random.IntN(20) {
				at := random.IntN(len(damaged))
				if random.IntN(2) == 0 {
					at = random.IntN(min(1024, len(damaged)))
				}
				damaged[at] = byte(random.Uint32())
			}
			if err := readFrugally(t, bytes.NewReader(damaged), int64(len(damaged))); err != nil {
				failed++
				if !isTyped(err) {
					t.Fatalf("%s: error %v", name, err)
				}
			}
		}
		if failed == 0 {
			t.Errorf("%s: no damage was noticed", name)
		}
	}
}

// TestDamagedPlugins changes bytes where a real plugin's types and relocations are.
func TestDamagedPlugins(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for _, target := range []manifest.Target{linuxAMD64, "aarch64-unknown-linux-gnu", windows64, darwinARM} {
		path := testplugin.RustSource(t, target, rustEcho, testplugin.RustOptions{})
		image := content(t, path)
		root := mustFind(t, open(t, path), rootModule)
		s, _ := open(t, path).memory.at(root.Address)
		header := s.offset + root.Address - s.address
		for range 60 {
			damaged := bytes.Clone(image)
			for range 1 + random.IntN(400) {
				near := header - 2000 + uint64(random.IntN(4000))
				if random.IntN(2) == 0 {
					near = uint64(random.IntN(len(damaged)))
				}
				damaged[near] = byte(random.Uint32())
			}
			if err := readFrugally(t, bytes.NewReader(damaged), int64(len(damaged))); err != nil && !isTyped(err) {
				t.Fatalf("%s: %v", target, err)
			}
		}
	}
}

// readFrugally fails the test if reading takes much memory or time.
func readFrugally(t testing.TB, r io.ReaderAt, size int64) error {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	err := read(r, size)
	took := time.Since(start)
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 16<<20 {
		t.Fatalf("%d bytes allocated for an image of %d: %v", used, size, err)
	}
	if took > 5*time.Second { // hostile input costs milliseconds; the rest is for busy machines
		t.Fatalf("%v for an image of %d bytes: %v", took, size, err)
	}
	return err
}

// sparse is a file of nearly endless size: an image, then one byte again and again.
type sparse struct {
	image []byte
	fill  byte
}

func (s sparse) ReadAt(p []byte, off int64) (int, error) {
	for i := range p {
		p[i] = s.fill
		if at := off + int64(i); at < int64(len(s.image)) {
			p[i] = s.image[at]
		}
	}
	return len(p), nil
}

// TestHugeClaims sets every number in the first 4 KiB to large values, one after the other, in a file that is large
// enough for them to be believed.
func TestHugeClaims(t *testing.T) {
	for format, image := range samples(t) {
		for at := 4; at < min(4096, len(image)-8); at += 4 {
			for _, value := range []uint64{1<<32 - 1, 1<<31 - 1, 1 << 24, 1 << 40, 1<<64 - 1} {
				huge := bytes.Clone(image)
				if value < 1<<32 {
					binary.LittleEndian.PutUint32(huge[at:], uint32(value))
				} else {
					binary.LittleEndian.PutUint64(huge[at:], value)
				}
				if err := readFrugally(t, sparse{huge, byte(at)}, 1<<42); err != nil && !isTyped(err) {
					t.Fatalf("%s with %#x at %d: %v", format, value, at, err)
				}
			}
		}
	}
}

func TestWhatIsNoLibrary(t *testing.T) {
	for text, want := range map[string]string{
		"":                                   "an empty file",
		"#!/bin/sh\nexit 0\n":                "a script",
		"<!DOCTYPE html><html></html>":       "an HTML or XML text",
		"!<arch>\nfoo.o/          ":          "a static library (ar archive)",
		"\x1f\x8b\x08\x00\x00\x00\x00\x00":   "a gzip file",
		"\x28\xb5\x2f\xfd\x04\x00\x00\x00":   "a zstd file",
		"\x00asm\x01\x00\x00\x00":            "a WebAssembly file",
		"version https://git-lfs.github":     "a Git LFS pointer",
		"hello, world":                       "a text",
		"\x01\x02\x03\x00":                   "unknown data",
		"\xca\xfe\xba\xbe\x00\x00\x00\x37ab": "a Java class",
	} {
		var unknown *UnknownFormatError
		if err := readBytes([]byte(text)); !errors.As(err, &unknown) || unknown.Guess != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func TestUniversalFileNamesItsSlices(t *testing.T) {
	var image []byte
	for _, word := range []uint32{0xcafebabe, 2, 0x01000007, 3, 0x4000, 0x3000, 14, 0x0100000c, 0, 0x8000, 0xc000, 14} {
		image = binary.BigEndian.AppendUint32(image, word)
	}
	var universal *UniversalError
	err := readBytes(image)
	if !errors.As(err, &universal) || strings.Join(universal.Slices, " ") != "x86_64 aarch64" {
		t.Fatalf("error %v", err)
	}
	if !strings.Contains(universal.Hint(), "lipo") {
		t.Errorf("hint %q", universal.Hint())
	}
	if err := readBytes(image[:30]); !isTyped(err) || errors.As(err, &universal) && len(universal.Slices) == 0 {
		t.Errorf("truncated: %v", err)
	}
}

func TestUnsupportedKindsAreNamed(t *testing.T) {
	all := samples(t)
	patch := func(format manifest.Format, at int, value ...byte) []byte {
		image := bytes.Clone(all[format])
		copy(image[at:], value)
		return image
	}
	peOptional := int(binary.LittleEndian.Uint32(all[manifest.PE][60:])) + 24
	for name, test := range map[string]struct {
		image []byte
		want  string
	}{
		"ELF object":        {patch(manifest.ELF, 16, 1, 0), "an object file"},
		"ELF core":          {patch(manifest.ELF, 16, 4, 0), "a core dump"},
		"Mach-O object":     {patch(manifest.MachO, 12, 1), "an object file"},
		"Mach-O core":       {patch(manifest.MachO, 12, 4), "file type 4"},
		"Mach-O 32-bit":     {patch(manifest.MachO, 0, 0xce), "0xfeedface"},
		"Mach-O big-endian": {patch(manifest.MachO, 0, 0xfe, 0xed, 0xfa, 0xcf), "0xcffaedfe"},
		"PE 32-bit":         {patch(manifest.PE, peOptional, 0x0b, 0x01), "a 32-bit one"},
		"DOS program":       {patch(manifest.PE, peOptional-24, 'N', 'E'), "DOS"},
	} {
		var unsupported *UnsupportedError
		if err := readBytes(test.image); !errors.As(err, &unsupported) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

// failing gives an error of the disk from a certain offset on.
type failing struct {
	r    io.ReaderAt
	from int64
}

var errDisk = errors.New("disk on fire")

func (f failing) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > f.from {
		return 0, errDisk
	}
	return f.r.ReadAt(p, off)
}

// TestErrorsOfTheReaderAreKept tells a broken disk from a broken file.
func TestErrorsOfTheReaderAreKept(t *testing.T) {
	for format, image := range samples(t) {
		for _, from := range []int64{0, 20, 64, 400} {
			err := read(failing{bytes.NewReader(image), from}, int64(len(image)))
			if !errors.Is(err, errDisk) || isTyped(err) {
				t.Errorf("%s from %d: %v", format, from, err)
			}
		}
	}
}

// TestShorterThanSaid has a reader that ends before the size that it was said to have.
func TestShorterThanSaid(t *testing.T) {
	for format, image := range samples(t) {
		err := read(bytes.NewReader(image[:100]), int64(len(image)))
		if err == nil || !strings.Contains(err.Error(), "truncated") {
			t.Errorf("%s: %v", format, err)
		}
	}
}

func TestOpenErrors(t *testing.T) {
	if _, err := Open(t.TempDir() + "/nothing"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	path := t.TempDir() + "/lib.so"
	if err := os.WriteFile(path, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v does not name the file", err)
	}
}
