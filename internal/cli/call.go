package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"github.com/loadr-plugins/loadr/internal/install"
	"github.com/loadr-plugins/loadr/internal/publish"
	"github.com/loadr-plugins/loadr/loader"
	"github.com/loadr-plugins/loadr/loader/plugin"
	"github.com/loadr-plugins/loadr/manifest"
)

// callFlags are the parts of a request.
type callFlags struct {
	url, method, body, options, config, request string
	headers                                     []string
	timeout                                     time.Duration
}

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
	c, err := a.callee(target)
	if err != nil {
		return err
	}
	request, err := f.build(a.in, c.config)
	if err != nil {
		return err
	}
	words := a.err
	if a.json {
		words = nil // standard error is for one object; that of a crash has the plugin's last words
	}
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	p, err := loader.Start(ctx, loader.StartOptions{
		Name: c.name, Path: c.path, Digest: c.digest, Family: c.family, Stderr: words,
	})
	if err != nil {
		return err
	}
	defer p.Close()
	return p.Execute(ctx, request, a.printReply)
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

// callee is what is needed to start a plugin.
type callee struct {
	name   string
	path   string
	digest digest.Digest
	family manifest.Family
	config json.RawMessage
}

// callee finds a plugin and verifies it. An installed one must still be the bytes that were installed: the worker opens
// what has this digest and nothing else.
func (a *app) callee(target string) (*callee, error) {
	if !isPath(target) {
		ws, err := a.workspace()
		if err != nil {
			return nil, err
		}
		entry, err := install.Find(ws, target)
		if err != nil {
			return nil, err
		}
		c, err := calleeIn(entry.Path)
		if err != nil || !entry.Managed {
			return c, err
		}
		c.digest, err = install.Recorded(ws, target, filepath.Base(c.path))
		return c, err
	}
	if info, err := os.Stat(target); err != nil {
		return nil, err
	} else if info.IsDir() {
		return calleeIn(target)
	}
	return library(filepath.Base(target), target, "")
}

// calleeIn reads a plugin's folder: an installed one, or an author's.
func calleeIn(dir string) (*callee, error) {
	m, _, err := publish.ReadManifest(dir)
	if err != nil {
		return nil, err
	}
	if m.Plugin.Kind != manifest.Protocol {
		return nil, usage("plugin %q is of kind %s; only protocol plugins can be called", m.Plugin.Name, m.Plugin.Kind)
	}
	file := filepath.Join(dir, m.Plugin.Entry)
	if host, ok := loader.HostTarget(); ok && m.Build.Targets[host] != "" {
		file = filepath.Join(dir, filepath.FromSlash(m.Build.Targets[host]))
	}
	c, err := library(m.Plugin.Name, file, m.Plugin.ABI)
	if err != nil {
		return nil, err
	}
	c.config = m.ConfigJSON()
	return c, nil
}

// library inspects a library before anything of it may run.
func library(name, path string, hint manifest.Family) (*callee, error) {
	report, err := loader.Inspect(path)
	if err != nil {
		return nil, err
	}
	family := hint
	if family == "" {
		family = report.ABI.Family
	}
	if host, ok := loader.HostTarget(); ok {
		if err := loader.Matches(report, host); err != nil {
			return nil, &install.IncompatibleError{Plugin: name, Target: host, Detail: err.Error(), ABI: report.ABI}
		}
	}
	if report.ABI.Verdict != manifest.Fits {
		return nil, &install.IncompatibleError{Plugin: name, Detail: fmt.Sprintf("interface %q: verdict %q", family, report.ABI.Verdict), ABI: report.ABI}
	}
	return &callee{name: name, path: path, digest: report.Digest, family: family, config: json.RawMessage("{}")}, nil
}

// build makes the request's JSON.
func (f *callFlags) build(stdin io.Reader, defaults json.RawMessage) ([]byte, error) {
	if f.request != "" {
		return f.whole(defaults)
	}
	config, err := merge(defaults, f.config)
	if err != nil {
		return nil, err
	}
	r := plugin.Request{Method: f.method, URL: f.url, TimeoutMS: f.timeout.Milliseconds(), Config: config}
	if r.Headers, err = parseHeaders(f.headers); err != nil {
		return nil, err
	}
	if r.Body, err = readBody(stdin, f.body); err != nil {
		return nil, err
	}
	if f.options != "" {
		if !json.Valid([]byte(f.options)) {
			return nil, usage("--options: expected JSON")
		}
		r.Options = json.RawMessage(f.options)
	}
	return json.Marshal(r)
}

// whole takes a request object as it is, but for a config that it leaves out.
func (f *callFlags) whole(defaults json.RawMessage) ([]byte, error) {
	text := []byte(f.request)
	if file, ok := strings.CutPrefix(f.request, "@"); ok {
		var err error
		if text, err = os.ReadFile(file); err != nil {
			return nil, err
		}
	}
	object, err := parseObject("--request", text)
	if err != nil {
		return nil, err
	}
	if _, ok := object["config"]; ok {
		return text, nil
	}
	object["config"] = defaults
	return json.Marshal(object)
}

// merge lays JSON over the defaults, key by key at the top level, as the engine does.
func merge(defaults json.RawMessage, over string) (json.RawMessage, error) {
	if over == "" {
		return defaults, nil
	}
	top, err := parseObject("--config", []byte(over))
	if err != nil {
		return nil, err
	}
	var base map[string]json.RawMessage
	if err := json.Unmarshal(defaults, &base); err != nil {
		return nil, err
	}
	maps.Copy(base, top)
	return json.Marshal(base)
}

// parseObject reads a flag's JSON object.
func parseObject(flag string, text []byte) (object map[string]json.RawMessage, err error) {
	var syntax *json.SyntaxError
	err = json.Unmarshal(text, &object)
	switch {
	case errors.As(err, &syntax):
		return nil, usage("%s: expected a JSON object: %v at byte %d", flag, err, syntax.Offset)
	case err != nil || object == nil: // the error's words are about Go's types
		return nil, usage("%s: expected a JSON object, found another value", flag)
	}
	return object, nil
}

func parseHeaders(lines []string) (headers []plugin.Header, err error) {
	for _, line := range lines {
		name, value, ok := strings.Cut(line, ":")
		if !ok || strings.TrimSpace(name) == "" {
			return nil, usage("--header: %q: expected 'name: value'", line)
		}
		headers = append(headers, plugin.Header{strings.TrimSpace(name), strings.TrimSpace(value)})
	}
	return slices.Clip(headers), nil
}

// maxBody bounds what call reads; a request crosses in one piece.
const maxBody = 32 << 20

func readBody(stdin io.Reader, body string) ([]byte, error) {
	from := stdin
	if file, ok := strings.CutPrefix(body, "@"); ok {
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		from = f
	} else if body != "-" {
		return []byte(body), nil
	}
	text, err := io.ReadAll(io.LimitReader(from, maxBody+1))
	if err == nil && len(text) > maxBody {
		err = usage("--body: more than %s", size(maxBody))
	}
	return text, err
}
