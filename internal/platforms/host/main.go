// Command host opens one library, in its own process or in a worker, goes through a script with it and prints what it did
// as JSON. The tests of package platforms build it for each platform:
//
//	host [-worker PROGRAM] LIBRARY <script.json
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"syscall"

	"github.com/loadr-plugins/loadr/internal/platforms"
	"github.com/loadr-plugins/loadr/loader"
	"github.com/loadr-plugins/loadr/loader/native"
	"github.com/loadr-plugins/loadr/loader/plugin"
	"github.com/loadr-plugins/loadr/manifest"
)

func main() {
	worker := flag.String("worker", "", "run the plugin in a process of its own, with this `program`")
	flag.Parse()
	if err := run(context.Background(), *worker, flag.Arg(0), os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "host:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, worker, path string, in io.Reader, out io.Writer) (err error) {
	var script platforms.Script
	if err := json.NewDecoder(in).Decode(&script); err != nil {
		return fmt.Errorf("script: %w", err)
	}
	found, err := loader.Inspect(path)
	if err != nil {
		return err
	}
	answer := platforms.Answer{System: runtime.GOOS, Machine: runtime.GOARCH, Layout: found.ABI.Layout}
	library, err := open(ctx, worker, path, found, &answer)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, wineCannotRemove(library.Close())) }()
	if answer.Report, err = platforms.Run(ctx, library, script); err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(answer)
}

func open(ctx context.Context, worker, path string, found *manifest.Library, answer *platforms.Answer) (plugin.Library, error) {
	if worker != "" {
		return loader.Start(ctx, loader.StartOptions{Worker: worker, Path: path, Digest: found.Digest, Stderr: os.Stderr})
	}
	library, err := native.Open(ctx, native.Options{Path: path, Digest: found.Digest})
	if err != nil || found.ABI.Family != manifest.FamilyNative {
		return library, err
	}
	live, err := library.Layout()
	if err != nil {
		return nil, errors.Join(err, library.Close())
	}
	answer.LiveLayout = live.ABI.Layout
	return library, nil
}

// wineCannotRemove lets pass that the worker's private copy stays: Go removes folders by a call that Wine 8 answers with
// "invalid function" (1), and falls back to the older one only for other answers.
func wineCannotRemove(err error) error {
	var path *os.PathError
	if runtime.GOOS == "windows" && errors.As(err, &path) && path.Op == "unlinkat" && path.Err == syscall.Errno(1) {
		return nil
	}
	return err
}
