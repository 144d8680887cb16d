package registry

import (
	"context"
	"sync"
	"time"

	"oras.land/oras-go/v2/registry/remote/auth"
)

// freshToken is how long a token counts as just issued: longer than the answers to requests that were sent together take
// to arrive, and far shorter than any token lives.
const freshToken = 5 * time.Second

// tokenCache keeps requests that were sent together from fetching one token each. oras-go lets those share a fetch that
// are refused while it runs; one whose refusal arrives a moment later would fetch again.
type tokenCache struct {
	auth.Cache
	mu     sync.Mutex
	issued map[string]issuedToken
}

type issuedToken struct {
	token string
	at    time.Time
}

func newTokenCache() *tokenCache {
	return &tokenCache{Cache: auth.NewCache(), issued: map[string]issuedToken{}}
}

// Set implements auth.Cache. The embedded cache runs one fetch for a key at a time, so that the second of two finds what
// the first was issued.
func (c *tokenCache) Set(ctx context.Context, registry string, scheme auth.Scheme, key string, fetch func(context.Context) (string, error)) (string, error) {
	if scheme != auth.SchemeBearer { // nothing is issued
		return c.Cache.Set(ctx, registry, scheme, key, fetch)
	}
	name := registry + " " + key
	return c.Cache.Set(ctx, registry, scheme, key, func(ctx context.Context) (string, error) {
		if token, ok := c.fresh(name); ok {
			return token, nil
		}
		token, err := fetch(ctx)
		if err == nil {
			c.keep(name, token)
		}
		return token, err
	})
}

func (c *tokenCache) fresh(name string) (string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, ok := c.issued[name]
	return t.token, ok && time.Since(t.at) < freshToken
}

func (c *tokenCache) keep(name, token string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.issued[name] = issuedToken{token, time.Now()}
}
