package plugin

import (
	"fmt"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/manifest"
)

// DigestError says that a file does not hold the bytes that were asked for. Nothing of it was opened.
type DigestError struct {
	Path  string        `json:"path"`
	Want  digest.Digest `json:"want"`
	Found digest.Digest `json:"found"`
}

func (e *DigestError) Error() string {
	return fmt.Sprintf("library %s: expected %s, found %s", e.Path, e.Want, e.Found)
}

// OpenError says that the system could not open a library.
type OpenError struct {
	Library string `json:"library"` // path of the file that was to be opened
	Problem string `json:"problem"` // the system's words
}

func (e *OpenError) Error() string {
	return fmt.Sprintf("library %s: cannot open: %s", e.Library, e.Problem)
}

// Hint gives advice for the usual causes.
func (e *OpenError) Hint() string {
	switch {
	case strings.Contains(e.Problem, "failed to map segment"):
		return "the folder for temporary files may forbid running programs (noexec); set TMPDIR to another one"
	case strings.Contains(e.Problem, "GLIBC_"), strings.Contains(e.Problem, "libc.musl"):
		return "the library was built for another C library than this machine's"
	case strings.Contains(e.Problem, "cannot open shared object file"):
		return "a library that the plugin needs is not installed"
	}
	return ""
}

// FamilyError says that a library is to be called through an interface that this program does not host.
type FamilyError struct {
	Library string            `json:"library"`
	Family  manifest.Family   `json:"family"`
	Hosted  []manifest.Family `json:"hosted"`
}

func (e *FamilyError) Error() string {
	return fmt.Sprintf("library %s: expected an interface of %v, found %q", e.Library, e.Hosted, e.Family)
}

// MissingSymbolError says that a library does not export a function of its interface.
type MissingSymbolError struct {
	Library string `json:"library"`
	Symbol  string `json:"symbol"`
}

func (e *MissingSymbolError) Error() string {
	return fmt.Sprintf("library %s: expected the function %s, found no such export", e.Library, e.Symbol)
}

// VersionError says that a library implements another version of the interface.
type VersionError struct {
	Library string `json:"library"`
	Want    uint32 `json:"want"`
	Found   uint32 `json:"found"`
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("library %s: expected plugin interface version %d, found %d", e.Library, e.Want, e.Found)
}

// ModuleError says that a library's root module, or an object that it made, is not what its layout promises.
type ModuleError struct {
	Library string `json:"library"`
	Field   string `json:"field"`   // such as info, make_output or output.start
	Problem string `json:"problem"` // such as absent
}

func (e *ModuleError) Error() string {
	return fmt.Sprintf("library %s: root module: %s: expected what its layout promises, found it %s", e.Library, e.Field, e.Problem)
}

// ConstructorError says that a library did not make its root module.
type ConstructorError struct {
	Library  string `json:"library"`
	Panicked bool   `json:"panicked"` // else it returned an error, whose text is the library's own
}

func (e *ConstructorError) Error() string {
	how := "returned an error"
	if e.Panicked {
		how = "panicked"
	}
	return fmt.Sprintf("library %s: expected its root module, found that its constructor %s", e.Library, how)
}

// LayoutError says that a library's interface was not found to fit this host's by reading the file, so it was not opened.
type LayoutError struct {
	Library string             `json:"library"`
	Report  manifest.ABIReport `json:"report"` // its verdict is not "fits"
}

func (e *LayoutError) Error() string {
	text := fmt.Sprintf("library %s: not opened: its %s interface: verdict %q", e.Library, e.Report.Family, e.Report.Verdict)
	for _, p := range e.Report.Problems {
		text += fmt.Sprintf("; %s: %s: expected %s, found %s", p.Path, p.Rule, p.Want, p.Got)
	}
	return text
}

// Hint says what to do.
func (e *LayoutError) Hint() string {
	return "build the plugin against the interface that this host has; `loadr plugin info` shows the library's"
}

// PartError says that a library does not make what was asked for.
type PartError struct {
	Plugin string `json:"plugin"`
	Part   string `json:"part"` // output, protocol or service
	Has    Parts  `json:"has"`
}

func (e *PartError) Error() string {
	return fmt.Sprintf("plugin %q: expected a library with %s, found one with %s", e.Plugin, e.Part, e.Has)
}

// String lists the parts.
func (p Parts) String() string {
	var names []string
	for _, part := range []struct {
		name string
		has  bool
	}{{"output", p.Output}, {"protocol", p.Protocol}, {"service", p.Service}} {
		if part.has {
			names = append(names, part.name)
		}
	}
	if names == nil {
		return "nothing"
	}
	return strings.Join(names, ", ")
}

// FailureError is a plugin's own answer that a call has failed.
type FailureError struct {
	Plugin string `json:"plugin"`
	Call   string `json:"call"` // such as start
	Text   string `json:"text"` // the plugin's words
}

