package plugin_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/loadr-plugins/loadr/loader/plugin"
)

// canned is a plugin that always gives the same reply and keeps the request.
type canned struct {
	reply   string
	request string
}

func (c *canned) Name() string { return "canned" }

func (c *canned) Close() error { return nil }

func (c *canned) Execute(_ context.Context, request []byte, use func([]byte) error) error {
	c.request = string(request)
	return use([]byte(c.reply))
}

func TestRequestJSON(t *testing.T) {
	tests := map[string]struct {
		request plugin.Request
		want    string
	}{
		"nothing is null": {plugin.Request{},
			`{"name":"","method":"","url":"","headers":[],"body_b64":"","timeout_ms":0,"config":{}}`},
		"all": {plugin.Request{
			Name: "n", Method: "SEND", URL: "echo://h", Headers: []plugin.Header{{"k", "v"}}, Body: []byte("hi"), TimeoutMS: 5,
			Options: json.RawMessage(`{"o":1}`), Config: json.RawMessage(`{"c":2}`),
		}, `{"name":"n","method":"SEND","url":"echo://h","headers":[["k","v"]],"body_b64":"aGk=","timeout_ms":5,` +
			`"options":{"o":1},"config":{"c":2}}`},
	}
	for name, tt := range tests {
		got, err := json.Marshal(tt.request)
		if err != nil || string(got) != tt.want {
			t.Errorf("%s: expected %s, found %s, %v", name, tt.want, got, err)
		}
	}
}

func TestDo(t *testing.T) {
	c := &canned{reply: `{"status":201,"status_text":"Created","headers":[["a","b"]],"body_b64":"aGk=","duration_ms":1.5,` +
		`"error":null,"extras":{"x":[1]},"future":true}`}
	got, err := plugin.Do(t.Context(), c, plugin.Request{URL: "x"})
	if err != nil {
		t.Fatal(err)
	}
	if got.Status != 201 || got.StatusText != "Created" || string(got.Body) != "hi" || got.DurationMS != 1.5 ||
		len(got.Headers) != 1 || got.Headers[0] != (plugin.Header{"a", "b"}) || got.Error != "" ||
		string(got.Extras) != `{"x":[1]}` {
		t.Errorf("found %+v", got)
	}
	if !strings.Contains(c.request, `"url":"x"`) {
		t.Errorf("sent %s", c.request)
	}
}

func TestDoRefusesWhatIsNoResponse(t *testing.T) {
	for _, reply := range []string{`[1]`, `{"status":"200"}`, `{"body_b64":"?"}`, `{"headers":[1]}`} {
		_, err := plugin.Do(t.Context(), &canned{reply: reply}, plugin.Request{})
		var bad *plugin.ReplyError
		if !errors.As(err, &bad) || bad.Plugin != "canned" || bad.Excerpt != reply {
			t.Errorf("%s: found %v", reply, err)
		}
	}
	_, err := plugin.Do(t.Context(), &canned{}, plugin.Request{Config: json.RawMessage("{")})
	var bad *plugin.RequestError
	if !errors.As(err, &bad) {
		t.Errorf("a request that is no JSON: found %v", err)
	}
}

func TestErrorTexts(t *testing.T) {
	long := strings.Repeat("x", 1000)
	tests := map[string]error{
		`plugin "p": its process ended: signal SIGSEGV: the last line`: &plugin.CrashError{
			Plugin: "p", Signal: "SIGSEGV", LastWords: "first\nthe last line\n\n"},
		`plugin "p": its process ended: exit code 7`: &plugin.CrashError{Plugin: "p", ExitCode: 7},
		`plugin "p": execute: no reply after 1.5s`: plugin.NewTimeoutError("p", "execute", 1500*time.Millisecond,
			context.DeadlineExceeded),
		`plugin "p": info: expected a reply in JSON: bad: found "` + long[:200] + `"`: plugin.NewReplyError("p", "info", "bad",
			[]byte(long)),
		`library l: expected plugin interface version 1, found 2`: &plugin.VersionError{Library: "l", Want: 1, Found: 2},
		`library l: expected the function f, found no such export`: &plugin.MissingSymbolError{
			Library: "l", Symbol: "f"},
	}
	for want, err := range tests {
		if err.Error() != want {
			t.Errorf("expected %s, found %v", want, err)
		}
	}
}

func TestOpenErrorHints(t *testing.T) {
	for problem, want := range map[string]string{
		"x.so: failed to map segment from shared object":                    "noexec",
		"version `GLIBC_2.38' not found":                                    "another C library",
		"libfoo.so.1: cannot open shared object file: No such file or dire": "not installed",
		"something else": "",
	} {
		hint := (&plugin.OpenError{Problem: problem}).Hint()
		if !strings.Contains(hint, want) || (want == "") != (hint == "") {
			t.Errorf("%s: found the hint %q", problem, hint)
		}
	}
}
