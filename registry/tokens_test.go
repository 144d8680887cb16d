package registry

import (
	"context"
	"errors"
	"testing"

	"oras.land/oras-go/v2/registry/remote/auth"
)

// TestLateRefusal: a request that was sent before a token was there and refused after it was issued fetches no second.
func TestLateRefusal(t *testing.T) {
	c, fetched := newTokenCache(), 0
	set := func(host, key string, err error) string {
		token, got := c.Set(t.Context(), host, auth.SchemeBearer, key, func(context.Context) (string, error) {
			fetched++
			return host + key, err
		})
		if !errors.Is(got, err) {
			t.Errorf("error %v, expected %v", got, err)
		}
		return token
	}
	broken := errors.New("no answer")
	set("a", "pull", broken)
	for range 2 {
		if token := set("a", "pull", nil); token != "apull" {
			t.Errorf("token %q", token)
		}
	}
	if fetched != 2 {
		t.Errorf("%d fetches, expected a failed one and one more", fetched)
	}
	if set("a", "push", nil) != "apush" || set("b", "pull", nil) != "bpull" || fetched != 4 {
		t.Errorf("%d fetches: tokens of other scopes and hosts were mixed up", fetched)
	}
	for name, issued := range c.issued {
		issued.at = issued.at.Add(-freshToken)
		c.issued[name] = issued
	}
	if set("a", "pull", nil); fetched != 5 {
		t.Error("a token that is no longer fresh was not replaced")
	}
}
