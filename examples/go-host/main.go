// Command go-host is a Go program that hosts a loadr protocol plugin: it looks at the library without running it, opens
// it in its own process or in a worker, and sends one request.
//
//	go run ./examples/go-host LIBRARY TEXT
//	go run ./examples/go-host -worker bin/loadr-worker LIBRARY TEXT
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/loadr-plugins/loadr/loader"
	"github.com/loadr-plugins/loadr/loader/native"
	"github.com/loadr-plugins/loadr/loader/plugin"
	"github.com/loadr-plugins/loadr/manifest"
)

func main() {
	worker := flag.String("worker", "", "run the plugin in a process of its own, with this `program`")
	flag.Parse()
	if flag.NArg() != 2 {
		fmt.Fprintln(os.Stderr, "usage: go-host [-worker PROGRAM] LIBRARY TEXT")
		os.Exit(2)
	}
	if err := run(context.Background(), os.Stdout, *worker, flag.Arg(0), flag.Arg(1)); err != nil {
		fmt.Fprintln(os.Stderr, "go-host:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, worker, library, text string) (err error) {
	// Nothing of the plugin runs here: the file is parsed. A real program compares the digest with the one that it trusts.
	found, err := loader.Inspect(library)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "interface %s, needs %v\n", found.ABI.Family, found.Needs)

	p, err := open(ctx, worker, library, found)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	fmt.Fprintf(out, "%s %s\n", p.Info().Name, p.Info().Version)

	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	response, err := plugin.Do(ctx, p, plugin.Request{
		Name: "first", Method: "SEND", URL: p.Info().Schemes[0] + "://host", Body: []byte(text), TimeoutMS: 5000,
	})
	var crash *plugin.CrashError
	if errors.As(err, &crash) {
		return fmt.Errorf("the plugin is gone, this program is not: %w", err)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%d %s\n%s\n", response.Status, response.StatusText, response.Body)
	return nil
}

// open runs the library's code for the first time: its constructors and its info function.
func open(ctx context.Context, worker, library string, found *manifest.Library) (plugin.Protocol, error) {
	if worker == "" {
		lib, err := native.Open(ctx, native.Options{Path: library, Digest: found.Digest, Family: found.ABI.Family})
		if err != nil {
			return nil, err
		}
		return lib.Protocol(ctx)
	}
	return loader.Start(ctx, loader.StartOptions{
		Worker: worker, Path: library, Digest: found.Digest, Family: found.ABI.Family, Stderr: os.Stderr,
	})
}
