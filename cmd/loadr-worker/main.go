// Command loadr-worker runs one plugin for loadr, and is the only program of this project that can open a library. loadr
// starts it and talks to it over two pipes; it ends when loadr closes them or ends. It is of no use by hand.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/loadr-plugins/loadr/loader"
	"github.com/loadr-plugins/loadr/loader/native"
	"github.com/loadr-plugins/loadr/loader/plugin"
	"github.com/loadr-plugins/loadr/loader/worker"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run gives the exit code: 0 when loadr ended the conversation, 1 when it failed, 2 when this was started by hand.
func run(args []string, stdout, stderr io.Writer) int {
	if len(args) == 1 && args[0] == "--version" {
		fmt.Fprintln(stdout, loader.Build())
		return 0
	}
	requests, replies, err := pipes(args)
	if err != nil {
		fmt.Fprintln(stderr, "loadr-worker: loadr starts this program; it is of no use by hand:", err)
		return 2
	}
	if err := native.RestoreFaultSignals(); err != nil {
		fmt.Fprintln(stderr, "loadr-worker:", err)
		return 1
	}
	err = worker.Serve(context.Background(), requests, replies, worker.ServeOptions{Build: loader.Build(), Open: open})
	if err != nil {
		fmt.Fprintln(stderr, "loadr-worker:", err)
		return 1
	}
	return 0
}

// pipes opens the two private pipe ends that loadr passed on, whose numbers are the arguments.
func pipes(args []string) (requests, replies *os.File, err error) {
	if len(args) != 2 {
		return nil, nil, fmt.Errorf("expected 2 arguments, found %d", len(args))
	}
	var files [2]*os.File
	for i, arg := range args {
		number, err := strconv.ParseUint(arg, 10, 32)
		if err != nil || number <= 2 {
			return nil, nil, fmt.Errorf("expected the number of a pipe, found %q", arg)
		}
		if err := keep(uintptr(number)); err != nil {
			return nil, nil, fmt.Errorf("pipe %d: %w", number, err)
		}
		files[i] = os.NewFile(uintptr(number), "pipe "+arg)
	}
	return files[0], files[1], nil
}

func open(ctx context.Context, r worker.OpenRequest) (plugin.Library, error) {
	return native.Open(ctx, native.Options{
		Path: r.Path, Digest: r.Digest, Name: r.Name, Entry: r.Entry, Family: r.Family,
		TempDir: r.TempDir, Concurrent: r.Concurrent, MaxReply: r.MaxReply,
	})
}
