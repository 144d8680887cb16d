// Package plugin is the vocabulary of a running plugin: the JSON that crosses between host and plugin, the interfaces of
// what a library makes wherever it runs, and one error type for each way in which it can fail.
//
// It does not open, start or call anything: package native does so in this process, package worker in another one, and
// both give a Library. docs/spec/c-abi.md has the rules behind the JSON.
package plugin

import (
	"context"
	"encoding/json"
)

// Info is what a plugin says about itself. It is the plugin's word; its manifest is compared with it elsewhere.
type Info struct {
	Name        string   `json:"name"`
	Version     string   `json:"version"`
	Kind        string   `json:"kind"`
	Description string   `json:"description"`
	Schemes     []string `json:"schemes"`
}

// Library is an opened library of a plugin, in this process or in a worker. All methods may be called from many goroutines
// at once.
type Library interface {
	// Info gives what the plugin said about itself when it was opened.
	Info() Info

	// Parts says what the library can make.
	Parts() Parts

	// Protocol, Output and Service have the plugin make an object of that part, each call another one. The error is a
	// *PartError where the library has no such part, or one of this package's other types, or the context's. Whoever asked
	// closes the object; closing the library closes what is left.
	Protocol(ctx context.Context) (Protocol, error)
	Output(ctx context.Context) (Output, error)
	Service(ctx context.Context) (Service, error)

	// Close ends the use of the library and of every object made from it. Later calls fail with *ClosedError, as do those
	// in flight in a worker; those in flight in this process go on to their end, and their object is dropped after them.
	Close() error
}

// Parts says which kinds of object a library makes. A library of the C interface makes protocols only.
type Parts struct {
	Output   bool `json:"output"`
	Protocol bool `json:"protocol"`
	Service  bool `json:"service"`
}

// Protocol is a running protocol plugin. All methods may be called from many goroutines at once.
type Protocol interface {
	// Name is what the object calls itself.
	Name() string

	// Execute hands over one request, JSON in UTF-8 as Request describes it, and calls use with the reply, which is
	// checked to be JSON in UTF-8 and nothing more. The reply is valid only until use returns and must not be written
	// to. The error is use's own, or one of this package's types, or the context's.
	//
	// When ctx ends first, Execute returns at once and use is not called; the plugin's own call cannot be interrupted and
	// keeps a place among the calls in flight until it returns.
	Execute(ctx context.Context, request []byte, use func(reply []byte) error) error

	// Close drops the object, once, after the last call in flight. Later calls fail with *ClosedError.
	Close() error
}

// Output receives the samples and snapshots of a run. All methods may be called from many goroutines at once; calls of one
// object are carried out one after another, as the plugin's methods need, in an order that only a caller who waits for each
// can rely on. The texts are JSON in UTF-8, checked before they are handed over (*RequestError). A context that ends first
// leaves the call behind; what comes later still waits for its end.
type Output interface {
	// Name is what the object calls itself.
	Name() string

	// Start hands over the configuration, an object, before anything else. A plugin that refuses gives a *FailureError.
	Start(ctx context.Context, config []byte) error

	// Samples hands over one flush of samples, an array of objects.
	Samples(ctx context.Context, samples []byte) error

	// Snapshot hands over one snapshot, an object, about once a second.
	Snapshot(ctx context.Context, snapshot []byte) error

	// Finish hands over the run's summary, an object, after everything else.
	Finish(ctx context.Context, summary []byte) error

	// Close drops the object, once, after the last call in flight. Later calls fail with *ClosedError.
	Close() error
}

// Service runs beside a test. Its calls follow the same rules as those of Output.
type Service interface {
	// Name is what the object calls itself.
	Name() string

	// Start hands over the configuration, an object, and gives the plugin's answer, a text in UTF-8 of the plugin's own
	// meaning. A plugin that refuses gives a *FailureError.
	Start(ctx context.Context, config []byte) (string, error)

	// Stop ends the service.
	Stop(ctx context.Context) error

	// Close drops the object, once, after the last call in flight. Later calls fail with *ClosedError.
	Close() error
}

// Header is one name and value, in the order in which they are sent.
type Header [2]string

// Request is what a protocol plugin is asked to do.
type Request struct {
	Name      string          `json:"name"`              // of the request in the test plan
	Method    string          `json:"method"`            // the protocol's own word, such as SEND
	URL       string          `json:"url"`               // its scheme chose the plugin
	Headers   []Header        `json:"headers"`           //
	Body      []byte          `json:"body_b64"`          // base64 in JSON
	TimeoutMS int64           `json:"timeout_ms"`        // milliseconds; the plugin's to keep
	Options   json.RawMessage `json:"options,omitempty"` // the request's own plugin options; nil: none
	Config    json.RawMessage `json:"config"`            // the manifest's [config] with the run's merged over it
}

// MarshalJSON writes what plugins expect: empty lists, texts and objects in place of null.
func (r Request) MarshalJSON() ([]byte, error) {
	type plain Request
	p := plain(r)
	if p.Headers == nil {
		p.Headers = []Header{}
	}
	if p.Body == nil {
		p.Body = []byte{}
	}
	if p.Config == nil {
		p.Config = json.RawMessage("{}")
	}
	return json.Marshal(p)
}

// Response is a plugin's reply. All but Status and Body are optional.
type Response struct {
	Status     int             `json:"status"`
	StatusText string          `json:"status_text"`
	Headers    []Header        `json:"headers"`
	Body       []byte          `json:"body_b64"`
	DurationMS float64         `json:"duration_ms"`     // milliseconds, as the plugin measured them
	Error      string          `json:"error,omitempty"` // why the request failed; empty: it did not
	Extras     json.RawMessage `json:"extras,omitempty"`
}

// Do performs one request and decodes the reply. A reply that is JSON but not a response is a *ReplyError.
func Do(ctx context.Context, p Protocol, request Request) (Response, error) {
	text, err := json.Marshal(request)
	if err != nil {
		return Response{}, &RequestError{Problem: err.Error()}
	}
	var response Response
	err = p.Execute(ctx, text, func(reply []byte) error {
		if err := json.Unmarshal(reply, &response); err != nil {
			return NewReplyError(p.Name(), "execute", err.Error(), reply)
		}
		return nil
	})
	return response, err
}

// ParseInfo checks and decodes the text that a plugin's info function returned.
func ParseInfo(plugin string, text []byte) (Info, error) {
	if err := Check(text); err != nil {
		return Info{}, NewReplyError(plugin, "info", err.Error(), text)
	}
	var info Info
	if err := json.Unmarshal(text, &info); err != nil {
		return Info{}, NewReplyError(plugin, "info", err.Error(), text)
	}
	return info, nil
}
