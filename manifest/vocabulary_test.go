package manifest

import (
	"encoding"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

func TestKindsOfTypes(t *testing.T) {
	if got := Native.Kinds(); !slices.Equal(got, []Kind{Protocol, Output, Service}) {
		t.Errorf("native: %v", got)
	}
	if got := Wasm.Kinds(); !slices.Equal(got, []Kind{Extractor, Assertion}) {
		t.Errorf("wasm: %v", got)
	}
	if got := Type("x").Kinds(); got != nil {
		t.Errorf("unknown type: %v", got)
	}
	if got := Kinds(); len(got) != 5 {
		t.Errorf("all: %v", got)
	}
	if got := Types(); !slices.Equal(got, []Type{Native, Wasm}) {
		t.Errorf("types: %v", got)
	}
}

func TestParseABI(t *testing.T) {
	for _, s := range []string{"c/1.0.0", "native/1.2.3-rc.1", "component/0.1.0"} {
		if a, err := ParseABI(s); err != nil || a.String() != s {
			t.Errorf("%s: %v, %v", s, a, err)
		}
	}
	for s, part := range map[string]string{
		"": "family/version", "c": "family/version", "x/1.0.0": "unknown family", "c/1": "not semver", "c/v1.0.0": "not semver", "c/1.0.0/2": "not semver", "/1.0.0": "unknown family",
	} {
		if a, err := ParseABI(s); err == nil || !strings.Contains(err.Error(), part) || a != (ABI{}) {
			t.Errorf("%q: %v, %v", s, a, err)
		}
	}
	if !slices.IsSorted(Families()) {
		t.Errorf("families are not sorted: %v", Families())
	}
}

func TestABIReport(t *testing.T) {
	tests := []struct {
		r    ABIReport
		want ABI
	}{
		{ABIReport{}, ABI{}},
		{ABIReport{Family: FamilyC}, ABI{}},
		{ABIReport{Version: "1.0.0"}, ABI{}},
		{ABIReport{Family: FamilyC, Version: "1.0.0"}, ABI{FamilyC, "1.0.0"}},
	}
	for _, tt := range tests {
		if got := tt.r.ABI(); got != tt.want {
			t.Errorf("%+v: got %v", tt.r, got)
		}
	}
}

func TestParseLibc(t *testing.T) {
	for _, s := range []string{"", "glibc", "musl", "glibc>=2.34", "musl>=1.2.5"} {
		if l, err := ParseLibc(s); err != nil || l.String() != s {
			t.Errorf("%q: %v, %v", s, l, err)
		}
	}
	for _, s := range []string{"glibc>=", "glibc>=2", "glibc>=2.34.1.1", "glibc 2.34", "uclibc", "glibc>=2.x", "glibc>=-1.2", "glibc>=1234567.0", "glibc>=2.34\n"} {
		if l, err := ParseLibc(s); err == nil || l != (Libc{}) {
			t.Errorf("%q: %v, %v", s, l, err)
		}
	}
}

func TestCompareVersions(t *testing.T) {
	tests := []struct {
		a, b string
		want int
	}{
		{"2.34", "2.34", 0}, {"2.4", "2.34", -1}, {"2.34", "2.4", 1}, {"2.34", "2.34.0", 0}, {"2.34.1", "2.34", 1}, {"", "0.0", 0}, {"", "2.0", -1}, {"3.0", "2.99", 1},
	}
	for _, tt := range tests {
		if got := sign(CompareVersions(tt.a, tt.b)); got != tt.want {
			t.Errorf("CompareVersions(%q, %q) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}

func sign(n int) int { return max(-1, min(1, n)) }

func TestTargetsTable(t *testing.T) {
	if !slices.IsSorted(Targets()) {
		t.Errorf("not sorted: %v", Targets())
	}
	fallbacks := map[string]int{}
	for _, p := range platforms {
		if got, err := ParseTarget(string(p.target)); err != nil || got != p.target {
			t.Errorf("%s: parsed as %q, %v", p.target, got, err)
		}
		fallbacks[osArch(p.oci)] += map[bool]int{true: 1}[p.fallback]
		if got, ok := TargetFor(p.oci.OS, p.oci.Architecture, p.libc); !ok || got.Platform().OS != p.oci.OS || got.Libc() != p.libc {
			t.Errorf("%s: TargetFor gave %q, %v", p.target, got, ok)
		}
	}
	for osArch, n := range fallbacks {
		if n != 1 {
			t.Errorf("%s means %d targets", osArch, n)
		}
	}
}

func TestParseTarget(t *testing.T) {
	for s, want := range map[string]Target{
		"linux/amd64": "x86_64-unknown-linux-gnu", "linux/arm64": "aarch64-unknown-linux-gnu", "linux/arm/v7": "armv7-unknown-linux-gnueabihf",
		"linux/riscv64": "riscv64gc-unknown-linux-gnu", "darwin/arm64": "aarch64-apple-darwin", "darwin/amd64": "x86_64-apple-darwin",
		"windows/amd64": "x86_64-pc-windows-msvc", "windows/arm64": "aarch64-pc-windows-msvc", "freebsd/amd64": "x86_64-unknown-freebsd",
		"x86_64-unknown-linux-musl": "x86_64-unknown-linux-musl", "wasm32-wasip2": Neutral,
	} {
		if got, err := ParseTarget(s); err != nil || got != want {
			t.Errorf("%s: got %q, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "linux", "linux/386", "linux/arm", "LINUX/amd64", "x86_64-unknown-linux-gnu ", "wasm32-wasip1", "../x"} {
		if got, err := ParseTarget(s); err == nil || got != "" || !strings.Contains(err.Error(), "x86_64-unknown-linux-gnu") {
			t.Errorf("%q: got %q, %v", s, got, err)
		}
	}
}

func TestTargetFor(t *testing.T) {
	tests := []struct {
		os, arch, libc string
		want           Target
	}{
		{"linux", "amd64", Glibc, "x86_64-unknown-linux-gnu"},
		{"linux", "amd64", Musl, "x86_64-unknown-linux-musl"},
		{"linux", "amd64", "", ""}, // unknown C library: neither is chosen
		{"linux", "amd64", "uclibc", ""},
		{"linux", "arm", Musl, "armv7-unknown-linux-musleabihf"},
		{"linux", "s390x", Glibc, ""},
		{"darwin", "arm64", "", "aarch64-apple-darwin"},
		{"darwin", "arm64", Glibc, "aarch64-apple-darwin"},
		{"windows", "amd64", "", "x86_64-pc-windows-msvc"},
		{"windows", "arm64", "", "aarch64-pc-windows-msvc"},
		{"windows", "arm64", "anything", "aarch64-pc-windows-msvc"},
		{"freebsd", "amd64", "", "x86_64-unknown-freebsd"},
		{"plan9", "amd64", "", ""},
	}
	for _, tt := range tests {
		if got, ok := TargetFor(tt.os, tt.arch, tt.libc); got != tt.want || ok != (tt.want != "") {
			t.Errorf("%s/%s %q: got %q, %v, want %q", tt.os, tt.arch, tt.libc, got, ok, tt.want)
		}
	}
}

func TestTargetFacts(t *testing.T) {
	gnu := Target("x86_64-unknown-linux-gnu")
	if gnu.Format() != ELF || gnu.Libc() != Glibc || gnu.Machine() != "x86_64" {
		t.Errorf("%s: %s %s %s", gnu, gnu.Format(), gnu.Libc(), gnu.Machine())
	}
	if p := Target("armv7-unknown-linux-gnueabihf").Platform(); p.OS != "linux" || p.Architecture != "arm" || p.Variant != "v7" {
		t.Errorf("platform %+v", p)
	}
	if p := Target("unknown").Platform(); p.OS != "" || Target("unknown").Format() != "" {
		t.Errorf("platform of an unknown target: %+v", p)
	}
	if !gnu.Satisfies(gnu) || gnu.Satisfies("x86_64-unknown-linux-musl") || !Neutral.Satisfies(gnu) || gnu.Satisfies(Neutral) {
		t.Error("Satisfies is wrong")
	}
	if (v1.Platform{}).OS != Target("").Platform().OS {
		t.Error("the empty target has a platform")
	}
}

// TestLibraryJSON fixes the JSON form, which artifacts hold.
func TestLibraryJSON(t *testing.T) {
	lib := Library{
		Format: ELF, Machine: "x86_64", Digest: "sha256:00", Size: 3, Needs: []string{"libc.so.6"}, Libc: Libc{Glibc, "2.34"},
		Constructors: 1, Exports: []string{"loadr_plugin_info"},
		ABI: ABIReport{Family: FamilyC, Version: "1.0.0", Verdict: Fits, Problems: []Problem{{"a", "b", "c", "d"}}},
	}
	want := `{"format":"elf","machine":"x86_64","digest":"sha256:00","size":3,"needs":["libc.so.6"],"libc":"glibc\u003e=2.34","constructors":1,` +
		`"exports":["loadr_plugin_info"],"abi":{"family":"c","version":"1.0.0","verdict":"fits","problems":[{"path":"a","rule":"b","want":"c","got":"d"}]}}`
	got, err := json.Marshal(lib)
	if err != nil || string(got) != want {
		t.Errorf("got %s, %v\nwant %s", got, err, want)
	}
	var back Library
	if err := json.Unmarshal(got, &back); err != nil || back.Libc != lib.Libc || back.Exports[0] != lib.Exports[0] {
		t.Errorf("read back: %+v, %v", back, err)
	}
}

func TestTextForms(t *testing.T) {
	var abi ABI
	var libc Libc
	tests := []struct {
		read  encoding.TextUnmarshaler
		write func() ([]byte, error)
		text  string
		bad   string
	}{
		{&abi, func() ([]byte, error) { return abi.MarshalText() }, "c/1.0.0", "c"},
		{&libc, func() ([]byte, error) { return libc.MarshalText() }, "glibc>=2.31", "x"},
	}
	for _, tt := range tests {
		for _, text := range []string{tt.text, ""} {
			if err := tt.read.UnmarshalText([]byte(text)); err != nil {
				t.Errorf("%q: %v", text, err)
			}
			if got, err := tt.write(); err != nil || string(got) != text {
				t.Errorf("%q became %q, %v", text, got, err)
			}
		}
		if err := tt.read.UnmarshalText([]byte(tt.bad)); err == nil {
			t.Errorf("%q accepted", tt.bad)
		}
	}
}
