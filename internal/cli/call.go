package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/loadr-plugins/loadr/internal/run"
	"github.com/loadr-plugins/loadr/loader"
	"github.com/loadr-plugins/loadr/loader/plugin"
	"github.com/loadr-plugins/loadr/manifest"
)

// callFlags say what is done with a plugin, by its kind.
type callFlags struct {
	requestFlags
	feed     feedFlags
	duration time.Duration // of a service; 0: until interrupted
	config   string
	as       string
	timeout  time.Duration
	given    []string // those flags that were given and belong to one kind
}

// kindFlags are the flags that belong to one kind of plugin.
var kindFlags = map[manifest.Kind][]string{
	manifest.Protocol: {"url", "method", "header", "body", "options", "request"},
	manifest.Output:   {"samples", "snapshot", "summary"},
	manifest.Service:  {"for"},
}

func newCallCmd(a *app) *cobra.Command {
	f := &callFlags{}
	cmd := &cobra.Command{
		Use:   "call NAME|PATH",
		Short: "Drive a plugin: send a request, feed an output, run a service",
		Long: `Call runs a plugin in a process of its own, which may crash without harm. The plugin is an installed one, a folder with
a plugin.toml, or a library file.

A protocol gets one request, whose reply is printed. An output is started, gets the samples and snapshots in the order
in which they are given, and then the summary. A service is started, its answer is printed, and it is stopped after --for or
when this command is interrupted.`,
		Example: `  loadr plugin call c-echo --url echo://host/x --method SEND --header 'k: v' --body hello
  loadr plugin call snapshot-output --config '{"path":"lines.txt"}' --snapshot @run.jsonl --summary '{}'
  loadr plugin call token-service --for 5s`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, words []string) error {
			for _, names := range kindFlags {
				for _, name := range names {
					if cmd.Flags().Changed(name) {
						f.given = append(f.given, name)
					}
				}
			}
			slices.Sort(f.given)
			return a.runCall(cmd.Context(), words[0], f)
		},
	}
	f.add(cmd)
	return cmd
}

func (f *callFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.url, "url", "", "protocol: the request's `URL`")
	flags.StringVar(&f.method, "method", "GET", "protocol: the request's `method`")
	flags.StringArrayVar(&f.headers, "header", nil, "protocol: a `'name: value'` header; repeatable")
	flags.StringVar(&f.body, "body", "", "protocol: the body: `TEXT`, @FILE, or - for standard input")
	flags.StringVar(&f.options, "options", "", "protocol: the request's own plugin options, as `JSON`")
	flags.StringVar(&f.request, "request", "", "protocol: a whole request object instead of its parts: `JSON` or @FILE")
	f.feed.add(flags)
	flags.DurationVar(&f.duration, "for", 0, "service: `how long` it runs (default: until interrupted)")
	flags.StringVar(&f.config, "config", "", "configuration laid over the plugin's defaults, as `JSON`")
	flags.StringVar(&f.as, "as", "", "`which` of protocol, output and service to drive, of a library that makes several")
	flags.DurationVar(&f.timeout, "timeout", 30*time.Second, "how long to wait for the plugin, with each call")
	for _, part := range []string{"url", "method", "header", "body", "options", "config"} {
		cmd.MarkFlagsMutuallyExclusive("request", part)
	}
}

func (a *app) runCall(ctx context.Context, target string, f *callFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	callee, err := a.callee(target)
	if err != nil {
		return err
	}
	d := &driver{app: a, flags: f, defaults: callee.Config}
	if kind := manifest.Kind(f.as); kind != "" {
		callee.Kind = kind
	}
	if callee.Kind != "" { // else only the running library knows
		if err := d.prepare(callee.Kind); err != nil {
			return err
		}
	}
	words := a.err
	if a.json {
		words = nil // standard error is for one object; that of a crash has the plugin's last words
	}
	bounded, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	if d.process, err = callee.Start(bounded, words); err != nil {
		return err
	}
	defer d.process.Close()
	if callee.Kind == "" {
		if callee.Kind, err = onlyPart(callee.Name, d.process.Parts()); err != nil {
			return err
		}
		if err := d.prepare(callee.Kind); err != nil {
			return err
		}
	}
	return d.drive(ctx, callee.Kind)
}

