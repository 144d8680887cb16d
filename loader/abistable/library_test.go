package abistable

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/loadr-plugins/loadr/internal/testplugin"
	"github.com/loadr-plugins/loadr/loader/binfile"
	"github.com/loadr-plugins/loadr/manifest"
)

// targets are all platforms that native plugins are built for.
var targets = []manifest.Target{"x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu", "x86_64-pc-windows-gnu", "x86_64-apple-darwin", "aarch64-apple-darwin"}

const linuxAMD64 = manifest.Target("x86_64-unknown-linux-gnu")

// echo is a Rust plugin, built for target.
func echo(t testing.TB, target manifest.Target, o testplugin.RustOptions) string {
	t.Helper()
	return testplugin.Rust(t, target, "examples/echo-proto", o)
}

// inspect gives the default host's report about a library.
func inspect(t testing.TB, path string) *Report {
	t.Helper()
	f, err := binfile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	report, err := Default().Inspect(f)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// TestEveryTarget finds the same layout in the libraries of every platform, optimised or not.
func TestEveryTarget(t *testing.T) {
	for _, target := range targets {
		for _, profile := range []string{"", "dev"} {
			t.Run(string(target)+"/"+profile, func(t *testing.T) {
				r := inspect(t, echo(t, target, testplugin.RustOptions{Profile: profile}))
				if r.ABI.Verdict != manifest.Fits || r.Satisfies != "1.0" {
					t.Fatalf("%+v", r.ABI)
				}
				if want := Default()[0].Graph.Digest(); r.ABI.Layout != want || r.Graph.Digest() != want {
					t.Errorf("layout %s, want %s", r.ABI.Layout, want)
				}
				if r.ABI.ABI() != (manifest.ABI{Family: manifest.FamilyNative, Version: "1.0.0"}) || r.ABI.Interface != InterfaceName {
					t.Errorf("%+v", r.ABI)
				}
				h := r.Header
				if h.BaseName != "loadr_plugin" || h.Name != "loadr_plugin" || !h.HasLayout || h.ABIMinor != 11 || h.RootLayout == 0 || h.Constructor == 0 {
					t.Errorf("%+v", h)
				}
			})
		}
	}
}

// TestInterfaceIsThatOfTheSDK holds the embedded interface to sdk/rust. With -update it writes it.
func TestInterfaceIsThatOfTheSDK(t *testing.T) {
	r := inspect(t, echo(t, linuxAMD64, testplugin.RustOptions{}))
	if r.Graph == nil {
		t.Fatalf("%+v", r.ABI)
	}
	const path = "interface-1.0.txt"
	if *update {
		if err := os.WriteFile(path, r.Graph.Text(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(interface10) != string(r.Graph.Text()) {
		t.Errorf("%s is not the layout of sdk/rust: run go generate ./loader/abistable, if the interface was meant to change", path)
	}
}

func TestNoRootModule(t *testing.T) {
	f, err := binfile.Open(testplugin.Echo(t, linuxAMD64))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := Default().Inspect(f)
	var none *NoRootModuleError
	if r != nil || !errors.As(err, &none) {
		t.Errorf("%+v, %v", r, err)
	}
}

// copyOf gives the bytes of a library, to be changed.
func bytesOf(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestOtherMachines: a library whose code this package can't recognise is neither accepted nor an error.
func TestOtherMachines(t *testing.T) {
	for _, target := range []manifest.Target{"riscv64gc-unknown-linux-gnu", "armv7-unknown-linux-gnueabihf"} {
		t.Run(string(target), func(t *testing.T) {
			r := inspect(t, testplugin.C(t, target, `#include "loadr_plugin.h"
				LOADR_PLUGIN_EXPORT volatile char `+RootModule+`[152] = "abi stable library for Rust     \0\0\0\0\x0b";`))
			if r.ABI.Verdict != manifest.Unverifiable || len(r.ABI.Problems) != 1 || r.ABI.Problems[0].Rule != "image" || r.Header != nil {
				t.Errorf("%+v", r.ABI)
			}
		})
	}
}
