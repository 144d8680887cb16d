// Command go-echo is a loadr protocol plugin in Go: it answers a request with the request's own headers and body. It is
// the smallest complete example of package loadrplugin, and shows how the configuration, a request's own options and its
// timeout reach a plugin.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/loadr-plugins/loadr/sdk/go/loadrplugin"
)

func init() {
	loadrplugin.Register(loadrplugin.Protocol{
		Name:        "go-echo",
		Version:     "0.1.0",
		Description: "Echoes the request, as slowly as asked",
		Schemes:     []string{"goecho"},
		Execute:     execute,
	})
}

func main() {}

func execute(ctx context.Context, r *loadrplugin.Request) (*loadrplugin.Response, error) {
	config := struct {
		Status int `json:"status"`
	}{200}
	if err := read("config", r.Config, &config); err != nil {
		return nil, err
	}
	var options struct {
		DelayMS int64 `json:"delay_ms"`
	}
	if err := read("options", r.Options, &options); err != nil {
		return nil, err
	}
	if err := wait(ctx, time.Duration(options.DelayMS)*time.Millisecond); err != nil {
		return nil, err
	}
	return &loadrplugin.Response{
		Status:  config.Status,
		Headers: r.Headers,
		Body:    r.Body,
		Extras:  map[string]any{"method": r.Method, "url": r.URL},
	}, nil
}

// read decodes what a test plan says; an absent value leaves to as it is.
func read(what string, value json.RawMessage, to any) error {
	if value == nil {
		return nil
	}
	if err := json.Unmarshal(value, to); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// wait waits as long as the request asks, but not beyond its timeout.
func wait(ctx context.Context, delay time.Duration) error {
	select {
	case <-time.After(delay):
		return nil
	case <-ctx.Done():
		return fmt.Errorf("no answer within the timeout: %w", ctx.Err())
	}
}
