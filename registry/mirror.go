package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	orasregistry "oras.land/oras-go/v2/registry"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
)

// mirrorIdle is how long a mirror may be silent, connecting included. There is another place to ask, so it is far less than
// what a registry gets; a mirror that fetches from the registry only now needs some of it.
const mirrorIdle = 10 * time.Second

// Mirror is a place that holds copies of what one registry has. It only ever serves bytes: what a digest names is compared
// with that digest, and a mirror never decides where a plugin belongs.
type Mirror struct {
	Host   string `json:"host"`             // host[:port]
	Prefix string `json:"prefix,omitempty"` // path before the repositories' own, without slashes around it
	// Resolve lets the mirror say which versions there are and what they name today, in the registry's place. What a tag
	// names has no digest to compare it with, so this trusts the mirror as much as the registry.
	Resolve bool `json:"resolve,omitempty"`
}

// ParseMirror reads host[:port][/path].
func ParseMirror(s string) (Mirror, error) {
	if strings.Contains(s, "://") {
		return Mirror{}, fmt.Errorf("mirror %q: expected host[:port][/path], without https://; hosts without TLS are listed under plain-http", s)
	}
	if !strings.Contains(s, "/") {
		host, err := parseHost(s)
		if err == nil && host == Local {
			err = errLocalMirror
		}
		return Mirror{Host: host}, err
	}
	host, prefix, err := ParseNamespace(s)
	if err == nil && host == Local {
		err = errLocalMirror
	}
	return Mirror{Host: host, Prefix: prefix}, err
}

var errLocalMirror = errors.New("the directory registry can't be a mirror: copy it to a registry, or serve it and name its address")

// String gives host/prefix.
func (m Mirror) String() string { return strings.TrimSuffix(m.Host+"/"+m.Prefix, "/") }

// path gives the name of a repository on the mirror.
func (m Mirror) path(repo Repository) string {
	return strings.TrimPrefix(m.Prefix+"/"+repo.path(), "/")
}

// place is one host that may hold what a repository has.
type place struct {
	repo   *remote.Repository
	mirror *Mirror // nil: the registry itself
}

// places are where a blob is asked for, one after the other: the mirrors, and then the registry itself.
func (c *Client) places(ctx context.Context, repo Repository) ([]place, error) {
	origin, err := c.open(repo)
	if err != nil {
		return nil, err
	}
	return append(c.mirrorsOf(ctx, repo, false), place{repo: origin}), nil
}

// mirrorsOf are the mirrors of a repository in their order, as far as they have not failed yet. mutable is for what has no
// digest: tags, and lists of them.
func (c *Client) mirrorsOf(ctx context.Context, repo Repository, mutable bool) (out []place) {
	for _, m := range c.options.Mirrors[repo.Registry] {
		if mutable && !m.Resolve || isOriginOnly(ctx) || c.leftBecause(m, repo) != nil {
			continue
		}
		r := newRepository(repo, c.mirrors, c.plain(m.Host))
		r.Reference = orasregistry.Reference{Registry: m.Host, Repository: m.path(repo)}
		out = append(out, place{r, &m})
	}
	return out
}

type originOnlyKey struct{}

// originOnly has content asked of the registry itself: what is published there is not for a mirror to say.
func originOnly(ctx context.Context) context.Context {
	return context.WithValue(ctx, originOnlyKey{}, true)
}

func isOriginOnly(ctx context.Context) bool { return ctx.Value(originOnlyKey{}) != nil }

// read does one exchange with the first place that answers it well. do judges the answer, digest included, and may be called
// several times.
func (c *Client) read(ctx context.Context, repo Repository, what string, mutable bool, do func(context.Context, *remote.Repository) error) error {
	for _, p := range c.mirrorsOf(ctx, repo, mutable) {
		err := c.exchange(p.scoped(ctx, repo), p.repo, do)
		switch {
		case err == nil:
			c.options.Events.served(repo, what, *p.mirror)
			return nil
		case ctx.Err() != nil:
			return translate(repo, what, err)
		}
		c.leave(*p.mirror, repo, what, err)
	}
	err := c.failed(repo, what, c.ask(ctx, repo, do))
	var unavailable *UnavailableError
	if mutable && !isOriginOnly(ctx) && errors.As(err, &unavailable) {
		unavailable.Unasked = slices.ContainsFunc(c.options.Mirrors[repo.Registry], func(m Mirror) bool { return !m.Resolve })
	}
	return err
}

// failed is translate with what became of the mirrors: a registry that is not reached is only half of the story then.
func (c *Client) failed(repo Repository, what string, err error) error {
	err = translate(repo, what, err)
	var unavailable *UnavailableError
	if !errors.As(err, &unavailable) || unavailable.Mirrors != nil {
		return err
	}
	for _, m := range c.options.Mirrors[repo.Registry] {
		if why := c.leftBecause(m, repo); why != nil {
			unavailable.Mirrors = append(unavailable.Mirrors, fmt.Sprintf("%s: %v", m, why))
		}
	}
	return err
}

// scoped gives the mirror's token service the scopes that were announced for the registry (WithRepositories), so that it is
// asked for one token too.
func (p place) scoped(ctx context.Context, repo Repository) context.Context {
	if p.mirror == nil {
		return ctx
	}
	origin := orasregistry.Reference{Registry: repo.Registry}
	var scopes []string
	for _, scope := range auth.GetScopesForHost(ctx, origin.Host()) {
		if rest, ok := strings.CutPrefix(scope, "repository:"); ok && p.mirror.Prefix != "" {
			scope = "repository:" + p.mirror.Prefix + "/" + rest
		}
		scopes = append(scopes, scope)
	}
	return auth.WithScopesForHost(ctx, p.repo.Reference.Host(), scopes...)
}

// leave remembers that a mirror failed, so that dozens of plugins don't wait for it one by one. One that only lacks what was
// asked for is asked for other things; one that refuses a repository, for other repositories.
func (c *Client) leave(m Mirror, repo Repository, what string, err error) {
	err = translate(Repository{Registry: m.Host, Namespace: strings.TrimPrefix(m.Prefix+"/"+repo.Namespace, "/"), Name: repo.Name}, what, err)
	var unavailable *UnavailableError
	if is[*NotFoundError](err) || errors.As(err, &unavailable) && unavailable.Status == http.StatusNotFound {
		return
	}
	key := m.String()
	if is[*AuthError](err) {
		key = m.Host + "/" + m.path(repo)
	}
	if _, known := c.left.LoadOrStore(key, err); !known {
		c.options.Events.left(m, err)
	}
}

// leftBecause is why a mirror is not asked any more, at all or for repo; nil when it is.
func (c *Client) leftBecause(m Mirror, repo Repository) error {
	for _, key := range []string{m.String(), m.Host + "/" + m.path(repo)} {
		if why, ok := c.left.Load(key); ok {
			return why.(error)
		}
	}
	return nil
}

// wrongBytes judges a download whose bytes were not those of its digest. Mirrors that had a part in it are not asked again;
// the error then names them, and asking again gets the bytes elsewhere.
func (c *Client) wrongBytes(e *IntegrityError, mirrors []Mirror, repo Repository, what string) {
	var names []string
	for _, m := range mirrors {
		c.leave(m, repo, what, e)
		names = append(names, m.String())
	}
	slices.Sort(names)
	e.Mirror = strings.Join(slices.Compact(names), ", ")
}
