//go:build unix

package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"

	"github.com/loadr-plugins/loadr/internal/bench/peer"
	"github.com/loadr-plugins/loadr/loader"
	"github.com/loadr-plugins/loadr/loader/native"
	"github.com/loadr-plugins/loadr/loader/plugin"
)

// inFlight is how many calls the worker has at once, as quality asks for it.
const inFlight = 16

// many makes calls with one request.
type many func(request []byte, calls int) error

var peers = map[string]func(parts, library string) (many, error){
	"native": inProcess,
	"worker": worker,
	"checks": func(string, string) (many, error) { return checks, nil },
}

func roles() string { return strings.Join(slices.Sorted(maps.Keys(peers)), ", ") }

func serve(role, parts, library string, in io.Reader, out io.Writer) error {
	start, ok := peers[role]
	if !ok {
		return fmt.Errorf("expected one of %s, found %q", roles(), role)
	}
	calls, err := start(parts, library)
	if err != nil {
		return err
	}
	return peer.ServeMany(in, out, calls)
}

// inProcess opens the library here and makes one call after another, the reply viewed in place.
func inProcess(_, path string) (many, error) {
	found, err := loader.Inspect(path)
	if err != nil {
		return nil, err
	}
	library, err := native.Open(context.Background(), native.Options{Path: path, Digest: found.Digest})
	if err != nil {
		return nil, err
	}
	p, err := library.Protocol(context.Background())
	return func(request []byte, calls int) error { return execute(p, request, calls) }, err
}

func execute(p plugin.Protocol, request []byte, calls int) error {
	ctx := context.Background()
	length := -1
	use := func(reply []byte) error {
		if len(reply) != length && length >= 0 {
			return fmt.Errorf("expected a reply of %d bytes, found %d", length, len(reply))
		}
		length = len(reply)
		return nil
	}
	for range calls {
		if err := p.Execute(ctx, request, use); err != nil {
			return err
		}
	}
	return nil
}

// worker has the calls made in another process, many at once.
func worker(parts, path string) (many, error) {
	found, err := loader.Inspect(path)
	if err != nil {
		return nil, err
	}
	process, err := loader.Start(context.Background(), loader.StartOptions{Worker: filepath.Join(parts, "loadr-worker"), Path: path, Digest: found.Digest})
	if err != nil {
		return nil, err
	}
	p, err := process.Protocol(context.Background())
	return func(request []byte, calls int) error {
		var all errgroup.Group
		for range inFlight {
			all.Go(func() error { return execute(p, request, calls/inFlight) })
		}
		return all.Wait()
	}, err
}

// checks does what every call does around the plugin's own: a request must be UTF-8, a reply JSON.
func checks(request []byte, calls int) error {
	for range calls {
		if !utf8.Valid(request) {
			return fmt.Errorf("not UTF-8")
		}
		if err := plugin.Check(request); err != nil {
			return err
		}
	}
	return nil
}
