package cache

import (
	"context"
	"errors"
	"io"
)

// Ensure gives the path of a blob whose bytes have been verified just now: while they were fetched, or by reading them
// again. One that has become corrupt in the cache is fetched anew. fill and the errors are those of Get.
func (c *Cache) Ensure(ctx context.Context, b Blob, fill func(context.Context, io.Writer) error) (string, error) {
	path, fetched, err := c.Get(ctx, b, fill)
	if err != nil || fetched {
		return path, err
	}
	path, err = c.Verified(ctx, b)
	var missing *MissingError
	if errors.As(err, &missing) {
		path, _, err = c.Get(ctx, b, fill)
	}
	return path, err
}
