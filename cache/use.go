package cache

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/loadr-plugins/loadr/internal/fsx"
)

const useName = "use.lock"

// UseOptions are the choices of Use and Prune. The zero value waits in silence.
type UseOptions struct {
	// NoWait fails with a *BusyError instead of waiting.
	NoWait bool
	// Waiting is called once when others are in the way. holder says who, empty when not known.
	Waiting func(holder string)
}

// Use keeps Prune from deleting anything until release is called: from the moment a blob was found or fetched to the
// moment it has been copied. Any number of processes use the cache at once. A cache in which no lock can be made is used
// without one, because nobody can prune it either. Errors: *BusyError, ctx's.
func (c *Cache) Use(ctx context.Context, o UseOptions) (release func() error, err error) {
	release, err = c.lockUse(ctx, o, true)
	if err != nil && ctx.Err() == nil && !errors.As(err, new(*BusyError)) {
		return func() error { return nil }, nil
	}
	return release, err
}

// useAlone waits until nobody uses the cache, and keeps everybody from it.
func (c *Cache) useAlone(ctx context.Context, o UseOptions) (release func() error, err error) {
	return c.lockUse(ctx, o, false)
}

// lockUse takes the lock that all users share, or that one has alone.
func (c *Cache) lockUse(ctx context.Context, o UseOptions, shared bool) (func() error, error) {
	if err := fsx.MkdirAll(c.root, 0o755); err != nil {
		return nil, &WriteError{c.root, err}
	}
	note := fmt.Sprintf("process %d (%s)", os.Getpid(), filepath.Base(os.Args[0]))
	release, err := fsx.Lock(ctx, filepath.Join(c.root, useName), fsx.LockOptions{
		Shared: shared, NoWait: o.NoWait, Waiting: o.Waiting, Note: note,
	})
	var locked *fsx.LockedError
	switch {
	case errors.As(err, &locked):
		return nil, &BusyError{c.root, locked.Holder}
	case err != nil && ctx.Err() == nil:
		return nil, &WriteError{c.root, err}
	}
	return release, err
}
