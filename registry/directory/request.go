package directory

import (
	"encoding/json"
	"net/http"
	"path"
	"regexp"
	"strings"
)

// Request is what a URL of the distribution specification asks for.
type Request struct {
	Repo string // empty for requests that are about no repository
	Kind string // "manifests", "blobs", "tags", "referrers", or empty
	Arg  string // tag, digest, or the rest of the path
}

// repoPattern is a repository name of the distribution specification; it is also what keeps requests inside the root.
var repoPattern = regexp.MustCompile(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$`)

// endpoint matches greedily, so that a repository may be called a/blobs/b.
var endpoint = regexp.MustCompile(`^/v2/(.+)/(?:(manifests|referrers)/([^/]+)|(tags)/(list)|(blobs)/(uploads/[^/]+|[^/]+))$`)

// Parse reads the path of r and replaces it with its clean form: what the filters saw must be what olareg, which cleans
// paths too, acts on.
func Parse(r *http.Request) (*http.Request, Request) {
	clean := r.Clone(r.Context())
	clean.URL.Path, clean.URL.RawPath = path.Clean("/"+r.URL.Path), ""
	m := endpoint.FindStringSubmatch(clean.URL.Path)
	if m == nil || !repoPattern.MatchString(m[1]) {
		return clean, Request{}
	}
	return clean, Request{Repo: m[1], Kind: m[2] + m[4] + m[6], Arg: m[3] + m[5] + m[7]}
}

// IsRead says whether r changes nothing.
func IsRead(r *http.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }

// Refuse answers with an error of the distribution specification, "Error codes".
func Refuse(w http.ResponseWriter, status int, code, message string) {
	type entry struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// A client that has gone away misses nothing.
	_ = json.NewEncoder(w).Encode(map[string][]entry{"errors": {{code, message}}})
}

// Unknown answers for a repository that does not exist.
func Unknown(w http.ResponseWriter, repo string) {
	Refuse(w, http.StatusNotFound, "NAME_UNKNOWN", "repository "+repo+" does not exist")
}

// IsUpload says whether the request is about an upload that is under way, or begins one.
func (q Request) IsUpload() bool { return q.Kind == "blobs" && strings.HasPrefix(q.Arg, "uploads") }

// TagsOf lists the tags that a manifest request would set.
func (q Request) TagsOf(r *http.Request) []string {
	if strings.Contains(q.Arg, ":") {
		return r.URL.Query()["tag"]
	}
	return []string{q.Arg}
}
