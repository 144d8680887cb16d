package platforms

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"

	"golang.org/x/sync/errgroup"

	"github.com/loadr-plugins/loadr/loader/plugin"
)

// goroutines send the repeated requests.
const goroutines = 16

// Script says what a host does with a library.
type Script struct {
	Requests []plugin.Request `json:"requests,omitempty"` // to one protocol object, in order
	Repeat   int              `json:"repeat,omitempty"`   // how many more objects are made; each gets the requests, at once
	Output   *OutputScript    `json:"output,omitempty"`
	Service  *ServiceScript   `json:"service,omitempty"`
}

// OutputScript is one run of an output, from start to finish, after a first start that it must refuse.
type OutputScript struct {
	Wrong     json.RawMessage   `json:"wrong"`
	Config    json.RawMessage   `json:"config"`
	Samples   []json.RawMessage `json:"samples"`
	Snapshots []json.RawMessage `json:"snapshots"`
	Summary   json.RawMessage   `json:"summary"`
}

// ServiceScript is one run of a service that answers with {"url": ...}, after a first start that it must refuse. The URL is
// asked while the service runs.
type ServiceScript struct {
	Wrong  json.RawMessage `json:"wrong"`
	Config json.RawMessage `json:"config"`
}

// Report is what a library did. It says nothing of time or place, so that the reports of all platforms are equal.
type Report struct {
	Info    plugin.Info       `json:"info"`
	Parts   plugin.Parts      `json:"parts"`
	Names   map[string]string `json:"names"` // what each object calls itself, by part
	Replies []plugin.Response `json:"replies,omitempty"`
	Refused string            `json:"refused,omitempty"` // the words of an output or a service that refused its configuration
	Served  string            `json:"served,omitempty"`  // what the service's URL gave
}

// Run goes through the script. Parts that the library lacks must be refused as such; a part that it has and the script does
// not name is made and dropped. The error is the first thing that went wrong.
func Run(ctx context.Context, library plugin.Library, script Script) (Report, error) {
	report := Report{Info: library.Info(), Parts: library.Parts(), Names: map[string]string{}}
	r := runner{library, script, &report}
	parts := []struct {
		name string
		has  bool
		run  func(context.Context) error
	}{
		{"protocol", report.Parts.Protocol, r.protocol},
		{"output", report.Parts.Output, r.output},
		{"service", report.Parts.Service, r.service},
	}
	for _, part := range parts {
		err := part.run(ctx)
		var missing *plugin.PartError
		if !part.has && errors.As(err, &missing) && missing.Part == part.name {
			continue
		}
		if err == nil && !part.has {
			err = errors.New("expected *plugin.PartError, found none")
		}
		if err != nil {
			return report, fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return report, nil
}

type runner struct {
	library plugin.Library
	script  Script
	report  *Report
}

func (r runner) protocol(ctx context.Context) (err error) {
	p, err := r.library.Protocol(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	r.report.Names["protocol"] = p.Name()
	if r.report.Replies, err = send(ctx, p, r.script.Requests); err != nil {
		return err
	}
	var all errgroup.Group
	all.SetLimit(goroutines)
	for range r.script.Repeat {
		all.Go(func() error { return r.again(ctx) })
	}
	return all.Wait()
}

// again has one more object give the same replies.
func (r runner) again(ctx context.Context) (err error) {
	p, err := r.library.Protocol(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	replies, err := send(ctx, p, r.script.Requests)
	if err == nil && !reflect.DeepEqual(replies, r.report.Replies) {
		err = fmt.Errorf("expected the same replies again, found %+v", replies)
	}
	return err
}

func send(ctx context.Context, p plugin.Protocol, requests []plugin.Request) ([]plugin.Response, error) {
	var replies []plugin.Response
	for _, request := range requests {
		reply, err := plugin.Do(ctx, p, request)
		if err != nil {
			return nil, err
		}
		reply.DurationMS = 0
		replies = append(replies, reply)
	}
	return replies, nil
}

func (r runner) output(ctx context.Context) (err error) {
	o, err := r.library.Output(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, o.Close()) }()
	r.report.Names["output"] = o.Name()
	script := r.script.Output
	if script == nil {
		return nil
	}
	if err := r.refused(o.Start(ctx, script.Wrong)); err != nil {
		return err
	}
	if err := o.Start(ctx, script.Config); err != nil {
		return err
	}
	for _, samples := range script.Samples {
		if err := o.Samples(ctx, samples); err != nil {
			return err
		}
	}
	for _, snapshot := range script.Snapshots {
		if err := o.Snapshot(ctx, snapshot); err != nil {
			return err
		}
	}
	if err := o.Finish(ctx, script.Summary); err != nil {
		return err
	}
	return r.more(func() (io.Closer, error) { return r.library.Output(ctx) })
}

// more makes and drops objects.
func (r runner) more(another func() (io.Closer, error)) error {
	for range r.script.Repeat {
		object, err := another()
		if err == nil {
			err = object.Close()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r runner) service(ctx context.Context) (err error) {
	s, err := r.library.Service(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	r.report.Names["service"] = s.Name()
	script := r.script.Service
	if script == nil {
		return nil
	}
	_, err = s.Start(ctx, script.Wrong)
	if err := r.refused(err); err != nil {
		return err
	}
	answer, err := s.Start(ctx, script.Config)
	if err != nil {
		return err
	}
	if r.report.Served, err = get(ctx, answer); err != nil {
		return err
	}
	if err := s.Stop(ctx); err != nil {
		return err
	}
	if _, err = get(ctx, answer); err == nil {
		return errors.New("the service goes on after its stop")
	}
	return r.more(func() (io.Closer, error) { return r.library.Service(ctx) })
}

// refused keeps the plugin's words; anything but its refusal is an error.
func (r runner) refused(err error) error {
	var failure *plugin.FailureError
	if !errors.As(err, &failure) {
		return fmt.Errorf("expected *plugin.FailureError, found %w", err)
	}
	r.report.Refused = failure.Text
	return nil
}

func get(ctx context.Context, answer string) (string, error) {
	var where struct{ URL string }
	if err := json.Unmarshal([]byte(answer), &where); err != nil {
		return "", err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, where.URL, http.NoBody)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

// Answer is what the host program prints.
type Answer struct {
	System     string `json:"system"`                // as Go calls it
	Machine    string `json:"machine"`               // as Go calls it
	Layout     string `json:"layout"`                // digest of the type layout, read from the file
	LiveLayout string `json:"live_layout,omitempty"` // the same, read from the opened library's memory by its own functions
	Report     Report `json:"report"`
}
