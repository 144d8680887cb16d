package registry

import (
	"time"

	"oras.land/oras-go/v2/registry/remote/retry"
)

// Impatient shortens the pauses between retries.
func (c *Client) Impatient() *Client {
	policy := *retryPolicy.(*retry.GenericPolicy)
	policy.MinWait, policy.MaxWait = 0, 5*time.Millisecond
	c.transport.Policy = func() retry.Policy { return &policy }
	return c
}