func (f *callFlags) check() error {
	if f.timeout <= 0 {
		return usage("--timeout: expected more than 0, found %s", f.timeout)
	}
	if f.duration < 0 {
		return usage("--for: expected more than 0, found %s", f.duration)
	}
	if _, ok := kindFlags[manifest.Kind(f.as)]; f.as != "" && !ok {
		return usage("--as: %q: expected protocol, output or service", f.as)
	}
	return nil
}

// onlyPart chooses what a bare library is driven as.
func onlyPart(name string, parts plugin.Parts) (manifest.Kind, error) {
	switch parts {
	case plugin.Parts{Protocol: true}:
		return manifest.Protocol, nil
	case plugin.Parts{Output: true}:
		return manifest.Output, nil
	case plugin.Parts{Service: true}:
		return manifest.Service, nil
	case plugin.Parts{}:
		return "", &plugin.PartError{Plugin: name, Part: "a protocol, an output or a service"}
	}
	return "", usage("%s makes %s: say which with --as", name, parts)
}

// driver drives one plugin.
type driver struct {
	*app
	flags    *callFlags
	defaults json.RawMessage // the manifest's configuration
	config   json.RawMessage // with --config laid over it
	request  []byte          // of a protocol
	process  *loader.Process
}

// prepare makes what the plugin gets, so that a usage error is one before anything of the plugin runs where that is possible.
func (d *driver) prepare(kind manifest.Kind) (err error) {
	for _, name := range d.flags.given {
		if !slices.Contains(kindFlags[kind], name) {
			return usage("--%s: not for a plugin that is driven as %s", name, article(kind))
		}
	}
	if d.config, err = merge(d.defaults, d.flags.config); err != nil {
		return err
	}
	switch kind {
	case manifest.Protocol:
		d.request, err = d.flags.build(d.in, d.config, d.flags.timeout)
	case manifest.Output:
		err = d.flags.feed.check()
	}
	return err
}

func article(kind manifest.Kind) string {
	if strings.HasPrefix(string(kind), "o") {
		return "an " + string(kind)
	}
	return "a " + string(kind)
}

func (d *driver) drive(ctx context.Context, kind manifest.Kind) error {
	switch kind {
	case manifest.Output:
		return d.feed(ctx)
	case manifest.Service:
		return d.serve(ctx)
	}
	return d.ask(ctx)
}

// bounded gives one call its time.
func (d *driver) bounded(ctx context.Context, call func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, d.flags.timeout)
	defer cancel()
	return call(ctx)
}

// ask sends the request to a protocol.
func (d *driver) ask(ctx context.Context) error {
	return d.bounded(ctx, func(ctx context.Context) error {
		p, err := d.process.Protocol(ctx)
		if err != nil {
			return err
		}
		defer p.Close()
		return p.Execute(ctx, d.request, d.printReply)
	})
}

// callee finds the plugin that is meant, and verifies it.
func (a *app) callee(target string) (*run.Plugin, error) {
	if isPath(target) {
		return run.At(target)
	}
	ws, err := a.workspace()
	if err != nil {
		return nil, err
	}
	return run.Installed(ws, target)
}

// printReply shows the plugin's own JSON with --json, as it came, and its parts otherwise.
func (a *app) printReply(reply []byte) error {
	var r plugin.Response
	if err := json.Unmarshal(reply, &r); err != nil {
		return plugin.NewReplyError("", "execute", err.Error(), reply)
	}
	if a.json {
		fmt.Fprintf(a.out, "%s\n", reply)
	} else {
		a.printResponse(r)
	}
	if r.Error != "" {
		return &replyFailure{r.Error}
	}
	return nil
}

func (a *app) printResponse(r plugin.Response) {
	a.line("%d %s", r.Status, clean(r.StatusText))
	for _, h := range r.Headers {
		a.line("%s: %s", clean(h[0]), clean(h[1]))
	}
	a.line("")
	body := string(r.Body)
	if a.onTerminalOut() {
		body = clean(body)
	}
	a.line("%s", body)
	a.note("took %.3f ms", r.DurationMS)
}

// replyFailure is a request that the plugin says has failed.
type replyFailure struct {
	Problem string `json:"problem"`
}

func (e *replyFailure) Error() string { return "the plugin reports: " + e.Problem }
