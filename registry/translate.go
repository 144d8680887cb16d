package registry

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/errcode"
)

// ask does one exchange with a repository. A token that was to cover several repositories may be refused, because the
// token service gives none for several, or because of one of the others; then the exchange is tried once more with a
// token for this repository alone, and so are all later ones with the host.
func (c *Client) ask(ctx context.Context, repo Repository, do func(context.Context, *remote.Repository) error) error {
	r, err := c.open(repo)
	if err != nil {
		return err
	}
	return c.exchange(ctx, r, do)
}

// exchange is ask for a repository on any host.
func (c *Client) exchange(ctx context.Context, r *remote.Repository, do func(context.Context, *remote.Repository) error) error {
	host := r.Reference.Host()
	alone := auth.WithScopesForHost(ctx, host)
	if _, known := c.oneByOne.Load(host); known {
		return do(alone, r)
	}
	err := do(ctx, r)
	if !isRefusal(err) || len(auth.GetScopesForHost(ctx, host)) < 2 {
		return err
	}
	if err = do(alone, r); err == nil {
		c.oneByOne.Store(host, true)
	}
	return err
}

func isRefusal(err error) bool {
	var response *errcode.ErrorResponse
	return errors.As(err, &response) && isAuthStatus(response.StatusCode)
}

func isAuthStatus(status int) bool {
	return status == http.StatusUnauthorized || status == http.StatusForbidden
}

// absentCodes are the answers that say that a repository does not exist: the distribution specification's, and that of
// Harbor.
var absentCodes = []string{errcode.ErrorCodeNameUnknown, "NOT_FOUND"}

// translate turns an error of oras-go or of the network into one of this package. What was asked for is named by what;
// empty for the repository itself.
func translate(repo Repository, what string, err error) error {
	if err == nil || own(err) {
		return err
	}
	if errors.Is(err, errdef.ErrNotFound) {
		return &NotFoundError{repo, what}
	}
	var response *errcode.ErrorResponse
	if errors.As(err, &response) {
		return translateResponse(repo, what, response)
	}
	var later *laterError
	if errors.As(err, &later) {
		return &UnavailableError{Registry: repo.Registry, Status: later.status, Cause: later}
	}
	if errors.Is(err, auth.ErrBasicCredentialNotFound) {
		return &AuthError{Registry: repo.Registry, Cause: err}
	}
	if saysMismatch(err) {
		return &IntegrityError{Object: repo.String(), Want: what, Got: err.Error()}
	}
	return &UnavailableError{Registry: repo.Registry, Timeout: isTimeout(err), Cause: err}
}

// saysMismatch knows oras-go's complaints about headers that contradict the descriptor. They have no type.
func saysMismatch(err error) bool {
	var network *url.Error
	return !errors.As(err, &network) && strings.Contains(err.Error(), "mismatch")
}

func translateResponse(repo Repository, what string, response *errcode.ErrorResponse) error {
	isAbsent := func(e errcode.Error) bool { return slices.Contains(absentCodes, e.Code) }
	switch {
	case isAuthStatus(response.StatusCode):
		return &AuthError{Registry: repo.Registry, Denied: response.StatusCode == http.StatusForbidden, Cause: response}
	case response.StatusCode == http.StatusNotFound && slices.ContainsFunc(response.Errors, isAbsent):
		return &NotFoundError{repo, what}
	}
	// A 404 that does not say that the name is unknown may come from anything between here and the registry.
	return &UnavailableError{Registry: repo.Registry, Status: response.StatusCode, Cause: response}
}

// own knows the errors that need no translation: this package's, and the caller's own end of the context.
func own(err error) bool {
	return is[*IntegrityError](err) || is[*InvalidArtifactError](err) || is[*NotFoundError](err) || is[*AuthError](err) ||
		is[*UnavailableError](err) || errors.Is(err, errNoDir) || errors.Is(err, context.Canceled)
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout() || errors.Is(err, errIdle) || errors.Is(err, context.DeadlineExceeded)
}

// is says whether err is or wraps an E.
func is[E error](err error) bool {
	var e E
	return errors.As(err, &e)
}
