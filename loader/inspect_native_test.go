package loader

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loadr-plugins/loadr/internal/testplugin"
	"github.com/loadr-plugins/loadr/loader/abistable"
	"github.com/loadr-plugins/loadr/manifest"
)

// bothInterfaces is a protocol plugin that exports the C interface beside the root module.
const bothInterfaces = `
use loadr_plugin_sdk::{export_loadr_plugin, Error, Info, Protocol, Request, Response};

struct Echo;

impl Protocol for Echo {
    fn name(&self) -> &str { "echo" }
    fn execute(&self, request: Request) -> Result<Response, Error> { Ok(Response::new(200).body(request.body)) }
}

export_loadr_plugin! { info: || Info::protocol("echo", "0.1.0").scheme("echo"), protocol: || Echo }

#[no_mangle] pub extern "C" fn loadr_plugin_abi_version() -> u32 { 1 }
#[no_mangle] pub extern "C" fn loadr_plugin_info(_: *mut usize) -> *mut u8 { std::ptr::null_mut() }
#[no_mangle] pub extern "C" fn loadr_plugin_execute(_: *const u8, _: usize, _: *mut usize) -> *mut u8 { std::ptr::null_mut() }
#[no_mangle] pub extern "C" fn loadr_plugin_free(_: *mut u8, _: usize) {}
`

// native is the report of a library of the interface that this program has.
func native() manifest.ABIReport {
	return manifest.ABIReport{Family: manifest.FamilyNative, Version: "1.0.0", Interface: abistable.InterfaceName,
		Layout: abistable.Default()[0].Graph.Digest(), Verdict: manifest.Fits}
}

func TestNativeLibrary(t *testing.T) {
	path := testplugin.Rust(t, linuxAMD64, "examples/echo-proto", testplugin.RustOptions{})
	lib := inspect(t, path)
	if diff := cmp.Diff(native(), lib.ABI); diff != "" || !cmp.Equal(lib.Exports, []string{abistable.RootModule}) {
		t.Errorf("exports %v, report (-want +got):\n%s", lib.Exports, diff)
	}
	for _, family := range []manifest.Family{"", manifest.FamilyNative, manifest.FamilyC} { // it has but one
		as, err := InspectVerifiedAs(path, lib.Digest, family)
		if diff := cmp.Diff(lib, as); err != nil || diff != "" {
			t.Errorf("as %q: %v, report (-Inspect +InspectVerifiedAs):\n%s", family, err, diff)
		}
	}
	report, err := InspectNative(path)
	if err != nil || !cmp.Equal(report.ABI, lib.ABI) || report.Header.Version != "1.0.0" || report.Graph.Digest() != lib.ABI.Layout {
		t.Errorf("%+v, %v", report, err)
	}
}

// TestBothInterfaces: the engine calls the C interface unless the manifest says otherwise.
func TestBothInterfaces(t *testing.T) {
	path := testplugin.RustSource(t, linuxAMD64, bothInterfaces, testplugin.RustOptions{})
	c := manifest.ABIReport{Family: manifest.FamilyC, Version: "1.0.0", Verdict: manifest.Fits}
	for family, want := range map[manifest.Family]manifest.ABIReport{"": c, manifest.FamilyC: c, manifest.FamilyNative: native()} {
		lib, err := InspectAs(path, family)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, lib.ABI); diff != "" || !cmp.Equal(lib.Exports, slices.Concat([]string{abistable.RootModule}, everyC)) {
			t.Errorf("as %q: exports %v, report (-want +got):\n%s", family, lib.Exports, diff)
		}
	}
	if report, err := InspectNative(path); err != nil || !cmp.Equal(report.ABI, native()) {
		t.Errorf("InspectNative: %+v, %v", report, err)
	}
}

func TestInspectNativeOfAnotherFile(t *testing.T) {
	var none *abistable.NoRootModuleError
	var file *InspectError
	if _, err := InspectNative(testplugin.Echo(t, linuxAMD64)); !errors.As(err, &none) || !errors.As(err, &file) {
		t.Errorf("a library of the C interface: %v", err)
	}
	var directory *NotRegularError
	if _, err := InspectNative(t.TempDir()); !errors.As(err, &directory) {
		t.Errorf("a directory: %v", err)
	}
}
