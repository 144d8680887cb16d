package cli

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/loadr-plugins/loadr/loader/plugin"
)

// requestFlags are the parts of a request.
type requestFlags struct {
	url, method, body, options, request string
	headers                             []string
}

// build makes the request's JSON.
func (f *requestFlags) build(stdin io.Reader, config json.RawMessage, timeout time.Duration) (_ []byte, err error) {
	if f.request != "" {
		return f.whole(config)
	}
	r := plugin.Request{Method: f.method, URL: f.url, TimeoutMS: timeout.Milliseconds(), Config: config}
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
func (f *requestFlags) whole(config json.RawMessage) ([]byte, error) {
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
	object["config"] = config
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
