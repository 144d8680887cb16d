package loader_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/loadr-plugins/loadr/internal/testplugin"
	"github.com/loadr-plugins/loadr/loader"
	"github.com/loadr-plugins/loadr/loader/native"
	"github.com/loadr-plugins/loadr/loader/plugin"
)

// echoes gives the echo plugin in this process and in a worker: what a caller sees must not differ.
func echoes(t *testing.T) map[string]plugin.Library {
	t.Helper()
	target, ok := loader.HostTarget()
	if !ok {
		t.Skip("this machine's target is not known")
	}
	o := options(t, testplugin.Echo(t, target))
	here, err := native.Open(t.Context(), native.Options{Path: o.Path, Digest: o.Digest, TempDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = here.Close() })
	return map[string]plugin.Library{"in this process": here, "in a worker": startLibrary(t, o)}
}

func protocolOf(t *testing.T, library plugin.Library) plugin.Protocol {
	t.Helper()
	p, err := library.Protocol(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestEchoInBothPlaces(t *testing.T) {
	request := plugin.Request{
		Method: "SEND", URL: "echo://höst/\"x\"\n\U0001F600", Headers: []plugin.Header{{"a", "b\\"}, {"", "é"}},
		Body: []byte("some body\x00\xff"), Config: json.RawMessage(`{"other":{"status":1},"status":201}`),
	}
	for name, library := range echoes(t) {
		p := protocolOf(t, library)
		if got := library.Info(); got.Name != "c-echo" || got.Kind != "protocol" || !slices.Equal(got.Schemes, []string{"echo"}) {
			t.Errorf("%s: info %+v", name, got)
		}
		got, err := plugin.Do(t.Context(), p, request)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got.Status != 201 || got.Error != "" || string(got.Body) != string(request.Body) ||
			!slices.Equal(got.Headers, request.Headers) || got.DurationMS < 0 {
			t.Errorf("%s: found %+v", name, got)
		}
		var extras struct {
			Method, URL string
			Bytes       int
		}
		if err := json.Unmarshal(got.Extras, &extras); err != nil || extras.Method != "SEND" || extras.URL != request.URL ||
			extras.Bytes != len(request.Body) {
			t.Errorf("%s: extras %s, %v", name, got.Extras, err)
		}
	}
}

func TestEchoReadsRequestsStrictly(t *testing.T) {
	// Requests as they are, and what is in the reply.
	tests := map[string]string{
		`{}`:                                       `"status":200,"status_text":"OK","headers":[],"body_b64":""`,
		` { "body_b64" : null }`:                   `"body_b64":""`,
		`{"body_b64":"aGk="}`:                      `"body_b64":"aGk="`,
		`{"\u0062ody_b64":"\u0061\/k="}`:           `"body_b64":"a/k="`,
		`{"body_b64":"AAAA","body_b64":"aGk="}`:    `"body_b64":"aGk="`,
		`{"headers":[["a","\u00e9\ud83d\ude00"]]}`: `"headers":[["a","\u00e9\ud83d\ude00"]]`,
		`{"config":{"status":503}}`:                `"status":503,"status_text":""`,
		`{"config":{"status":1e2}}`:                `"status":200`,
		`{"config":{"status":"503"}}`:              `"status":200`,
		`{"config":[503]}`:                         `"status":200`,
		``:                                         `"status":0,"body_b64":"","error":"c-echo: request: ends before an object at byte 0"`,
		`[]`:                                       `expected an object at byte 0`,
		`{"a":1} x`:                                `unexpected text after the object at byte 8`,
		`{"a":1`:                                   `expected a comma or the end of the array or object at byte 6`,
		`{"a":01}`:                                 `expected a comma or the end of the array or object at byte 6`,
		`{"a":1,}`:                                 `expected a string at byte 7`,
		`{"a"}`:                                    `expected a colon after the key at byte 4`,
		`{"a":truf}`:                               `expected a value at byte 5`,
		`{"a":"\ud800"}`:                           `string is not well formed at byte 12`,
		`{"a":"\ude00\ud83d"}`:                     `string is not well formed`,
		"{\"a\":\"\n\"}":                           `string is not well formed at byte 6`,
		`{"a":` + deepest(70) + `}`:                `nested too deeply`,
		`{"a":` + deepest(60) + `}`:                `"status":200`,
		`{"body_b64":5}`:                           `body_b64: expected a string at byte 12`,
		`{"body_b64":"aGk"}`:                       `body_b64: not base64 at byte 12`,
		`{"body_b64":"a=k="}`:                      `body_b64: not base64`,
		`{"body_b64":"a==="}`:                      `body_b64: not base64`,
		`{"body_b64":"aG-="}`:                      `body_b64: not base64`,
		`{"headers":{}}`:                           `headers: expected an array of [name, value] pairs at byte 11`,
		`{"headers":[["a"]]}`:                      `headers: expected an array of [name, value] pairs`,
		`{"headers":[["a",1]]}`:                    `headers: expected an array of [name, value] pairs`,
	}
	for name, library := range echoes(t) {
		p := protocolOf(t, library)
		for request, want := range tests {
			got := mustAnswer(t, p, request)
			if !strings.Contains(got, want) {
				t.Errorf("%s: %.60s: expected %s, found %s", name, request, want, got)
			}
		}
	}
}

func deepest(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }

// What the plugin says of itself and what its manifest says must agree, or publishing it is refused.
func TestEchoManifestAgrees(t *testing.T) {
	text, err := os.ReadFile("../examples/c-echo/plugin.toml")
	if err != nil {
		t.Fatal(err)
	}
	info := echoes(t)["in this process"].Info()
	for _, line := range []string{
		`name = "` + info.Name + `"`, `version = "` + info.Version + `"`, `kind = "` + info.Kind + `"`,
		`description = "` + info.Description + `"`, `schemes = ["` + strings.Join(info.Schemes, `", "`) + `"]`,
	} {
		if !strings.Contains(string(text), "\n"+line+"\n") {
			t.Errorf("plugin.toml lacks %s", line)
		}
	}
}
