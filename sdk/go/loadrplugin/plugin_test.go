package loadrplugin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
)

// register makes a library of p for one test.
func register(t *testing.T, p Protocol) {
	t.Helper()
	registered = nil
	t.Cleanup(func() { registered = nil })
	Register(p)
}

func answers(execute func(context.Context, *Request) (*Response, error)) Protocol {
	return Protocol{Name: "p", Version: "1.2.3", Schemes: []string{"p"}, Execute: execute}
}

// ask decodes a reply, whose duration differs each time.
func ask(t *testing.T, text string) wireResponse {
	t.Helper()
	var w wireResponse
	reply := reply([]byte(text))
	if err := json.Unmarshal(reply, &w); err != nil {
		t.Fatalf("reply %s: %v", reply, err)
	}
	return w
}

func TestRequestAndResponse(t *testing.T) {
	var got Request
	register(t, answers(func(_ context.Context, r *Request) (*Response, error) {
		got = *r
		return &Response{
			Status: 201, StatusText: "Made", Headers: r.Headers, Body: r.Body, Duration: 1500 * time.Microsecond,
			Extras: map[string]any{"n": 7},
		}, nil
	}))
	reply := string(reply([]byte(`{"name":"n","method":"M","url":"p://é","headers":[["a","b"],["a",""]],"body_b64":"AP8=",
		"timeout_ms":2500,"options":{"x":1},"config":{},"unknown":true}`)))
	want := Request{
		Name: "n", Method: "M", URL: "p://é", Headers: []Header{{"a", "b"}, {"a", ""}}, Body: []byte{0, 255},
		Timeout: 2500 * time.Millisecond, Options: json.RawMessage(`{"x":1}`), Config: json.RawMessage(`{}`),
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("request %+v, want %+v", got, want)
	}
	if reply != `{"status":201,"status_text":"Made","headers":[["a","b"],["a",""]],"body_b64":"AP8=","duration_ms":1.5,"extras":{"n":7}}` {
		t.Errorf("reply %s", reply)
	}
}

// A host need not write what is empty, and may write null for it; a reply has lists and texts, never null.
func TestEmpty(t *testing.T) {
	for _, text := range []string{`{}`, `{"headers":null,"body_b64":null,"options":null,"config":null}`} {
		register(t, answers(func(ctx context.Context, r *Request) (*Response, error) {
			if !reflect.DeepEqual(*r, Request{}) {
				t.Errorf("%s: request %+v", text, *r)
			}
			if _, limited := ctx.Deadline(); limited {
				t.Errorf("%s: a deadline without a timeout", text)
			}
			return &Response{Status: 200, Duration: time.Millisecond}, nil
		}))
		if got := string(reply([]byte(text))); got != `{"status":200,"status_text":"","headers":[],"body_b64":"","duration_ms":1}` {
			t.Errorf("%s: reply %s", text, got)
		}
	}
}

func TestFailures(t *testing.T) {
	give := func(r *Response, err error) func(context.Context, *Request) (*Response, error) {
		return func(context.Context, *Request) (*Response, error) { return r, err }
	}
	for name, test := range map[string]struct {
		execute func(context.Context, *Request) (*Response, error)
		text    string
		status  int
		want    string // the beginning of the error
	}{
		"error":            {give(nil, errors.New("no route")), `{}`, 0, "no route"},
		"error and status": {give(&Response{Status: 503}, errors.New("busy")), `{}`, 503, "busy"},
		"nothing":          {give(nil, nil), `{}`, 0, errNoResponse.Error()},
		"panic":            {func(context.Context, *Request) (*Response, error) { panic("oh \xff no") }, `{}`, 0, "p: panic: oh \ufffd no"},
		"panic of nothing": {func(context.Context, *Request) (*Response, error) { panic(nil) }, `{}`, 0, "p: panic: "},
		"nil dereference": {func(_ context.Context, r *Request) (*Response, error) {
			var none *Response
			return &Response{Status: none.Status}, nil
		}, `{}`, 0, "p: panic: runtime error: invalid memory address"},
		"unwritable extras": {give(&Response{Status: 200, Extras: map[string]any{"f": func() {}}}, nil), `{}`, 0, "p: response: json: "},
		"panicking extras":  {give(&Response{Extras: map[string]any{"f": panics{}}}, nil), `{}`, 0, "p: panic: marshal"},
		"no JSON":           {give(nil, nil), `{`, 0, "p: request: unexpected end of JSON input"},
		"empty":             {give(nil, nil), ``, 0, "p: request: unexpected end of JSON input"},
		"wrong header":      {give(nil, nil), `{"headers":[["a"]]}`, 0, "p: request: headers: expected [name, value], found 1 strings"},
		"wrong body":        {give(nil, nil), `{"body_b64":"a"}`, 0, "p: request: illegal base64 data"},
	} {
		register(t, answers(test.execute))
		got := ask(t, test.text)
		if got.Status != test.status || !strings.HasPrefix(got.Error, test.want) || got.Body == nil || got.Headers == nil {
			t.Errorf("%s: reply %+v, want status %d, error %q", name, got, test.status, test.want)
		}
	}
}

