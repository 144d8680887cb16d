package registry

import "time"

// Impatient shortens the pauses between retries.
func (c *Client) Impatient() *Client { return c.Hasty(1000) }

// Hasty divides them.
func (c *Client) Hasty(by int) *Client {
	c.retries.haste = time.Duration(by)
	return c
}

// SetMaxFreshBytes changes how much one compaction reads, until the test ends.
func SetMaxFreshBytes(t interface{ Cleanup(func()) }, n int64) {
	before := maxFreshBytes
	maxFreshBytes = n
	t.Cleanup(func() { maxFreshBytes = before })
}
