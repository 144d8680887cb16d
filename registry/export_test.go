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

// SetMaxFreshBytes changes how much one compaction reads, until the test ends.
func SetMaxFreshBytes(t interface{ Cleanup(func()) }, n int64) {
	before := maxFreshBytes
	maxFreshBytes = n
	t.Cleanup(func() { maxFreshBytes = before })
}
