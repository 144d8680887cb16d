package loadrplugin

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"time"
)

// Protocol is what a plugin is and does. Name, Version, Description and Schemes must say what plugin.toml says:
// publishing is refused otherwise.
type Protocol struct {
	Name        string
	Version     string // semver, without a v
	Description string
	Schemes     []string // of the URLs that it serves, without "://"

	// Execute performs one request. It is called from many threads at once and may block: each call has a thread of its
	// own. The context ends when the request's timeout has passed; nobody waits for the answer after that. An error
	// becomes the reply's error, with what the response has besides; a nil response is a reply with status 0.
	Execute func(ctx context.Context, r *Request) (*Response, error)
}

// registered is set before main, and only read once a host calls.
var registered *Protocol

// Register says what this library is. Call it once, from an init function: nobody runs a library's main. It panics when it
// is called twice or without Execute.
func Register(p Protocol) {
	if registered != nil {
		panic(fmt.Sprintf("loadrplugin: Register(%q): a library is one protocol, and this one is %q", p.Name, registered.Name))
	}
	if p.Execute == nil {
		panic(fmt.Sprintf("loadrplugin: Register(%q): Execute is nil", p.Name))
	}
	registered = &p
}

// The two ways in which nobody answers.
var (
	errNotRegistered = errors.New("no protocol is registered: call Register from an init function")
	errNoResponse    = errors.New("no response: Execute gave neither one nor an error")
)

// reply answers one request text. It never panics and never gives an empty text. The request's bytes are not kept.
func reply(text []byte) (answer []byte) {
	defer func() {
		if cause := recover(); cause != nil {
			fmt.Fprintf(os.Stderr, "%s: panic: %v\n\n%s", name(), cause, debug.Stack())
			answer = failure(fmt.Errorf("panic: %v", cause))
		}
	}()
	request, err := decode(text)
	if err != nil {
		return failure(fmt.Errorf("request: %w", err))
	}
	response, err := perform(request)
	answer, failed := encode(response, err)
	if failed != nil {
		return failure(fmt.Errorf("response: %w", failed))
	}
	return answer
}

// perform calls the plugin with the request's deadline and measures how long it takes.
func perform(r *Request) (*Response, error) {
	if registered == nil {
		return nil, errNotRegistered
	}
	ctx, cancel := context.Background(), func() {}
	if r.Timeout > 0 {
		ctx, cancel = context.WithTimeout(ctx, r.Timeout)
	}
	defer cancel()
	started := time.Now()
	response, err := registered.Execute(ctx, r)
	if response == nil && err == nil {
		err = errNoResponse
	}
	if response == nil {
		response = &Response{}
	}
	if response.Duration == 0 {
		response.Duration = time.Since(started)
	}
	return response, err
}

// failure is the reply to a request that the plugin could not be asked, or whose response can't be told.
func failure(cause error) []byte {
	text, err := encode(nil, fmt.Errorf("%s: %w", name(), cause))
	if err != nil { // there is nothing in it that JSON lacks
		return []byte(`{"status":0,"body_b64":"","error":"no reply could be made"}`)
	}
	return text
}

func name() string {
	if registered == nil {
		return "loadrplugin"
	}
	return registered.Name
}
