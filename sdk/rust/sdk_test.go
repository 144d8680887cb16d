package rust

import (
	"context"
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/internal/testplugin"
	"github.com/loadr-plugins/loadr/loader"
	"github.com/loadr-plugins/loadr/loader/native"
	"github.com/loadr-plugins/loadr/loader/plugin"
)

const host = "x86_64-unknown-linux-gnu"

// What an author did wrong is said in the words of the macro, not of the compiler.
func TestTheMacroSaysWhatIsWrong(t *testing.T) {
	const prelude = "use loadr_plugin_sdk::{export_loadr_plugin, Info, Output};\n" +
		"struct O;\nimpl Output for O { fn name(&self) -> &str { \"o\" } }\n" +
		"fn info() -> Info { Info::output(\"o\", \"0.1.0\") }\n"
	for invocation, want := range map[string]string{
		"info: info":                           "expected at least one of `output`, `protocol` and `service`",
		"output: || O":                         "`info` is missing",
		"":                                     "`info` is missing",
		"info: info, info: info, output: || O": "`info` is given twice",
		"output: || O, info: info, output: || O,":    "`output` is given twice",
		"protocol: || O, info: info, protocol: || O": "`protocol` is given twice",
		"service: || O, service: || O, info: info":   "`service` is given twice",
		"info: info, outputs: || O":                  "expected `info`, `output`, `protocol` or `service`, found `outputs`",
		"info: info, output: || O, protocol: || 5":   "`{integer}` is not a protocol: the trait `loadr_plugin_sdk::Protocol` is not implemented for it",
		"info: info, service: || O":                  "`O` is not a service: the trait `loadr_plugin_sdk::Service` is not implemented for it",
		"info: || 1, output: || O":                   "`{integer}` does not describe a plugin",
	} {
		t.Run(invocation, func(t *testing.T) {
			messages := compileErrors(t, prelude+"export_loadr_plugin! { "+invocation+" }", testplugin.RustOptions{})
			if !strings.Contains(messages, want) {
				t.Errorf("messages do not say %q:\n%s", want, messages)
			}
		})
	}
	t.Run("abort", func(t *testing.T) {
		messages := compileErrors(t, prelude+"export_loadr_plugin! { info: info, output: || O }",
			testplugin.RustOptions{Env: []string{"CARGO_PROFILE_RELEASE_PANIC=abort"}})
		if want := `expected panic = "unwind"`; !strings.Contains(messages, want) {
			t.Errorf("messages do not say %q:\n%s", want, messages)
		}
	})
}

// A plugin may forbid what it likes, and is compiled without a warning.
func TestPluginsCompileWithoutWarnings(t *testing.T) {
	testplugin.RustSource(t, host, `#![deny(warnings, missing_docs, unsafe_code, unreachable_pub)]
//! A plugin.
use loadr_plugin_sdk::{export_loadr_plugin, Error, Info, Json, Output, Protocol, Request, Response, Service, Value};

struct All;
impl Output for All { fn name(&self) -> &str { "all" } }
impl Protocol for All {
    fn name(&self) -> &str { "all" }
    fn execute(&self, _: Request) -> Result<Response, Error> { Ok(Response::new(200)) }
}
impl Service for All {
    fn name(&self) -> &str { "all" }
    fn start(&mut self, _: Json<'_>) -> Result<Value, Error> { Ok(Value::Null) }
}
fn info() -> Info { Info::output("all", "0.1.0") }
fn make() -> All { All }

export_loadr_plugin! { protocol: make, info: info, service: || All, output: make }
`, testplugin.RustOptions{})
}

