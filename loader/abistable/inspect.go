package abistable

import (
	"errors"
	"fmt"

	"github.com/loadr-plugins/loadr/loader/binfile"
	"github.com/loadr-plugins/loadr/loader/layout"
	"github.com/loadr-plugins/loadr/manifest"
)

// Report is all that was found out about a library's root module.
type Report struct {
	Header    *Header            `json:"header"`              // nil: unreadable
	Graph     *layout.Graph      `json:"graph"`               // nil: unreadable, or there is none
	Satisfies string             `json:"satisfies,omitempty"` // version of the interface by which the library fits
	ABI       manifest.ABIReport `json:"abi"`
}

// NoRootModuleError says that a library has no abi_stable root module, so it is not of the native interface.
type NoRootModuleError struct{}

func (e *NoRootModuleError) Error() string {
	return "expected an abi_stable root module, found no symbol " + RootModule
}

// Hint says how one is made.
func (e *NoRootModuleError) Hint() string {
	return "a native plugin is a Rust cdylib that calls export_loadr_plugin!; `loadr plugin new --lang rust` makes one"
}

// Inspect reports the library in f, which may be one for any operating system, and runs nothing of it. A library that is
// damaged, or of a machine whose code this package can't recognise, gives a verdict. The error is a *NoRootModuleError
// or one of reading.
func (h Host) Inspect(f *binfile.File) (*Report, error) {
	symbol, found, err := f.Lookup(RootModule)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, &NoRootModuleError{}
	}
	r := &Report{ABI: manifest.ABIReport{Family: manifest.FamilyNative, Verdict: manifest.Unverifiable}}
	memory, err := f.Image()
	if err != nil {
		return r.unless(err, "image", "a library that can be relocated")
	}
	return h.InspectMemory(imageMemory{memory, f.Machine}, symbol.Address)
}

// InspectMemory reports the library in mem whose root module's header is at this address. A library that is damaged or
// unusual gives a verdict; the error is mem's own, about reading.
func (h Host) InspectMemory(mem layout.Memory, header uint64) (*Report, error) {
	r := &Report{ABI: manifest.ABIReport{Family: manifest.FamilyNative, Verdict: manifest.Unverifiable}}
	found, start, err := readHeader(mem, header)
	if err != nil {
		return r.unless(err, "header", "a readable root module header")
	}
	r.Header = found
	if !h.checkHeader(r, start) {
		return r, nil
	}
	r.Graph, err = layout.Walk(mem, found.RootLayout)
	if err != nil {
		return r.unreadable(err)
	}
	r.ABI.Layout = r.Graph.Digest()
	h.judge(r)
	return r, nil
}

// checkHeader says whether the header lets the layout be read and compared, in the order of the Rust host: the magic,
// abi_stable's version, the interface's version; then that there is a layout.
func (h Host) checkHeader(r *Report, start string) bool {
	found := r.Header
	r.ABI.Verdict = manifest.Differs
	switch v, ok := parseVersion(found.Version); {
	case start != magic:
		return r.problem("header", "magic", fmt.Sprintf("%q", magic), fmt.Sprintf("%q", start))
	case found.ABIMajor != abiMajor || found.ABIMinor != abiMinor:
		return r.problem("header", "abi-stable-version", fmt.Sprintf("abi_stable %d.%d", abiMajor, abiMinor),
			fmt.Sprintf("abi_stable %d.%d", found.ABIMajor, found.ABIMinor))
	case !ok || !isSemver(found.Version):
		return r.problem("header", "interface-version", "a version (MAJOR.MINOR.PATCH)", found.Version)
	case len(h.candidates(v)) == 0:
		r.named()
		return r.problem("header", "interface-version", h.versions(), found.Version)
	case !found.HasLayout:
		r.named()
		return r.problem("header", "layout-constant", "a description of the root module's type", "none")
	}
	r.named()
	r.ABI.Verdict = manifest.Unverifiable
	return true
}

// named records the interface's name and version, once the version is known to be one.
func (r *Report) named() {
	r.ABI.Version, r.ABI.Interface = r.Header.Version, InterfaceName
}

func isSemver(s string) bool {
	_, err := manifest.ParseABI(string(manifest.FamilyNative) + "/" + s)
	return err == nil
}

// judge compares the layout with what the host knows. The newest interface that the library satisfies decides; if none does,
// the problems are those with the closest one.
func (h Host) judge(r *Report) {
	v, _ := parseVersion(r.Header.Version)
	same := h.candidates(v)
	closest := same.closest(v)
	for _, known := range same {
		problems := layout.Check(known.Graph, r.Graph)
		if problems == nil {
			r.ABI.Verdict, r.ABI.Problems, r.Satisfies = manifest.Fits, nil, known.Version
			return
		}
		if known.Version == closest.Version {
			r.ABI.Problems = problems
		}
	}
	r.ABI.Verdict = manifest.Differs
}

// problem adds one. False, for the caller to return.
func (r *Report) problem(path, rule, want, got string) bool {
	r.ABI.Problems = append(r.ABI.Problems, manifest.Problem{Path: path, Rule: rule, Want: want, Got: got})
	return false
}

// unless makes damage a problem, and leaves errors of reading alone.
func (r *Report) unless(err error, path, want string) (*Report, error) {
	if !damaged(err) {
		return nil, err
	}
	r.problem(path, path, want, err.Error())
	return r, nil
}

// unreadable makes a problem of why a layout could not be read: the code of a getter has an unknown form, or the
// description is not one.
func (r *Report) unreadable(err error) (*Report, error) {
	var graph *layout.GraphError
	if !errors.As(err, &graph) || graph.Err != nil && !is[*layout.ShapeError](err) && !damaged(err) {
		return nil, err
	}
	var shape *layout.ShapeError
	if errors.As(err, &shape) {
		r.problem(graph.Path, "code-shape", "code that only returns an address", fmt.Sprintf("% x", shape.Code))
	} else {
		r.problem(graph.Path, "layout-graph", "the description of a type", graph.Problem)
	}
	return r, nil
}
