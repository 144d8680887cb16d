// Command go-host is a Go program that hosts a loadr plugin: it looks at the library without running it, opens it in its
// own process or in a worker, and drives what the library makes: a protocol gets one request, an output a short run, and a
// service is started and stopped.
//
//	go run ./examples/go-host LIBRARY TEXT
//	go run ./examples/go-host -worker bin/loadr-worker -config '{"path":"run.txt"}' LIBRARY
package main

import (
	"context"
	"encoding/json"
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

// patience is how long this program waits for one call. A context ends the waiting, never the plugin's own work.
const patience = 5 * time.Second

// host is what the command line says.
type host struct {
	out     io.Writer
	worker  string // program; empty: open the library in this process
	config  string // of an output or service, and the config of a protocol's request
	library string
	text    string // body of a protocol's request
}

func main() {
	h := host{out: os.Stdout}
	flag.StringVar(&h.worker, "worker", "", "run the plugin in a process of its own, with this `program`")
	flag.StringVar(&h.config, "config", "{}", "the plugin's configuration, as `JSON`")
	flag.Parse()
	if flag.NArg() < 1 || flag.NArg() > 2 {
		fmt.Fprintln(os.Stderr, "usage: go-host [-worker PROGRAM] [-config JSON] LIBRARY [TEXT]")
		os.Exit(2)
	}
	h.library, h.text = flag.Arg(0), flag.Arg(1)
	if err := h.run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "go-host:", err)
		os.Exit(1)
	}
}

func (h *host) run(ctx context.Context) (err error) {
	// Nothing of the plugin runs here: the file is parsed, and a Rust library's types are held against this host's. A real
	// program compares the digest with the one that it trusts.
	found, err := loader.Inspect(h.library)
	if err != nil {
		return err
	}
	fmt.Fprintf(h.out, "interface %s: %s\n", found.ABI.Family, found.ABI.Verdict)

	library, err := h.open(ctx, found)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, library.Close()) }() // closes what it made, too
	fmt.Fprintf(h.out, "%s %s makes %s\n", library.Info().Name, library.Info().Version, library.Parts())

	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err = h.drive(ctx, library)
	var crash *plugin.CrashError
	if errors.As(err, &crash) {
		return fmt.Errorf("the plugin is gone, this program is not: %w", err)
	}
	return err
}

// open runs the library's code for the first time: its constructors and its info function.
func (h *host) open(ctx context.Context, found *manifest.Library) (plugin.Library, error) {
	if h.worker == "" {
		return native.Open(ctx, native.Options{Path: h.library, Digest: found.Digest, Family: found.ABI.Family})
	}
	return loader.Start(ctx, loader.StartOptions{
		Worker: h.worker, Path: h.library, Digest: found.Digest, Family: found.ABI.Family, Stderr: os.Stderr,
	})
}

// drive does with each part what a run does. It does not know where the library runs.
func (h *host) drive(ctx context.Context, library plugin.Library) error {
	parts := library.Parts()
	if parts.Protocol {
		if err := h.request(ctx, library); err != nil {
			return err
		}
	}
	if parts.Output {
		if err := h.record(ctx, library); err != nil {
			return err
		}
	}
	if parts.Service {
		return h.serve(ctx, library)
	}
	return nil
}

func (h *host) request(ctx context.Context, library plugin.Library) error {
	p, err := library.Protocol(ctx)
	if err != nil {
		return err
	}
	defer p.Close()
	url := "test://host"
	if schemes := library.Info().Schemes; len(schemes) > 0 {
		url = schemes[0] + "://host"
	}
	response, err := plugin.Do(ctx, p, plugin.Request{
		Name: "first", Method: "SEND", URL: url, Body: []byte(h.text), TimeoutMS: patience.Milliseconds(),
		Config: json.RawMessage(h.config),
	})
	if err != nil {
		return err
	}
	if response.Error != "" {
		return errors.New(response.Error) // the plugin's own answer, not a failure of the call
	}
	fmt.Fprintf(h.out, "%d %s\n%s\n", response.Status, response.StatusText, response.Body)
	return nil
}

func (h *host) record(ctx context.Context, library plugin.Library) error {
	o, err := library.Output(ctx)
	if err != nil {
		return err
	}
	defer o.Close()
	if err := o.Start(ctx, []byte(h.config)); err != nil { // *plugin.FailureError: the plugin refuses
		return err
	}
	if err := o.Samples(ctx, []byte(`[{"metric":"requests","value":1}]`)); err != nil {
		return err
	}
	if err := o.Snapshot(ctx, []byte(`{"requests":1}`)); err != nil {
		return err
	}
	if err := o.Finish(ctx, []byte(`{"requests":1}`)); err != nil {
		return err
	}
	fmt.Fprintf(h.out, "output %s: recorded\n", o.Name())
	return nil
}

func (h *host) serve(ctx context.Context, library plugin.Library) error {
	s, err := library.Service(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	answer, err := s.Start(ctx, []byte(h.config))
	if err != nil {
		return err
	}
	fmt.Fprintf(h.out, "service %s: started: %s\n", s.Name(), answer)
	return s.Stop(ctx)
}
