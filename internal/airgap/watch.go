package airgap

import (
	"context"
	"io"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/loadr-plugins/loadr/registry"
)

// Progress follows one library on its way.
type Progress interface {
	// Add counts n more bytes.
	Add(n int)
	// Done ends the transfer, complete or not.
	Done(complete bool)
}

// watched is From with an eye on the plugins' libraries, which are what takes time.
func (m *Mover) watched(plugins []*locked) registry.Origin {
	if m.Fetching == nil {
		return m.From
	}
	o := watchedOrigin{m.From, m.Fetching, map[digest.Digest]string{}}
	for _, l := range plugins {
		for _, t := range l.artifact.Release.Targets {
			o.names[t.Library.Digest] = l.artifact.Release.Name + " " + l.artifact.Release.Version
		}
	}
	return o
}

type watchedOrigin struct {
	registry.Origin
	start func(name string, size int64) Progress
	names map[digest.Digest]string // of libraries
}

func (o watchedOrigin) Fetch(ctx context.Context, repo registry.Repository, desc v1.Descriptor) (io.ReadCloser, error) {
	body, err := o.Origin.Fetch(ctx, repo, desc)
	name, isLibrary := o.names[desc.Digest]
	if err != nil || !isLibrary {
		return body, err
	}
	return &watchedBody{body, o.start(name, desc.Size), false}, nil
}

type watchedBody struct {
	io.ReadCloser
	progress Progress
	complete bool
}

func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.progress.Add(n)
	b.complete = b.complete || err == io.EOF
	return n, err
}

func (b *watchedBody) Close() error {
	b.progress.Done(b.complete)
	return b.ReadCloser.Close()
}
