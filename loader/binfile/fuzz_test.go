package binfile

import (
	"bytes"
	"testing"

	"github.com/loadr-plugins/loadr/internal/testplugin"
	"github.com/loadr-plugins/loadr/manifest"
)

// pointers has the root module's symbol, around which images are read, with pointers of each kind.
const pointers = `int puts(const char *);
#ifdef _WIN32
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif
EXPORT int values[4] = {1};
static int inner[4] = {1};
EXPORT const void *_1as_0lib_1header_0root_bmodule_bloader[19] = {values + 2, inner + 1, "text", puts};
`

func FuzzELF(f *testing.F) {
	small := hello + "void *memset(void *p, int c, unsigned long n) { return p; }"
	fuzz(f, manifest.ELF,
		testplugin.Zig(f, linuxAMD64, "x86_64-linux-musl", hello, "-s"),
		testplugin.Zig(f, linuxAMD64, "x86_64-linux-gnu.2.28", hello, "-s", "-Wl,--hash-style=sysv"),
		testplugin.Zig(f, linuxAMD64, "x86_64-linux-musl", pointers, "-s"),
		testplugin.Zig(f, "aarch64-unknown-linux-musl", "aarch64-linux-musl", pointers, "-s"),
		testplugin.Zig(f, linuxAMD64, "s390x-linux-musl", small, "-s", "-nostdlib", "-fno-builtin"),
		testplugin.Zig(f, linuxAMD64, "arm-linux-musleabihf", small, "-s", "-nostdlib", "-fno-builtin"),
	)
}

func FuzzMachO(f *testing.F) {
	fuzz(f, manifest.MachO,
		testplugin.Zig(f, "x86_64-apple-darwin", "x86_64-macos", hello),
		testplugin.Zig(f, darwinARM, "aarch64-macos", pointers),
		testplugin.Apple(f, darwinARM, pointers, "-fixup_chains"),
		testplugin.Apple(f, "x86_64-apple-darwin", pointers, "-fixup_chains"),
	)
}

func FuzzPE(f *testing.F) {
	const entry = `int puts(const char *s) { return 1; }
int _DllMainCRTStartup(void *image, unsigned reason, void *r) { return 1; }
int DllMainCRTStartup(void *image, unsigned reason, void *r) { return 1; } // what zig 0.17 calls it
__declspec(dllexport) int a_function(void) { return 1; }
`
	fuzz(f, manifest.PE,
		testplugin.Zig(f, windows64, "x86_64-windows-gnu", entry, "-nostdlib", "-fno-builtin"),
		testplugin.Zig(f, windows64, "x86_64-windows-gnu", pointers+entry, "-nostdlib", "-fno-builtin"),
	)
}

// fuzz starts from real libraries, their beginnings, and the bare magic numbers. Whatever comes in, there has to be an
// answer or an error of the kinds promised, within little memory and time, and the answer has to be sane.
func fuzz(f *testing.F, format manifest.Format, paths ...string) {
	for _, path := range paths {
		image := content(f, path)
		f.Add(image)
		f.Add(image[:len(image)/2])
		f.Add(image[:min(100, len(image))])
	}
	for _, known := range formats {
		if known.format == format {
			f.Add([]byte(known.magic))
		}
	}
	f.Fuzz(func(t *testing.T, image []byte) {
		if err := readFrugally(t, bytes.NewReader(image), int64(len(image))); err != nil && !isTyped(err) {
			t.Fatalf("error %v", err)
		}
		file, err := New(bytes.NewReader(image), int64(len(image)))
		if err == nil && (file.Machine == "" || file.Constructors < 0 || len(file.Needs) > maxNeeds) {
			t.Fatalf("impossible facts %+v", file)
		}
	})
}
