package server

import (
	"context"
	"errors"

	"github.com/loadr-plugins/loadr/registry/directory"
)

// InProcess is a Writer that is served inside this process, for programs that write the directory registry themselves.
type InProcess struct {
	*directory.Local
	writer *Writer
}

// OpenInProcess makes one. The error is a *directory.BusyError when another process is writing.
func OpenInProcess(ctx context.Context, root, note string) (*InProcess, error) {
	w, err := OpenWriter(ctx, root, WriterOptions{Note: note})
	if err != nil {
		return nil, err
	}
	return &InProcess{directory.NewLocal(w), w}, nil
}

// Close waits up to ten seconds for requests in flight, and gives the directory free.
func (p *InProcess) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownGrace)
	defer cancel()
	return errors.Join(p.Local.Close(ctx), p.writer.Close())
}
