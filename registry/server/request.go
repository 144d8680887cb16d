package server

import (
	"encoding/json"
	"net/http"
	"path"
	"regexp"
	"strings"
)

// request is what a URL of the distribution specification asks for.
type request struct {
	repo string // empty for requests that are about no repository
	kind string // "manifests", "blobs", "tags", "referrers", or empty
	arg  string // tag, digest, or the rest of the path
}

// repoPattern is a repository name of the distribution specification; it is also what keeps requests inside the root.
var repoPattern = regexp.MustCompile(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$`)

// endpoint matches greedily, so that a repository may be called a/blobs/b.
var endpoint = regexp.MustCompile(`^/v2/(.+)/(?:(manifests|referrers)/([^/]+)|(tags)/(list)|(blobs)/(uploads/[^/]+|[^/]+))$`)

// parse reads the path of r and replaces it with its clean form: what the filters saw must be what olareg, which cleans
// paths too, acts on.
func parse(r *http.Request) (*http.Request, request) {
	clean := r.Clone(r.Context())
	clean.URL.Path, clean.URL.RawPath = path.Clean("/"+r.URL.Path), ""
	m := endpoint.FindStringSubmatch(clean.URL.Path)
	if m == nil || !repoPattern.MatchString(m[1]) {
		return clean, request{}
	}
	return clean, request{repo: m[1], kind: m[2] + m[4] + m[6], arg: m[3] + m[5] + m[7]}
}

// isRead says whether r changes nothing.
func isRead(r *http.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }

// refuse answers with an error of the distribution specification, "Error codes".
func refuse(w http.ResponseWriter, status int, code, message string) {
	type entry struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// A client that has gone away misses nothing.
	_ = json.NewEncoder(w).Encode(map[string][]entry{"errors": {{code, message}}})
}

func unknown(w http.ResponseWriter, repo string) {
	refuse(w, http.StatusNotFound, "NAME_UNKNOWN", "repository "+repo+" does not exist")
}

// tagsOf lists the tags that a manifest request would set.
func (q request) tagsOf(r *http.Request) []string {
	if strings.Contains(q.arg, ":") {
		return r.URL.Query()["tag"]
	}
	return []string{q.arg}
}