type panics struct{}

func (panics) MarshalJSON() ([]byte, error) { panic("marshal") }

func TestDeadline(t *testing.T) {
	register(t, answers(func(ctx context.Context, r *Request) (*Response, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}))
	got := ask(t, `{"timeout_ms":20}`)
	if got.Error != context.DeadlineExceeded.Error() || got.DurationMS < 19 || got.DurationMS > 10_000 {
		t.Errorf("reply %+v, want the deadline's error after some 20 ms", got)
	}
}

func TestConcurrentRequests(t *testing.T) {
	register(t, answers(func(_ context.Context, r *Request) (*Response, error) {
		return &Response{Status: 200, StatusText: r.Name}, nil
	}))
	var group sync.WaitGroup
	for i := range 100 {
		group.Add(1)
		go func() {
			defer group.Done()
			want := fmt.Sprint(i)
			if got := ask(t, `{"name":"`+want+`"}`); got.StatusText != want {
				t.Errorf("request %s got the reply of %s", want, got.StatusText)
			}
		}()
	}
	group.Wait()
}

func TestInfo(t *testing.T) {
	p := answers(func(context.Context, *Request) (*Response, error) { return nil, nil })
	p.Description = `says "é"`
	register(t, p)
	want := `{"name":"p","version":"1.2.3","kind":"protocol","description":"says \"é\"","schemes":["p"]}`
	if got := string(infoText()); got != want {
		t.Errorf("info %s, want %s", got, want)
	}
	registered.Schemes = nil
	if got := string(infoText()); !strings.Contains(got, `"schemes":[]`) {
		t.Errorf("info %s, want empty schemes", got)
	}
}

func TestNothingRegistered(t *testing.T) {
	registered = nil
	if got := ask(t, `{}`); got.Error != errNotRegistered.Error() || got.Status != 0 {
		t.Errorf("reply %+v", got)
	}
	if got := string(infoText()); !strings.Contains(got, `"name":""`) || !strings.Contains(got, errNotRegistered.Error()) {
		t.Errorf("info %s", got)
	}
}

func TestRegisterRefuses(t *testing.T) {
	refused := func(p Protocol) (message string) {
		defer func() { message, _ = recover().(string) }()
		Register(p)
		return ""
	}
	registered = nil
	if got := refused(Protocol{Name: "p"}); !strings.Contains(got, "Execute is nil") || registered != nil {
		t.Errorf("without Execute: %q", got)
	}
	p := answers(func(context.Context, *Request) (*Response, error) { return nil, nil })
	register(t, p)
	if got := refused(p); !strings.Contains(got, "a library is one protocol") {
		t.Errorf("twice: %q", got)
	}
}

func FuzzReply(f *testing.F) {
	for _, seed := range []string{`{}`, `{"headers":[["a","b"]],"body_b64":"AP8=","timeout_ms":1}`, `[]`, `{"options":`} {
		f.Add([]byte(seed))
	}
	registered = nil
	Register(answers(func(_ context.Context, r *Request) (*Response, error) {
		return &Response{Headers: r.Headers, Body: r.Body, StatusText: r.URL}, nil
	}))
	f.Fuzz(func(t *testing.T, text []byte) {
		if got := reply(text); !json.Valid(got) {
			t.Errorf("reply %q is not JSON", got)
		}
	})
}
