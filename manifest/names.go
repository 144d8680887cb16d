package manifest

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/Masterminds/semver/v3"
)

// Limits of single values.
const (
	MaxName        = 64  // bytes of a plugin's name: it is a folder, and part of a repository's path
	MaxVersion     = 128 // bytes of a version: it is an OCI tag
	MaxFileName    = 255 // bytes of a file name: what common file systems allow
	maxText        = 1024
	maxDescription = 4096
	maxList        = 64
)

// CheckName says whether s may name a plugin or a segment of a namespace: lower-case letters, digits and single hyphens,
// at most MaxName bytes, not a Windows device. The error is an *Error.
func CheckName(s string) error { return check("name", s, nameRule) }

// CheckEntry says whether s is a file name that is safe beside plugin.toml on every operating system: no separators, no
// characters or names that Windows reserves, not one of the names that a plugin's folder has a use for. The error is an
// *Error.
func CheckEntry(s string) error { return check("entry", s, entryRule) }

// A rule says what is allowed when it does not allow s, and "" when it does.
type rule func(s string) (want string)

func check(field, s string, r rule) error {
	if want := r(s); want != "" {
		return &Error{Field: field, Found: quote(s), Want: want}
	}
	return nil
}

var namePattern = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

func nameRule(s string) string {
	switch {
	case len(s) > MaxName:
		return fmt.Sprintf("at most %d characters", MaxName)
	case !namePattern.MatchString(s):
		return "lower-case letters, digits and single hyphens between them"
	case isDevice(s):
		return "a name that is not a Windows device"
	}
	return ""
}

// reserved are the other files of an installed plugin's folder: the manifest and the marker that switches it off.
var reserved = []string{"plugin.toml", "disabled"}

func entryRule(s string) string {
	switch {
	case strings.ContainsAny(s, `/\`) || s == "." || s == "..":
		return "a file name without directories"
	case s == "" || len(s) > MaxFileName:
		return fmt.Sprintf("a file name of 1 to %d bytes", MaxFileName)
	case strings.ContainsAny(s, `<>:"|?*`):
		return `a file name without any of < > : " | ? *`
	case strings.HasSuffix(s, ".") || strings.TrimSpace(s) != s:
		return "a file name that neither starts with a space nor ends with a space or dot"
	case isDevice(s):
		return "a file name that is not a Windows device"
	case slices.ContainsFunc(reserved, func(r string) bool { return strings.EqualFold(r, s) }):
		return "a file name other than " + strings.Join(reserved, " and ")
	}
	return lineRule(s)
}

var devicePattern = regexp.MustCompile(`^(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])$`)

// isDevice knows the names that Windows gives to devices in every directory, whatever the case and the extension.
// Source: "Naming Files, Paths, and Namespaces", Microsoft.
func isDevice(s string) bool {
	stem, _, _ := strings.Cut(s, ".")
	return devicePattern.MatchString(strings.ToLower(strings.TrimRight(stem, " ")))
}

// lineRule is for text that is shown on one line.
func lineRule(s string) string {
	if len(s) > maxText {
		return fmt.Sprintf("at most %d bytes", maxText)
	}
	return printable(s, "")
}

// descriptionRule also allows what a multi-line string brings.
func descriptionRule(s string) string {
	if len(s) > maxDescription {
		return fmt.Sprintf("at most %d bytes", maxDescription)
	}
	return printable(s, "\r\n\t")
}

// printable refuses what would drive a terminal or make text read differently from what it is: control characters,
// line separators, and the marks that reorder bidirectional text.
func printable(s, except string) string {
	hidden := func(r rune) bool {
		control := unicode.IsControl(r) && !strings.ContainsRune(except, r)
		return control || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control)
	}
	if !utf8.ValidString(s) || strings.ContainsFunc(s, hidden) {
		return "text without control characters"
	}
	return ""
}

func versionRule(s string) string {
	if _, err := semver.StrictNewVersion(s); err != nil {
		return "a semantic version, MAJOR.MINOR.PATCH"
	}
	if len(s) > MaxVersion {
		return fmt.Sprintf("at most %d characters", MaxVersion)
	}
	return ""
}

func rangeRule(s string) string {
	if _, err := semver.NewConstraint(s); err != nil {
		return `a range of semantic versions, such as "^1.2"`
	}
	return ""
}

var schemePattern = regexp.MustCompile(`^[a-z][a-z0-9+.-]{0,63}$`)

// schemeRule is RFC 3986, section 3.1, in its canonical lower case.
func schemeRule(s string) string {
	if !schemePattern.MatchString(s) {
		return "a URL scheme without ://, in lower case"
	}
	return ""
}

// urlRule allows web addresses only: other schemes have no use here, and pages that show the link would run javascript:.
func urlRule(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || lineRule(s) != "" {
		return "a web address, https://..."
	}
	return ""
}

var licensePattern = regexp.MustCompile(`^\(*[A-Za-z0-9.:+-]+\)*( (AND|OR|WITH) \(*[A-Za-z0-9.:+-]+\)*)*$`)

// isLicense knows the shape of an SPDX expression; which identifiers exist changes too often to be built in.
func isLicense(s string) bool {
	return licensePattern.MatchString(s) && strings.Count(s, "(") == strings.Count(s, ")")
}

// pathRule is for paths of built libraries. They may lead out of the plugin's folder, because a cargo workspace builds
// into a folder above it; what they lead to is inspected before it is packed.
func pathRule(s string) string {
	switch {
	case s == "" || len(s) > maxText || strings.ContainsAny(s, `\:`) || printable(s, "") != "":
		return "a path with forward slashes and without : or control characters"
	case path.IsAbs(s):
		return "a path relative to plugin.toml"
	case entryRule(path.Base(path.Clean(s))) != "" || strings.HasSuffix(s, "/"):
		return "a path that ends in a file name"
	}
	return ""
}

// innerPathRule is for files that are packed as they are. Were they allowed to lie elsewhere, packing someone's plugin
// could publish any file of this machine.
func innerPathRule(s string) string {
	if want := pathRule(s); want != "" {
		return want
	}
	if slices.Contains(strings.Split(s, "/"), "..") {
		return "a path inside the plugin's folder, without .."
	}
	return ""
}

func isLower(r rune) bool { return r >= 'a' && r <= 'z' }
func isDigit(r rune) bool { return r >= '0' && r <= '9' }
