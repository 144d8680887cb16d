package manifest

import (
	"fmt"

	"github.com/opencontainers/go-digest"
)

// Library is what an inspection found in a plugin's library without running it. It is recorded in the artifact's
// config, and shown by `info`. docs/spec/artifact.md fixes the JSON form: keys only ever get added.
type Library struct {
	Format       Format        `json:"format"`
	Machine      string        `json:"machine"` // as in a target triple: x86_64, aarch64, ...
	Digest       digest.Digest `json:"digest"`  // of the uncompressed file
	Size         int64         `json:"size"`    // bytes
	Needs        []string      `json:"needs"`   // names of dynamic libraries, in file order
	Libc         Libc          `json:"libc"`
	Constructors int           `json:"constructors"` // functions that run when the library is opened
	Exports      []string      `json:"exports"`      // plugin entry points found, sorted
	ABI          ABIReport     `json:"abi"`
}

// Verdict is the outcome of checking a library's interface against this host's.
type Verdict string

// The verdicts.
const (
	Fits         Verdict = "fits"
	Differs      Verdict = "differs"
	Unverifiable Verdict = "unverifiable"
)

// ABIReport says which interface a library was built against and whether it fits.
type ABIReport struct {
	Family    Family    `json:"family"`              // empty: no plugin interface found
	Version   string    `json:"version"`             // semver; empty where it cannot be read without running
	Interface string    `json:"interface,omitempty"` // interface crate or WIT package
	Layout    string    `json:"layout,omitempty"`    // layout digest, layout-v1:sha256:...
	Verdict   Verdict   `json:"verdict"`
	Problems  []Problem `json:"problems,omitempty"`
}

// Problem is one difference between the expected and the found interface.
type Problem struct {
	Path string `json:"path"` // where, from the outside in: PluginMod.make_protocol()
	Rule string `json:"rule"` // stable word for the violated rule
	Want string `json:"want"`
	Got  string `json:"got"`
}

// String gives the problem as one line for people.
func (p Problem) String() string {
	return fmt.Sprintf("%s: %s: expected %s, found %s", p.Path, p.Rule, p.Want, p.Got)
}

// ABI gives the short form of the report; the zero value where family or version is unknown.
func (r ABIReport) ABI() ABI {
	if r.Family == "" || r.Version == "" {
		return ABI{}
	}
	return ABI{r.Family, r.Version}
}
