package manifest

import (
	"fmt"
	"slices"
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Target is a Rust target triple: what plugin authors and the loadr engine name a platform by. Values made by
// ParseTarget are known ones.
type Target string

// Neutral is the target of a WebAssembly component, which satisfies every host.
const Neutral Target = "wasm32-wasip2"

// Format is a binary file format.
type Format string

// The formats.
const (
	ELF      Format = "elf"
	MachO    Format = "macho"
	PE       Format = "pe"
	WasmFile Format = "wasm"
)

// platform is one row of the table of known targets. Machine is the triple's own architecture word.
type platform struct {
	target   Target
	format   Format
	oci      v1.Platform
	libc     string
	fallback bool // the meaning of os/arch alone
}

var platforms = []platform{
	{"aarch64-apple-darwin", MachO, v1.Platform{OS: "darwin", Architecture: "arm64"}, "", true},
	{"aarch64-pc-windows-gnullvm", PE, v1.Platform{OS: "windows", Architecture: "arm64"}, "", false},
	{"aarch64-pc-windows-msvc", PE, v1.Platform{OS: "windows", Architecture: "arm64"}, "", true},
	{"aarch64-unknown-linux-gnu", ELF, v1.Platform{OS: "linux", Architecture: "arm64"}, Glibc, true},
	{"aarch64-unknown-linux-musl", ELF, v1.Platform{OS: "linux", Architecture: "arm64"}, Musl, false},
	{"armv7-unknown-linux-gnueabihf", ELF, v1.Platform{OS: "linux", Architecture: "arm", Variant: "v7"}, Glibc, true},
	{"armv7-unknown-linux-musleabihf", ELF, v1.Platform{OS: "linux", Architecture: "arm", Variant: "v7"}, Musl, false},
	{"riscv64gc-unknown-linux-gnu", ELF, v1.Platform{OS: "linux", Architecture: "riscv64"}, Glibc, true},
	{"riscv64gc-unknown-linux-musl", ELF, v1.Platform{OS: "linux", Architecture: "riscv64"}, Musl, false},
	{Neutral, WasmFile, v1.Platform{OS: "wasip2", Architecture: "wasm"}, "", true},
	{"x86_64-apple-darwin", MachO, v1.Platform{OS: "darwin", Architecture: "amd64"}, "", true},
	{"x86_64-pc-windows-gnu", PE, v1.Platform{OS: "windows", Architecture: "amd64"}, "", false},
	{"x86_64-pc-windows-msvc", PE, v1.Platform{OS: "windows", Architecture: "amd64"}, "", true},
	{"x86_64-unknown-freebsd", ELF, v1.Platform{OS: "freebsd", Architecture: "amd64"}, "", true},
	{"x86_64-unknown-linux-gnu", ELF, v1.Platform{OS: "linux", Architecture: "amd64"}, Glibc, true},
	{"x86_64-unknown-linux-musl", ELF, v1.Platform{OS: "linux", Architecture: "amd64"}, Musl, false},
}

// Targets lists every known target, sorted.
func Targets() []Target {
	out := make([]Target, len(platforms))
	for i, p := range platforms {
		out[i] = p.target
	}
	return out
}

// ParseTarget accepts a known triple or os/arch[/variant] in Go's and OCI's spelling; linux/amd64 means the gnu triple,
// windows/amd64 the msvc one. The error lists what is known.
func ParseTarget(s string) (Target, error) {
	for _, p := range platforms {
		if s == string(p.target) || p.fallback && s == osArch(p.oci) {
			return p.target, nil
		}
	}
	return "", fmt.Errorf("unknown target %q: expected os/arch (linux/amd64) or one of %s", s, joinTargets(Targets()))
}

// TargetFor gives the target of a machine: os and arch in Go's spelling, libc Glibc or Musl on Linux and ignored
// elsewhere. False where none is known, also for a Linux machine whose libc is unknown.
func TargetFor(os, arch, libc string) (Target, bool) {
	for _, p := range platforms {
		if p.oci.OS != os || p.oci.Architecture != arch {
			continue
		}
		if p.libc != "" && p.libc == libc || p.libc == "" && p.fallback {
			return p.target, true
		}
	}
	return "", false
}

// Platform gives the OCI platform: os, architecture and variant.
func (t Target) Platform() v1.Platform { return t.row().oci }

// Libc gives Glibc, Musl, or "" where the system has only one C library.
func (t Target) Libc() string { return t.row().libc }

// Format gives the format of the target's dynamic libraries.
func (t Target) Format() Format { return t.row().format }

// Machine gives the architecture word of the triple: x86_64, aarch64, armv7, riscv64gc, wasm32.
func (t Target) Machine() string {
	machine, _, _ := strings.Cut(string(t), "-")
	return machine
}

// Satisfies says whether a library for t serves a host of target host.
func (t Target) Satisfies(host Target) bool { return t == host || t == Neutral }

func (t Target) row() platform {
	i := slices.IndexFunc(platforms, func(p platform) bool { return p.target == t })
	if i < 0 {
		return platform{target: t}
	}
	return platforms[i]
}

func osArch(p v1.Platform) string {
	if p.Variant != "" {
		return p.OS + "/" + p.Architecture + "/" + p.Variant
	}
	return p.OS + "/" + p.Architecture
}

func joinTargets(targets []Target) string {
	words := make([]string, len(targets))
	for i, t := range targets {
		words[i] = string(t)
	}
	return strings.Join(words, ", ")
}
