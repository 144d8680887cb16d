package loadrplugin

import (
	"encoding/json"
	"fmt"
	"time"
)

// Header is one name and value.
type Header [2]string

// UnmarshalJSON reads an array of exactly two strings; encoding/json by itself would take any number.
func (h *Header) UnmarshalJSON(text []byte) error {
	var pair []string
	if err := json.Unmarshal(text, &pair); err != nil {
		return err
	}
	if len(pair) != len(h) {
		return fmt.Errorf("headers: expected [name, value], found %d strings", len(pair))
	}
	copy(h[:], pair)
	return nil
}

// Request is what the plugin is asked to do. It is the plugin's own: nobody else keeps a part of it.
type Request struct {
	Name    string          // of the request in the test plan
	Method  string          // the protocol's own word, such as SEND
	URL     string          // its scheme is one of the plugin's
	Headers []Header        // in order; names may repeat
	Body    []byte          //
	Timeout time.Duration   // also the deadline of Execute's context; 0: none
	Options json.RawMessage // the request's own options for this plugin, as in the test plan; nil: none
	Config  json.RawMessage // plugin.toml's [config] with the run's config merged over it; nil: none
}

// Response is the reply. All but Status and Body may be left out.
type Response struct {
	Status     int // the protocol's own; 0 when there was none
	StatusText string
	Headers    []Header
	Body       []byte
	Duration   time.Duration  // how long it took; 0: as long as Execute ran
	Extras     map[string]any // further values of the protocol's own; what encoding/json can write
}

// wireRequest and wireResponse are the texts' keys, as docs/spec/c-abi.md of the loadr project lists them.
type wireRequest struct {
	Name      string          `json:"name"`
	Method    string          `json:"method"`
	URL       string          `json:"url"`
	Headers   []Header        `json:"headers"`
	Body      []byte          `json:"body_b64"`
	TimeoutMS int64           `json:"timeout_ms"`
	Options   json.RawMessage `json:"options"`
	Config    json.RawMessage `json:"config"`
}

type wireResponse struct {
	Status     int            `json:"status"`
	StatusText string         `json:"status_text"`
	Headers    []Header       `json:"headers"`
	Body       []byte         `json:"body_b64"`
	DurationMS float64        `json:"duration_ms"`
	Error      string         `json:"error,omitempty"`
	Extras     map[string]any `json:"extras,omitempty"`
}

func decode(text []byte) (*Request, error) {
	var w wireRequest
	if err := json.Unmarshal(text, &w); err != nil {
		return nil, err
	}
	return &Request{
		Name: w.Name, Method: w.Method, URL: w.URL, Headers: w.Headers, Body: w.Body,
		Timeout: time.Duration(w.TimeoutMS) * time.Millisecond, Options: present(w.Options), Config: present(w.Config),
	}, nil
}

// present gives nil for a value that is absent or null, which mean the same.
func present(value json.RawMessage) json.RawMessage {
	if string(value) == "null" {
		return nil
	}
	return value
}

// encode writes the reply; a nil response is an empty one. Lists and texts are written empty, not as null.
func encode(r *Response, cause error) ([]byte, error) {
	if r == nil {
		r = &Response{}
	}
	w := wireResponse{
		Status: r.Status, StatusText: r.StatusText, Headers: r.Headers, Body: r.Body,
		DurationMS: float64(r.Duration) / float64(time.Millisecond), Extras: r.Extras,
	}
	if w.Headers == nil {
		w.Headers = []Header{}
	}
	if w.Body == nil {
		w.Body = []byte{}
	}
	if cause != nil {
		w.Error = cause.Error()
	}
	return json.Marshal(w)
}

// infoText is what the plugin says of itself.
func infoText() []byte {
	p := registered
	if p == nil {
		p = &Protocol{Description: errNotRegistered.Error()}
	}
	text, err := json.Marshal(struct {
		Name        string   `json:"name"`
		Version     string   `json:"version"`
		Kind        string   `json:"kind"`
		Description string   `json:"description"`
		Schemes     []string `json:"schemes"`
	}{p.Name, p.Version, "protocol", p.Description, append([]string{}, p.Schemes...)})
	if err != nil { // texts alone can always be written
		return nil
	}
	return text
}
