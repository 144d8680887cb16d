package registry

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/opencontainers/go-digest"
	orasregistry "oras.land/oras-go/v2/registry"

	"github.com/loadr-plugins/loadr/manifest"
)

// Reference is what a person writes to name a plugin in a registry. A short name has no Registry and no Namespace; at
// most one of Range and Digest is set.
type Reference struct {
	Registry  string // host[:port], lower case, or Local
	Namespace string // path segments joined by slashes
	Name      string
	Range     string        // as written after the @; package resolve reads it
	Digest    digest.Digest // of the image index, sha256
}

// ParseReference reads the forms
//
//	name    name@^1.2    name@sha256:...
//	host/namespace/name    host/namespace/name@1.4.0    host/namespace/name@sha256:...
//
// The error is a *ReferenceError. Paths, archives and URLs are not references; whoever accepts both looks for those
// first.
func ParseReference(s string) (Reference, error) {
	if len(s) > maxReference || strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || r == unicode.ReplacementChar }) {
		return Reference{}, &ReferenceError{s, fmt.Sprintf("expected at most %d characters, none of them control characters", maxReference)}
	}
	where, which, hasWhich := strings.Cut(s, "@")
	ref, err := parseWhere(where)
	if err != nil {
		return Reference{}, &ReferenceError{s, err.Error()}
	}
	if !hasWhich {
		return ref, nil
	}
	if err := ref.setWhich(which); err != nil {
		return Reference{}, &ReferenceError{s, err.Error()}
	}
	return ref, nil
}

// Short says whether the reference names no registry, so that the configured namespaces are searched.
func (r Reference) Short() bool { return r.Registry == "" }

// Repository gives where the plugin lives; meaningful when the reference is not short.
func (r Reference) Repository() Repository { return Repository{r.Registry, r.Namespace, r.Name} }

// String gives the form that ParseReference reads.
func (r Reference) String() string {
	s := r.Name
	if !r.Short() {
		s = r.Repository().String()
	}
	switch {
	case r.Digest != "":
		return s + "@" + r.Digest.String()
	case r.Range != "":
		return s + "@" + r.Range
	}
	return s
}

func (r *Reference) setWhich(which string) error {
	if which == "" || strings.TrimSpace(which) != which || strings.ContainsAny(which, `/\@`) {
		return fmt.Errorf("expected a version, a range or sha256:<64 hex digits> after the @")
	}
	if !strings.Contains(which, ":") {
		r.Range = which
		return nil
	}
	d, err := parseDigest(which)
	r.Digest = d
	return err
}

// parseDigest accepts SHA-256 only: the lock, the cache and the signatures know no other.
func parseDigest(s string) (digest.Digest, error) {
	d, err := digest.Parse(s)
	if err != nil || d.Algorithm() != digest.SHA256 {
		return "", fmt.Errorf("digest %q: expected sha256:<64 hex digits>", s)
	}
	return d, nil
}

func parseWhere(s string) (Reference, error) {
	place, name, long := cutLast(s, "/")
	if err := manifest.CheckName(name); err != nil {
		return Reference{}, err
	}
	if !long {
		return Reference{Name: name}, nil
	}
	host, namespace, err := ParseNamespace(place)
	if err != nil {
		return Reference{}, err
	}
	repo := Repository{host, namespace, name}
	return Reference{Registry: host, Namespace: namespace, Name: name}, repo.check()
}

// Repository is the place of one plugin: all of its versions.
type Repository struct {
	Registry  string // host[:port], or Local
	Namespace string
	Name      string
}

// String gives registry/namespace/name.
func (r Repository) String() string { return r.Source() + "/" + r.Name }

// MarshalText is String, for JSON.
func (r Repository) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// Source gives registry/namespace, what a lock calls the source of a plugin.
func (r Repository) Source() string { return r.Registry + "/" + r.Namespace }

// Host is where requests for the repository go: of one well-known registry the host has another name than the registry.
func (r Repository) Host() string { return orasregistry.Reference{Registry: r.Registry}.Host() }

// path gives the repository's name inside its registry.
func (r Repository) path() string { return r.Namespace + "/" + r.Name }

func (r Repository) check() error {
	if len(r.path()) > maxRepository {
		return fmt.Errorf("repository %q: expected at most %d characters", r.path(), maxRepository)
	}
	if r.Registry != Local {
		return nil
	}
	for segment := range strings.SplitSeq(r.path(), "/") {
		if slices.Contains(reservedNames, segment) {
			return fmt.Errorf("repository %q: the directory registry cannot hold a name %q, which OCI image layouts use", r.path(), segment)
		}
	}
	return nil
}

// segmentPattern is a path component of the OCI distribution specification, "Pulling manifests".
var segmentPattern = regexp.MustCompile(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*$`)

// ParseNamespace reads registry/namespace: "local/plugins", "registry.example:5000/team/a". The first part must look
// like a host (a dot, a port, "localhost" or an address) or be Local, so that a forgotten host is an error here and
// not a request to a machine of that name.
func ParseNamespace(s string) (registry, namespace string, err error) {
	host, namespace, ok := strings.Cut(s, "/")
	if !ok {
		return "", "", fmt.Errorf("namespace %q: expected registry/namespace, such as registry.example/team or %s/plugins", s, Local)
	}
	host, err = parseHost(host)
	if err != nil {
		return "", "", err
	}
	for segment := range strings.SplitSeq(namespace, "/") {
		if len(segment) > manifest.MaxName || !segmentPattern.MatchString(segment) {
			return "", "", fmt.Errorf("namespace %q: part %q: expected lower-case letters and digits, with single . _ or - between them, at most %d",
				s, segment, manifest.MaxName)
		}
	}
	return host, namespace, nil
}

var hostPattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`)

func parseHost(s string) (string, error) {
	host := strings.ToLower(s)
	if host == Local {
		return host, nil
	}
	name, port, hasPort := splitPort(host)
	if hasPort && !isPort(port) {
		return "", fmt.Errorf("registry %q: port %q: expected a number from 1 to 65535", s, port)
	}
	if isAddress(name) {
		return host, nil
	}
	if !hostPattern.MatchString(name) || len(name) > 253 {
		return "", fmt.Errorf("registry %q: expected host or host:port", s)
	}
	if !hasPort && name != "localhost" && !strings.Contains(name, ".") {
		return "", fmt.Errorf("registry %q: expected a host with a dot or a port, or %q; a name in a configured namespace is written without slashes", s, Local)
	}
	return host, nil
}

// splitPort keeps the brackets of an IPv6 address with the name; an address without them is not a host.
func splitPort(host string) (name, port string, ok bool) {
	i := strings.LastIndex(host, ":")
	if i < 0 || strings.HasSuffix(host, "]") {
		return host, "", false
	}
	return host[:i], host[i+1:], true
}

// isAddress knows an IPv4 address, and an IPv6 address in brackets and without a zone, as URLs write them.
func isAddress(name string) bool {
	inner, bracketed := strings.CutPrefix(name, "[")
	inner, closed := strings.CutSuffix(inner, "]")
	addr, err := netip.ParseAddr(inner)
	return err == nil && bracketed == closed && bracketed == addr.Is6() && addr.Zone() == ""
}

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0 && s == strconv.FormatUint(n, 10)
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return "", s, false
	}
	return s[:i], s[i+len(sep):], true
}
