package native

import (
	"math"
	"os"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/internal/testplugin"
	"github.com/loadr-plugins/loadr/loader"
	"github.com/loadr-plugins/loadr/loader/abistable"
	"github.com/loadr-plugins/loadr/loader/binfile"
	"github.com/loadr-plugins/loadr/loader/plugin"
	"github.com/loadr-plugins/loadr/manifest"
)

// walkLive opens a library as it is, fitting or not, and reads its layout from the memory of this process. Nothing of it
// is called but what opening it runs and the functions that return layouts.
func walkLive(path string, host abistable.Host) (*abistable.Report, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	handle, err := openLibrary(path, digest.FromBytes(text))
	if err != nil {
		return nil, err
	}
	header := findSymbol(handle, abistable.RootModule)
	if header == 0 {
		return nil, &plugin.MissingSymbolError{Library: path, Symbol: abistable.RootModule}
	}
	return host.InspectMemory(processMemory{}, uint64(header))
}

func echoProto(t testing.TB) string {
	t.Helper()
	target, ok := loader.HostTarget()
	if !ok {
		t.Skip("this machine's target is not known")
	}
	return testplugin.Rust(t, target, "examples/echo-proto", testplugin.RustOptions{})
}

func TestLiveLayoutIsThatOfTheFile(t *testing.T) {
	path := echoProto(t)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lib, err := Open(t.Context(), Options{Path: path, Digest: digest.FromBytes(text), TempDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer lib.Close()
	f, err := binfile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	static, err := abistable.Default().Inspect(f)
	if err != nil {
		t.Fatal(err)
	}
	live, err := lib.Layout()
	if err != nil {
		t.Fatal(err)
	}
	if string(live.Graph.Text()) != string(static.Graph.Text()) || live.ABI.Layout != static.ABI.Layout ||
		live.ABI.Verdict != manifest.Fits {
		t.Errorf("expected what the file has, %+v, found %+v", static.ABI, live.ABI)
	}
	direct, err := walkLive(path, abistable.Default())
	if err != nil || direct.ABI.Layout != static.ABI.Layout {
		t.Errorf("found %+v, %v", direct, err)
	}
}

func TestUnreadableMemoryIsAnError(t *testing.T) {
	for _, address := range []uint64{0, 1, 0x1000, 1 << 46, math.MaxUint64, math.MaxUint64 - 8} {
		if b, err := (processMemory{}).Read(address, 8); err == nil || !strings.Contains(err.Error(), "expected 8 bytes at 0x") {
			t.Errorf("%#x: found %x, %v", address, b, err)
		}
	}
	if _, err := (processMemory{}).Result(0); err == nil {
		t.Error("null was called")
	}
}

// A header that is not the file's is refused before anything is called through it.
func TestHeaderMustBeTheFiles(t *testing.T) {
	path := echoProto(t)
	f, err := binfile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	file, err := abistable.Default().Inspect(f)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	handle, err := openLibrary(path, digest.FromBytes(text))
	if err != nil {
		t.Fatal(err)
	}
	header := findSymbol(handle, abistable.RootModule)
	if err := (&rustFile{header: file.Header}).checkHeader(header, "x"); err != nil {
		t.Fatal(err)
	}
	constructor, layout := *file.Header, *file.Header
	constructor.Constructor++
	layout.RootLayout++
	for name, h := range map[string]*abistable.Header{"constructor": &constructor, "layout": &layout} {
		err := (&rustFile{header: h}).checkHeader(header, "x")
		if module, ok := err.(*plugin.ModuleError); !ok || module.Field != "header: "+name || module.Library != "x" {
			t.Errorf("%s: found %v", name, err)
		}
	}
}
