package abistable

import (
	_ "embed"
	"strconv"
	"strings"
	"sync"

	"github.com/loadr-plugins/loadr/loader/layout"
)

// InterfaceName is the crate that declares the interface.
const InterfaceName = "loadr-plugin-api"

// Interface is one version of the interface that a host knows.
type Interface struct {
	Version string        // MAJOR.MINOR of the interface crate
	Graph   *layout.Graph // of its root module
}

// Host is what a host knows, newest first: the last minor version of each major one and all before it. It accepts
// libraries of any minor version of those majors that satisfy one of them, also a later one than it knows: it reads only
// fields that it knows, after asking whether they are there.
type Host []Interface

// interface10 is the layout of version 1.0, made from sdk/rust by TestInterfaceIsThatOfTheSDK.
//
//go:generate go test -run TestInterfaceIsThatOfTheSDK -update
//go:embed interface-1.0.txt
var interface10 []byte

// Default is this program's own host. Its graphs are made once and shared.
func Default() Host { return defaultHost() }

var defaultHost = sync.OnceValue(func() Host {
	graph, err := layout.Parse(interface10)
	if err != nil {
		panic("abistable: embedded interface: " + err.Error()) // a mistake in this package, which its tests find
	}
	return Host{{Version: "1.0", Graph: graph}}
})

// version is a MAJOR.MINOR.PATCH as abi_stable reads it: of the first two parts a number, of the rest nothing is compared.
type version struct{ major, minor uint64 }

func parseVersion(s string) (version, bool) {
	parts := strings.SplitN(s, ".", 3)
	if len(parts) < 2 {
		return version{}, false
	}
	major, err := strconv.ParseUint(parts[0], 10, 32)
	if err != nil {
		return version{}, false
	}
	minor, err := strconv.ParseUint(parts[1], 10, 32)
	return version{major, minor}, err == nil
}

// candidates gives the known interfaces whose libraries this version may be one of, newest first: those of the same
// major, for 0 also of the same minor.
func (h Host) candidates(found version) Host {
	var same Host
	for _, known := range h {
		v, _ := parseVersion(known.Version)
		if v.major == found.major && (v.major != 0 || v.minor == found.minor) {
			same = append(same, known)
		}
	}
	return same
}

// versions lists what a host accepts: "1.x".
func (h Host) versions() string {
	var list []string
	for _, known := range h {
		v, _ := parseVersion(known.Version)
		text := strconv.FormatUint(v.major, 10) + ".x"
		if v.major == 0 {
			text = "0." + strconv.FormatUint(v.minor, 10) + ".x"
		}
		if len(list) == 0 || list[len(list)-1] != text {
			list = append(list, text)
		}
	}
	return strings.Join(list, " or ")
}

// closest gives the interface that a library of this version is most likely meant for, among those of its major: the
// newest that is not newer, else the oldest.
func (h Host) closest(found version) Interface {
	for _, known := range h {
		if v, _ := parseVersion(known.Version); v.minor <= found.minor {
			return known
		}
	}
	return h[len(h)-1]
}