const panicking = `use loadr_plugin_sdk::*;
struct P;
impl Protocol for P {
    fn name(&self) -> &str { panic!("in name") }
    fn execute(&self, request: Request) -> Result<Response, Error> {
        if request.method == "PANIC" { panic!("in execute, {} headers", request.headers.len()) }
        Ok(Response::new(200).body(request.body))
    }
}
impl Output for P {
    fn name(&self) -> &str { "p" }
    fn start(&mut self, _: Json<'_>) -> Result<(), Error> { panic!("in start") }
    fn on_samples(&mut self, _: Json<'_>) -> Result<(), Error> { panic!("in on_samples") }
    fn on_snapshot(&mut self, _: Json<'_>) -> Result<(), Error> { panic!("in on_snapshot") }
    fn finish(&mut self, _: Json<'_>) -> Result<(), Error> { panic!("in finish") }
}
impl Drop for P { fn drop(&mut self) { panic!("in drop") } }
fn service() -> P { panic!("in the maker") }
impl Service for P {
    fn name(&self) -> &str { "p" }
    fn start(&mut self, _: Json<'_>) -> Result<Value, Error> { Ok(Value::Null) }
}
export_loadr_plugin! { info: || Info::protocol("p", "0.1.0").scheme("p"), protocol: || P, output: || P, service: service }
`

// TestPanicsDoNotReachTheHost runs a library as authors build it in this very process, which would end with the first
// panic that got out.
func TestPanicsDoNotReachTheHost(t *testing.T) {
	target, ok := loader.HostTarget()
	if !ok {
		t.Skip("this machine's target is not known")
	}
	path := testplugin.RustSource(t, target, panicking, testplugin.RustOptions{})
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lib, err := native.Open(t.Context(), native.Options{Path: path, Digest: digest.FromBytes(text), TempDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	protocolPanics(t, lib)
	outputPanics(t, lib)
	service, err := lib.Service(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var failure *plugin.FailureError
	if _, err := service.Start(t.Context(), []byte("{}")); !errors.As(err, &failure) || failure.Text != "make_service panicked: in the maker" {
		t.Errorf("start of the service: %v", err)
	}
	if err := errors.Join(service.Close(), lib.Close()); err != nil {
		t.Error(err)
	}
}

func protocolPanics(t *testing.T, lib plugin.Library) {
	protocol, err := lib.Protocol(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		reply, err := plugin.Do(t.Context(), protocol, plugin.Request{Method: "PANIC"})
		if err != nil || reply.Error != "execute panicked: in execute, 0 headers" || reply.Status != 0 {
			t.Fatalf("reply %+v, %v", reply, err)
		}
		if reply, err := plugin.Do(t.Context(), protocol, plugin.Request{Body: []byte("x")}); err != nil || string(reply.Body) != "x" {
			t.Fatalf("reply after a panic %+v, %v", reply, err)
		}
	}
	if err := protocol.Close(); err != nil {
		t.Error(err)
	}
}

func outputPanics(t *testing.T, lib plugin.Library) {
	output, err := lib.Output(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var failure *plugin.FailureError
	if err := output.Start(t.Context(), []byte("{}")); !errors.As(err, &failure) || failure.Text != "start panicked: in start" {
		t.Errorf("start: %v", err)
	}
	for name, call := range map[string]func(context.Context, []byte) error{
		"samples": output.Samples, "snapshot": output.Snapshot, "finish": output.Finish,
	} {
		if err := call(t.Context(), []byte("{}")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := output.Close(); err != nil {
		t.Error(err)
	}
}

// compileErrors gives what the compiler says of a plugin that it refuses.
func compileErrors(t *testing.T, source string, o testplugin.RustOptions) string {
	t.Helper()
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() { // what ends the recorder's test ends this goroutine only
		defer close(done)
		testplugin.RustSource(r, host, source, o)
		r.words = "it compiled"
	}()
	<-done
	if r.skip != "" {
		t.Skip(r.skip)
	}
	return r.words
}

// recorder keeps how the test that it stands in for ended.
type recorder struct {
	testing.TB
	words, skip string
}

func (r *recorder) Fatalf(_ string, args ...any) { r.end(&r.words, args) }
func (r *recorder) Skipf(_ string, args ...any)  { r.end(&r.skip, args) }
func (r *recorder) Skip(args ...any)             { r.end(&r.skip, args) }

func (r *recorder) end(where *string, args []any) {
	for _, arg := range args {
		if err, ok := arg.(error); ok {
			*where += err.Error()
		}
	}
	if *where == "" {
		*where = "no cargo"
	}
	runtime.Goexit()
}
