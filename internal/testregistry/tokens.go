package testregistry

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Tokens makes a registry that wants bearer tokens, as the distribution project's token specification has them. Only
// user with secret gets one.
func Tokens(user, secret string) Option {
	return func(o *options) { o.auth = &tokens{user: user, secret: secret} }
}

// TokensOneByOne is Tokens with a token service that refuses requests for more than one scope.
func TokensOneByOne(user, secret string) Option {
	return func(o *options) { o.auth = &tokens{user: user, secret: secret, single: true} }
}

// Basic makes a registry that wants a user and secret with each request.
func Basic(user, secret string) Option {
	return func(o *options) { o.auth = &tokens{user: user, secret: secret, basic: true} }
}

type tokens struct {
	user, secret  string
	single, basic bool
}

func (a *tokens) known(r *http.Request) bool {
	user, secret, ok := r.BasicAuth()
	return ok && user == a.user && secret == a.secret
}

// issue hands out a token that names its scopes in clear: nobody attacks a test.
func (a *tokens) issue(w http.ResponseWriter, r *http.Request) {
	scopes := r.URL.Query()["scope"]
	if !a.known(r) || a.single && len(scopes) > 1 {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	text, _ := json.Marshal(scopes)
	fmt.Fprintf(w, `{"token":%q}`, base64.RawURLEncoding.EncodeToString(text))
}

func (a *tokens) allows(r *http.Request) bool {
	if a.basic {
		return a.known(r)
	}
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	text, err := base64.RawURLEncoding.DecodeString(token)
	var scopes []string
	if !ok || err != nil || json.Unmarshal(text, &scopes) != nil {
		return false
	}
	if r.URL.Path == "/v2/" {
		return true
	}
	repo, action := needs(r)
	return slices.ContainsFunc(scopes, func(scope string) bool {
		rest, ok := strings.CutPrefix(scope, "repository:"+repo+":")
		return ok && slices.Contains(strings.Split(rest, ","), action)
	})
}

func (a *tokens) challenge(w http.ResponseWriter, r *http.Request, url string) {
	challenge := `Basic realm="test"`
	if !a.basic {
		challenge = fmt.Sprintf(`Bearer realm="%s/token",service="test"`, url)
		if repo, action := needs(r); repo != "" {
			challenge += fmt.Sprintf(`,scope="repository:%s:%s"`, repo, action)
		}
	}
	w.Header().Set("WWW-Authenticate", challenge)
	w.WriteHeader(http.StatusUnauthorized)
	fmt.Fprint(w, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`)
}

func needs(r *http.Request) (repo, action string) {
	action = "push"
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		action = "pull"
	}
	rest := strings.TrimPrefix(r.URL.Path, "/v2/")
	for _, sep := range []string{"/manifests/", "/blobs/", "/tags/", "/referrers/"} {
		if before, _, ok := strings.Cut(rest, sep); ok {
			return before, action
		}
	}
	return "", action
}
