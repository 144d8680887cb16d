package rust

import (
	"runtime"
	"strings"
	"testing"

	"github.com/loadr-plugins/loadr/internal/testplugin"
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
