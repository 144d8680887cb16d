package registry

import "time"

// Impatient shortens the pauses between retries.
func (c *Client) Impatient() *Client { return c.Hasty(1000) }

// Hasty divides them.
func (c *Client) Hasty(by int) *Client {
	c.retries.haste = time.Duration(by)
	return c
}
