package platforms_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/loadr-plugins/loadr/internal/platforms"
	"github.com/loadr-plugins/loadr/internal/testplugin"
	"github.com/loadr-plugins/loadr/loader/plugin"
	"github.com/loadr-plugins/loadr/manifest"
)

// The examples, one for each part that a library can have.
const (
	protocol = "echo-proto"
	output   = "snapshot-output"
	service  = "token-service"
)

func TestThisMachine(t *testing.T)  { behaves(t, native(t)) }
func TestLinuxArm64(t *testing.T)   { behaves(t, arm64(t)) }
func TestWindowsAmd64(t *testing.T) { behaves(t, windows(t)) }

func library(t *testing.T, target manifest.Target, example string) string {
	t.Helper()
	return testplugin.Rust(t, target, filepath.Join("examples", example), testplugin.RustOptions{})
}

// behaves has the machine's host call each example, in its own process and in a worker, and holds what it reports against
// what the example says that it does.
func behaves(t *testing.T, m machine) {
	for _, example := range []string{protocol, output, service} {
		path := library(t, m.target, example)
		for name, args := range map[string][]string{"in process": nil, "worker": {"-worker", m.worker}} {
			t.Run(example+" "+name, func(t *testing.T) {
				file := filepath.Join(m.dir, strings.ReplaceAll(t.Name(), "/", "-")+".txt")
				answer := m.ask(t, path, scripts(t, file)[example], args...)
				checkHost(t, m, answer, len(args) == 0)
				if diff := cmp.Diff(reports()[example], answer.Report, cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("expected (-), found (+):\n%s", diff)
				}
				if example == output {
					checkFile(t, file)
				}
			})
		}
	}
}

// checkHost makes sure that it was that platform which answered, and that the library's own functions and the reading of its
// file give the same layout.
func checkHost(t *testing.T, m machine, answer platforms.Answer, inProcess bool) {
	t.Helper()
	if answer.System != m.system || answer.Machine != m.arch {
		t.Errorf("expected an answer of %s/%s, found one of %s/%s", m.system, m.arch, answer.System, answer.Machine)
	}
	if !strings.HasPrefix(answer.Layout, "layout-v1:sha256:") || inProcess && answer.LiveLayout != answer.Layout {
		t.Errorf("layout of the file %q, of the opened library %q", answer.Layout, answer.LiveLayout)
	}
}

// checkFile holds the output's file against the texts that it was given: their SHA-256 and lengths.
func checkFile(t *testing.T, path string) {
	t.Helper()
	var want strings.Builder
	for _, line := range [][2]string{{"snapshot", "{}"}, {"snapshot", `{"vus":1}`}, {"summary", `{"ok":true}`}} {
		fmt.Fprintf(&want, "%s sha256:%x %d\n", line[0], sha256.Sum256([]byte(line[1])), len(line[1]))
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != want.String() {
		t.Errorf("expected %q, found %q, %v", want.String(), text, err)
	}
}

func scripts(t *testing.T, file string) map[string]platforms.Script {
	t.Helper()
	config, err := json.Marshal(map[string]string{"path": filepath.ToSlash(file)})
	if err != nil {
		t.Fatal(err)
	}
	raw := func(text string) json.RawMessage { return json.RawMessage(text) }
	return map[string]platforms.Script{
		protocol: {Requests: requests(), Repeat: repeat},
		output: {Repeat: repeat, Output: &platforms.OutputScript{
			Wrong: raw(`{}`), Config: config,
			Samples:   []json.RawMessage{raw(`[]`), raw(`[{"metric":"größer","value":1}]`)},
			Snapshots: []json.RawMessage{raw(`{}`), raw(`{"vus":1}`)},
			Summary:   raw(`{"ok":true}`),
		}},
		service: {Repeat: repeat, Service: &platforms.ServiceScript{Wrong: raw(`{"address":"nowhere"}`), Config: raw(`{"prefix":"añ"}`)}},
	}
}

// repeat is more than a program may leave behind (valgrind_test.go).
const repeat = 100

// large is more than a request's usual size, so that buffers grow.
var large = strings.Repeat("0123456789abcdef", 5_000)

func requests() []plugin.Request {
	return []plugin.Request{
		{Name: "first", Method: "SEND", URL: "echo://host/", Body: []byte("añb")},
		{Name: "empty", Method: "SEND", URL: "echo://host/"},
		{Name: "large", Method: "SEND", URL: "echo://host/", Body: []byte(large)},
		{
			Name: "options", Method: "PUT", URL: "echo://host/", Body: []byte{'a', 0xff, 0},
			Options: json.RawMessage(`{"upper":true}`), Config: json.RawMessage(`{"reverse":false}`),
		},
		{Name: "refused", Method: "SEND", URL: "http://host/", Body: []byte("abc")},
	}
}

func reports() map[string]platforms.Report {
	info := func(name, kind, description string, schemes ...string) plugin.Info {
		return plugin.Info{Name: name, Version: "0.1.0", Kind: kind, Description: description, Schemes: schemes}
	}
	return map[string]platforms.Report{
		protocol: {
			Info:    info(protocol, "protocol", "Replies with the request's body reversed", "echo"),
			Parts:   plugin.Parts{Protocol: true},
			Names:   map[string]string{"protocol": protocol},
			Replies: replies(),
		},
		output: {
			Info:    info(output, "output", "Writes a digest line for each snapshot to a file"),
			Parts:   plugin.Parts{Output: true},
			Names:   map[string]string{"output": output},
			Refused: "config.path: expected the file to write to",
		},
		service: {
			Info:    info(service, "service", "Hands out tokens over HTTP while a test runs"),
			Parts:   plugin.Parts{Service: true},
			Names:   map[string]string{"service": service},
			Refused: "config.address: nowhere: invalid socket address",
			Served:  `{"token":"añ-1"}`,
		},
	}
}

func replies() []plugin.Response {
	ok := func(method string, given int, body string) plugin.Response {
		extras := fmt.Sprintf(`{"bytes":%d,"method":%q}`, given, method)
		return plugin.Response{Status: 200, StatusText: "OK", Body: []byte(body), Extras: json.RawMessage(extras)}
	}
	reversed := []byte(large)
	slices.Reverse(reversed)
	return []plugin.Response{
		ok("SEND", 4, "bña"),
		ok("SEND", 0, ""),
		ok("SEND", len(large), string(reversed)),
		ok("PUT", 3, "A\xff\x00"),
		{Error: `url "http://host/": expected the scheme echo`},
	}
}
