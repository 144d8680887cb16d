package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/loadr-plugins/loadr/internal/run"
	"github.com/loadr-plugins/loadr/loader/plugin"
)

func newCallCmd(a *app) *cobra.Command {
	f := &callFlags{}
	cmd := &cobra.Command{
		Use:   "call NAME|PATH",
		Short: "Send one request to a protocol plugin and print its reply",
		Long: `Call runs a plugin in a process of its own, which may crash without harm, and sends it one request. The plugin is an
installed one, a folder with a plugin.toml, or a library file.`,
		Example: `  loadr plugin call c-echo --url echo://host/x --method SEND --header 'k: v' --body hello`,
		Args:    args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, words []string) error {
			return a.runCall(cmd.Context(), words[0], f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.url, "url", "", "the request's `URL`")
	flags.StringVar(&f.method, "method", "GET", "the request's `method`")
	flags.StringArrayVar(&f.headers, "header", nil, "a `'name: value'` header; repeatable")
	flags.StringVar(&f.body, "body", "", "the body: `TEXT`, @FILE, or - for standard input")
	flags.StringVar(&f.options, "options", "", "the request's own plugin options, as `JSON`")
	flags.StringVar(&f.config, "config", "", "configuration laid over the plugin's defaults, as `JSON`")
	flags.StringVar(&f.request, "request", "", "a whole request object instead of its parts: `JSON` or @FILE")
	flags.DurationVar(&f.timeout, "timeout", 30*time.Second, "how long to wait for the reply")
	for _, part := range []string{"url", "method", "header", "body", "options", "config"} {
		cmd.MarkFlagsMutuallyExclusive("request", part)
	}
	return cmd
}

func (a *app) runCall(ctx context.Context, target string, f *callFlags) error {
	if f.timeout <= 0 {
		return usage("--timeout: expected more than 0, found %s", f.timeout)
	}
	callee, err := a.callee(target)
	if err != nil {
		return err
	}
	request, err := f.build(a.in, callee.Config)
	if err != nil {
		return err
	}
	words := a.err
	if a.json {
		words = nil // standard error is for one object; that of a crash has the plugin's last words
	}
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	p, err := callee.Start(ctx, words)
	if err != nil {
		return err
	}
	defer p.Close()
	protocol, err := p.Protocol(ctx)
	if err != nil {
		return err
	}
	return protocol.Execute(ctx, request, a.printReply)
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
