package resolve

import (
	"fmt"
	"strings"

	"github.com/Masterminds/semver/v3"
	"github.com/loadr-plugins/loadr/manifest"
)

// AcceptsABI says whether host can load a library built against abi. accepted says which versions it can load, in
// words; it is empty where the host lacks the family or its version can't be read.
//
//   - native: abi_stable refuses a library that knows less than the host and allows one that knows more, so the library
//     has to be built against the host's minor version or a later compatible one. A patch version adds nothing to an
//     interface: a host of 1.3.2 has the layout of 1.3.0.
//   - c: the same major version.
//   - component: built against any version up to the host's, of the same compatible line.
func AcceptsABI(host Host, abi manifest.ABI) (accepted string, ok bool) {
	h, err := semver.StrictNewVersion(host.ABI[abi.Family])
	if err != nil {
		return "", false
	}
	built, err := semver.StrictNewVersion(abi.Version)
	known := err == nil
	switch abi.Family {
	case manifest.FamilyNative:
		h := semver.New(h.Major(), h.Minor(), 0, h.Prerelease(), "")
		return "^" + short(h), known && compatible(h, built)
	case manifest.FamilyC:
		return fmt.Sprintf("%d.x", h.Major()), known && built.Major() == h.Major()
	case manifest.FamilyComponent:
		return upTo(h), known && compatible(built, h)
	}
	return "", false
}

// compatible says whether later is in ^earlier: at least as new, and of the same compatible line.
func compatible(earlier, later *semver.Version) bool {
	r, err := ParseRange("^" + earlier.String())
	return err == nil && r.allows(later)
}

// upTo gives the versions that a component host of version h accepts.
func upTo(h *semver.Version) string {
	first := semver.New(h.Major(), 0, 0, "", "")
	switch {
	case h.Major() == 0 && h.Minor() > 0:
		first = semver.New(0, h.Minor(), 0, "", "")
	case h.Major() == 0:
		first = semver.New(0, 0, h.Patch(), "", "")
	}
	if first.Equal(h) {
		return short(h)
	}
	return short(first) + " to " + short(h)
}

// short leaves out a patch number of zero, as people do.
func short(v *semver.Version) string {
	if v.Prerelease() != "" {
		return v.String()
	}
	return strings.TrimSuffix(fmt.Sprintf("%d.%d.%d", v.Major(), v.Minor(), v.Patch()), ".0")
}

func shorten(version string) string {
	v, err := semver.StrictNewVersion(version)
	if err != nil {
		return clean(version)
	}
	return short(v)
}

func checkABI(host Host, _ Offer, libraries []library) (Code, string) {
	for _, l := range libraries {
		accepted, ok := AcceptsABI(host, l.ABI)
		if ok {
			continue
		}
		where := ""
		if differ(libraries) {
			where = fmt.Sprintf("library for %s ", l.wanted)
		}
		switch {
		case l.ABI == (manifest.ABI{}):
			return ABI, where + "does not say which ABI it was built against"
		case accepted == "":
			return ABI, fmt.Sprintf("%sbuilt against %s ABI %s, which this host does not have", where, l.ABI.Family, shorten(l.ABI.Version))
		}
		return ABI, fmt.Sprintf("%sbuilt against %s ABI %s, this host accepts %s", where, l.ABI.Family, shorten(l.ABI.Version), accepted)
	}
	return "", ""
}

func differ(libraries []library) bool {
	for _, l := range libraries {
		if l.ABI != libraries[0].ABI {
			return true
		}
	}
	return false
}

// checkRequires holds the host's own version against the plugin's [requires] abi.
func checkRequires(host Host, o Offer, libraries []library) (Code, string) {
	if o.RequiresABI == "" {
		return "", ""
	}
	r, err := ParseRange(o.RequiresABI)
	if err != nil {
		return Invalid, "unusable: [requires] abi: " + clean(err.Error())
	}
	for _, l := range libraries {
		has := host.ABI[l.ABI.Family]
		if !r.Allows(has) {
			return RequiresABI, fmt.Sprintf("requires a host of %s ABI %s, this host is %s", l.ABI.Family, r, has)
		}
	}
	return "", ""
}
