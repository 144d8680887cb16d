package testregistry

import (
	"context"

	"github.com/loadr-plugins/loadr/registry"
	"github.com/loadr-plugins/loadr/registry/server"
)

// Writer lets a client write the directory registry inside the test's process: a registry.Options.Writer.
func Writer(ctx context.Context, root, note string) (registry.Writer, error) {
	w, err := server.OpenInProcess(ctx, root, note)
	if err != nil {
		return nil, err // not w: an interface that holds a nil pointer is not nil
	}
	return w, nil
}