func (e *FailureError) Error() string {
	return fmt.Sprintf("plugin %q: %s failed: %s", e.Plugin, e.Call, e.Text)
}

// RequestError says that a request was not handed over, since it is not what the interface allows.
type RequestError struct {
	Plugin  string `json:"plugin"`
	Problem string `json:"problem"`
}

func (e *RequestError) Error() string {
	return fmt.Sprintf("plugin %q: request: %s", e.Plugin, e.Problem)
}

// excerptSize is how much of a bad reply an error keeps, in bytes.
const excerptSize = 200

// ReplyError says that a plugin returned something that is not a reply: null, too much, no UTF-8 or no JSON.
type ReplyError struct {
	Plugin  string `json:"plugin"`
	Call    string `json:"call"` // info or execute, whose reply is JSON; name or start, whose is any text
	Problem string `json:"problem"`
	Excerpt string `json:"excerpt"` // the reply's beginning; may not be UTF-8
}

// NewReplyError keeps the beginning of the reply, so that the error outlives it.
func NewReplyError(plugin, call, problem string, reply []byte) *ReplyError {
	return &ReplyError{plugin, call, problem, string(reply[:min(len(reply), excerptSize)])}
}

func (e *ReplyError) Error() string {
	want := "in JSON"
	if e.Call != "info" && e.Call != "execute" {
		want = "in UTF-8"
	}
	text := fmt.Sprintf("plugin %q: %s: expected a reply %s: %s", e.Plugin, e.Call, want, e.Problem)
	if e.Excerpt != "" {
		text += fmt.Sprintf(": found %q", e.Excerpt)
	}
	return text
}

// TimeoutError says that the context's deadline passed before the plugin replied. It is a context.DeadlineExceeded.
type TimeoutError struct {
	Plugin string        `json:"plugin"`
	Call   string        `json:"call"`     // start, info or execute
	After  time.Duration `json:"after_ns"` // how long the caller waited
	cause  error
}

// NewTimeoutError wraps the context's error.
func NewTimeoutError(plugin, call string, after time.Duration, cause error) *TimeoutError {
	return &TimeoutError{plugin, call, after, cause}
}

func (e *TimeoutError) Error() string {
	return fmt.Sprintf("plugin %q: %s: no reply after %s", e.Plugin, e.Call, e.After.Round(time.Millisecond))
}

// Unwrap gives the context's error.
func (e *TimeoutError) Unwrap() error { return e.cause }

// Timeout follows net.Error.
func (e *TimeoutError) Timeout() bool { return true }

// ClosedError says that the plugin was closed by its host before the call was done.
type ClosedError struct{ Plugin string }

func (e *ClosedError) Error() string { return fmt.Sprintf("plugin %q: closed", e.Plugin) }

// CrashError says that the process in which a plugin ran has ended by itself, with a call in flight or before one.
type CrashError struct {
	Plugin    string `json:"plugin"`
	Signal    string `json:"signal"`     // such as SIGSEGV; empty: it exited
	ExitCode  int    `json:"exit_code"`  // meaningful when Signal is empty
	LastWords string `json:"last_words"` // the end of what it wrote to standard output and standard error; may not be UTF-8
}

func (e *CrashError) Error() string {
	how := "exit code " + fmt.Sprint(e.ExitCode)
	if e.Signal != "" {
		how = "signal " + e.Signal
	}
	text := fmt.Sprintf("plugin %q: its process ended: %s", e.Plugin, how)
	if last := lastLine(e.LastWords); last != "" {
		text += ": " + last
	}
	return text
}

// Hint says what a crash means for the caller.
func (e *CrashError) Hint() string {
	return "the fault is in the plugin; it ran in a process of its own, so nothing else was harmed"
}

func lastLine(words string) string {
	words = strings.TrimSpace(words)
	return strings.ToValidUTF8(strings.TrimSpace(words[strings.LastIndexByte(words, '\n')+1:]), "?")
}

// WorkerError says that the worker program could not be started or is not the one that belongs to this program.
type WorkerError struct {
	Path    string `json:"path"`
	Problem string `json:"problem"`
	cause   error
}

// NewWorkerError wraps cause, which may be nil.
func NewWorkerError(path, problem string, cause error) *WorkerError {
	return &WorkerError{path, problem, cause}
}

func (e *WorkerError) Error() string { return fmt.Sprintf("worker program %s: %s", e.Path, e.Problem) }

// Unwrap gives the cause, such as fs.ErrNotExist.
func (e *WorkerError) Unwrap() error { return e.cause }

// Hint says what to do.
func (e *WorkerError) Hint() string {
	return "loadr and loadr-worker must lie in one folder and come from the same release; install both again"
}
