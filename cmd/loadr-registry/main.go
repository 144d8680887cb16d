// Command loadr-registry writes the directory registry and serves it, as long as its standard input is open. loadr starts
// it; package registry/program is the other side of the conversation.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/loadr-plugins/loadr/internal/buildinfo"
	"github.com/loadr-plugins/loadr/registry/directory"
	"github.com/loadr-plugins/loadr/registry/program"
	"github.com/loadr-plugins/loadr/registry/server"
)

func main() {
	var o server.Options
	flag.StringVar(&o.Root, "root", "", "the directory registry's `folder`")
	flag.StringVar(&o.Addr, "addr", "", "the `host:port` to serve on; empty: a private socket only")
	flag.StringVar(&o.AuthFile, "auth-file", "", "who may read and write over the network, in olareg's form")
	flag.StringVar(&o.Note, "note", "", "what others are told about who holds the registry")
	version := flag.Bool("version", false, "print the build and exit")
	flag.Parse()
	switch {
	case *version:
		fmt.Println(buildinfo.Build())
	case o.Root == "":
		fmt.Fprintln(os.Stderr, "loadr-registry is started by loadr: see 'loadr registry serve --help'")
		os.Exit(2)
	default:
		os.Exit(serve(o))
	}
}

// serve says one line, when requests are answered or can't be, and goes on until standard input ends.
func serve(o server.Options) int {
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	o.Ready = func(s server.Status) {
		say(program.Hello{Socket: s.Socket, Addr: s.Addr, Access: s.Access, TokenFile: s.TokenFile})
	}
	err := server.Serve(ctx, o)
	var busy *directory.BusyError
	switch {
	case err == nil, errors.Is(err, context.Canceled):
		return 0
	case errors.As(err, &busy):
		say(program.Hello{Busy: busy})
	default:
		say(program.Hello{Error: err.Error()})
	}
	return 1
}

func say(h program.Hello) {
	h.Build = buildinfo.Build()
	// Whoever started this has gone if it can't be said; then standard input ends too.
	_ = json.NewEncoder(os.Stdout).Encode(h)
}
