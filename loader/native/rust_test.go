package native_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/internal/testplugin"
	"github.com/loadr-plugins/loadr/loader"
	"github.com/loadr-plugins/loadr/loader/abistable"
	"github.com/loadr-plugins/loadr/loader/native"
	"github.com/loadr-plugins/loadr/loader/plugin"
	"github.com/loadr-plugins/loadr/manifest"
)

// rustTrouble compiles testdata/trouble, and gives the test a library of its own: some bytes at the end, which nobody
// reads, make it another one to the process.
func rustTrouble(t testing.TB, features ...string) native.Options {
	t.Helper()
	target, ok := loader.HostTarget()
	if !ok {
		t.Skip("this machine's target is not known")
	}
	built := testplugin.Rust(t, target, "loader/native/testdata/trouble", testplugin.RustOptions{Features: features})
	text, err := os.ReadFile(built)
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, t.Name()...)
	path := filepath.Join(t.TempDir(), filepath.Base(built))
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return native.Options{Path: path, Digest: digest.FromBytes(text), Name: "trouble", TempDir: t.TempDir()}
}

// counts are what testdata/trouble knows of itself.
type counts struct {
	Infos       int `json:"infos"`
	Modules     int `json:"modules"`
	Made        int `json:"made"`
	Dropped     int `json:"dropped"`
	DroppedBusy int `json:"dropped_busy"`
	Calls       int `json:"calls"`
	MostBusy    int `json:"most_busy"`
	Overlaps    int `json:"overlaps"`    // of calls of one output or service
	Foreign     int `json:"foreign"`     // strings freed by a vtable that is not the library's
	Allocations int `json:"allocations"` // alive, of its allocator
	Bytes       int `json:"bytes"`       // in them
}

// count asks by a service of its own, which takes no string of the pool.
func count(t testing.TB, lib *native.Library) (c counts) {
	t.Helper()
	s, err := lib.Service(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	text, err := s.Start(context.Background(), []byte(`{"do":"stats"}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func protocolOf(t testing.TB, lib *native.Library) plugin.Protocol {
	t.Helper()
	p, err := lib.Protocol(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func send(ctx context.Context, p plugin.Protocol, request string) (reply string, err error) {
	err = p.Execute(ctx, []byte(request), func(text []byte) error {
		reply = string(text)
		return nil
	})
	return reply, err
}

func TestRustInfoAndParts(t *testing.T) {
	lib := openLibrary(t, rustTrouble(t))
	info := lib.Info()
	if info.Name != "trouble" || info.Version != "0.1.0" || info.Kind != "protocol" || fmt.Sprint(info.Schemes) != "[trouble]" {
		t.Errorf("found %+v", info)
	}
	if lib.Parts() != (plugin.Parts{Output: true, Protocol: true, Service: true}) {
		t.Errorf("found %v", lib.Parts())
	}
	if p := protocolOf(t, lib); p.Name() != "a protocol" {
		t.Errorf("found %q", p.Name())
	}
	o, err := lib.Output(t.Context())
	if err != nil || o.Name() != "an output" {
		t.Errorf("found %v, %v", o, err)
	}
}

func TestRustWithoutParts(t *testing.T) {
	lib := openLibrary(t, rustTrouble(t, "nothing"))
	if lib.Parts() != (plugin.Parts{}) {
		t.Errorf("found %v", lib.Parts())
	}
	_, protocol := lib.Protocol(t.Context())
	_, output := lib.Output(t.Context())
	_, service := lib.Service(t.Context())
	for name, err := range map[string]error{"protocol": protocol, "output": output, "service": service} {
		var part *plugin.PartError
		if !errors.As(err, &part) || *part != (plugin.PartError{Plugin: "trouble", Part: name}) {
			t.Errorf("%s: found %v", name, err)
		}
	}
}

func TestCHasNoOutput(t *testing.T) {
	lib := openLibrary(t, trouble(t))
	_, err := lib.Output(t.Context())
	var part *plugin.PartError
	if !errors.As(err, &part) || *part != (plugin.PartError{Plugin: "trouble", Part: "output", Has: plugin.Parts{Protocol: true}}) {
		t.Errorf("found %v", err)
	}
}

func TestRustExecuteFromManyGoroutines(t *testing.T) {
	const goroutines, calls = 400, 200
	o := rustTrouble(t)
	lib := openLibrary(t, o)
	before := count(t, lib)
	p := protocolOf(t, lib)
	ctx, cancel := context.WithCancel(t.Context()) // the path with a goroutine of its own for each call
	defer cancel()
	var wg sync.WaitGroup
	for g := range goroutines {
		ctx := ctx
		if g%2 == 0 {
			ctx = context.Background()
		}
		wg.Go(func() {
			for n := range calls {
				request := fmt.Appendf(nil, `{"g":%d,"n":%d,"pad":"%s"}`, g, n, strings.Repeat("x", n*g%3000))
				err := p.Execute(ctx, request, func(reply []byte) error {
					if !bytes.Equal(reply, request) {
						return fmt.Errorf("sent %s, found %s", request, reply)
					}
					return nil
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	after := count(t, lib)
	if made := after.Calls - before.Calls; made != goroutines*calls+1 {
		t.Errorf("found %d calls", made)
	}
	if after.Infos != 1 || after.Modules != 1 || after.Foreign != 0 {
		t.Errorf("found %+v", after)
	}
	if kept := after.Allocations - before.Allocations; kept > 64 {
		t.Errorf("expected at most the pool's 64 strings, found %d", kept)
	}
	if err := lib.Close(); err != nil {
		t.Fatal(err)
	}
	again := openLibrary(t, o)
	if last := count(t, again); last.Allocations != before.Allocations || last.Bytes != before.Bytes {
		t.Errorf("expected no string left after Close, before %+v, found %+v", before, last)
	}
}

func TestRustReplies(t *testing.T) {
	tests := map[string]struct {
		request string
		problem string // of the ReplyError
	}{
		"empty":     {`{"do":"empty"}`, "expected a value at byte 0"},
		"zero":      {`{"do":"null"}`, "found a string without a vtable"},
		"not JSON":  {`{"do":"not-json"}`, "expected a comma or the end of the array or object at byte 6"},
		"not UTF-8": {`{"do":"not-utf8"}`, "not UTF-8 at byte 1"},
		"too big":   {`{"do":"big","bytes":1001}`, "found 1001 bytes, more than the limit of 1000"},
	}
	o := rustTrouble(t)
	o.MaxReply = 1000
	lib := openLibrary(t, o)
	p := protocolOf(t, lib)
	for name, tt := range tests {
		for _, ctx := range []context.Context{context.Background(), t.Context()} {
			_, err := send(ctx, p, tt.request)
			var reply *plugin.ReplyError
			if !errors.As(err, &reply) || reply.Problem != tt.problem || reply.Plugin != "trouble" || reply.Call != "execute" {
				t.Errorf("%s: found %v", name, err)
			}
		}
	}
	if reply, err := send(t.Context(), p, `{"do":"big","bytes":1000}`); err != nil || len(reply) != 1000 {
		t.Errorf("found %d bytes, %v", len(reply), err)
	}
}

// A string that another vtable made must go back there, and never become a request's buffer.
func TestRustForeignStrings(t *testing.T) {
	lib := openLibrary(t, rustTrouble(t))
	p := protocolOf(t, lib)
	for range 10 {
		if reply, err := send(context.Background(), p, `{"do":"foreign"}`); err != nil || reply != `{"foreign":true}` {
			t.Fatalf("found %s, %v", reply, err)
		}
		if _, err := send(context.Background(), p, `{"longer than":"the foreign reply, so that its buffer would have to grow"}`); err != nil {
			t.Fatal(err)
		}
	}
	if c := count(t, lib); c.Foreign != 10 {
		t.Errorf("expected 10 strings freed by their own vtable, found %+v", c)
	}
}

// Buffers up to a limit are kept, larger ones are not.
func TestRustLargeBuffersAreNotKept(t *testing.T) {
	lib := openLibrary(t, rustTrouble(t))
	p := protocolOf(t, lib)
	before := count(t, lib)
	for _, size := range []int{4 << 20, 1<<20 + 1} {
		if _, err := send(context.Background(), p, fmt.Sprintf(`{"do":"big","bytes":%d}`, size)); err != nil {
			t.Fatal(err)
		}
		if after := count(t, lib); after.Bytes != before.Bytes {
			t.Errorf("%d bytes: expected none of them kept, found %d", size, after.Bytes-before.Bytes)
		}
	}
	if _, err := send(context.Background(), p, fmt.Sprintf(`{"do":"big","bytes":%d}`, 400_000)); err != nil {
		t.Fatal(err)
	}
	if kept := count(t, lib).Bytes - before.Bytes; kept < 400_000 || kept > 1<<20 {
		t.Errorf("expected one buffer kept, found %d bytes", kept)
	}
}

func TestRustDeadline(t *testing.T) {
	lib := openLibrary(t, rustTrouble(t))
	p := protocolOf(t, lib)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	started := time.Now()
	_, err := send(ctx, p, `{"do":"sleep","ms":600}`)
	var timeout *plugin.TimeoutError
	if !errors.As(err, &timeout) || timeout.Plugin != "trouble" || timeout.Call != "execute" || timeout.After < 40*time.Millisecond {
		t.Errorf("found %v", err)
	}
	if took := time.Since(started); took > 450*time.Millisecond {
		t.Errorf("returned after %v", took)
	}
	// The object outlives its closing until the call that was left behind has ended.
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if c := count(t, lib); c.Dropped != 0 && c.Made-c.Dropped < 2 { // the protocol, and the service that counts
		t.Errorf("dropped while it runs: %+v", c)
	}
	eventually(t, func() bool { c := count(t, lib); return c.Made-c.Dropped == 1 })
	if c := count(t, lib); c.DroppedBusy != 0 {
		t.Errorf("found %+v", c)
	}
}

func eventually(t testing.TB, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it did not happen in 10 seconds")
		}
	}
}

func TestRustCloseDuringCalls(t *testing.T) {
	lib := openLibrary(t, rustTrouble(t))
	const objects, callers = 20, 10
	var wg sync.WaitGroup
	for range objects {
		p := protocolOf(t, lib)
		for range callers {
			wg.Go(func() {
				for {
					_, err := send(context.Background(), p, `{"do":"sleep","ms":1}`)
					var closed *plugin.ClosedError
					if errors.As(err, &closed) {
						return
					}
					if err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		time.AfterFunc(20*time.Millisecond, func() { _ = p.Close(); _ = p.Close() })
	}
	wg.Wait()
	eventually(t, func() bool { return count(t, lib).Dropped >= objects })
	if c := count(t, lib); c.Made-c.Dropped != 1 || c.DroppedBusy != 0 {
		t.Errorf("expected each object dropped once, found %+v", c)
	}
}

func TestRustLibraryCloseDropsItsObjects(t *testing.T) {
	o := rustTrouble(t)
	lib := openLibrary(t, o)
	other := openLibrary(t, o)
	p := protocolOf(t, lib)
	output, err := lib.Output(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	service, err := lib.Service(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := lib.Close(); err != nil {
		t.Fatal(err)
	}
	_, protocol := send(t.Context(), p, `{}`)
	_, start := service.Start(t.Context(), []byte("{}"))
	_, again := lib.Protocol(t.Context())
	for name, err := range map[string]error{
		"execute": protocol, "samples": output.Samples(t.Context(), []byte("[]")), "service": start, "protocol": again,
	} {
		var closed *plugin.ClosedError
		if !errors.As(err, &closed) || closed.Plugin != "trouble" {
			t.Errorf("%s: found %v", name, err)
		}
	}
	if c := count(t, other); c.Made != 4 || c.Dropped != 3 || c.Infos != 1 || c.Modules != 1 {
		t.Errorf("expected one module for both, and three objects dropped, found %+v", c)
	}
}

func TestRustTwoLibrariesAtOnce(t *testing.T) {
	first := openLibrary(t, rustTrouble(t))
	o := rustTrouble(t, "nothing")
	second := openLibrary(t, o)
	target, _ := loader.HostTarget()
	third := openLibrary(t, options(t, testplugin.Rust(t, target, "examples/echo-proto", testplugin.RustOptions{})))
	if !first.Parts().Service || second.Parts().Service || third.Parts() != (plugin.Parts{Protocol: true}) {
		t.Errorf("found %v, %v and %v", first.Parts(), second.Parts(), third.Parts())
	}
	var wg sync.WaitGroup
	for _, lib := range []*native.Library{first, third} {
		p := protocolOf(t, lib)
		wg.Go(func() {
			for range 2000 {
				if _, err := send(context.Background(), p, `{"name":"n","method":"SEND","url":"echo://h","headers":[],"body_b64":"aGk=","timeout_ms":1,"config":{}}`); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if c := count(t, first); c.Foreign != 0 || c.Calls != 2001 {
		t.Errorf("found %+v", c)
	}
}

func TestRustOpenErrors(t *testing.T) {
	tests := map[string]struct {
		feature string
		check   func(t *testing.T, err error, path string)
	}{
		"constructor panics": {"constructor-panics", func(t *testing.T, err error, path string) {
			var e *plugin.ConstructorError
			if !errors.As(err, &e) || *e != (plugin.ConstructorError{Library: path, Panicked: true}) {
				t.Errorf("found %v", err)
			}
		}},
		"constructor fails": {"constructor-fails", func(t *testing.T, err error, path string) {
			var e *plugin.ConstructorError
			if !errors.As(err, &e) || *e != (plugin.ConstructorError{Library: path}) {
				t.Errorf("found %v", err)
			}
		}},
		"version 2": {"version-2", func(t *testing.T, err error, path string) {
			var e *plugin.VersionError
			if !errors.As(err, &e) || *e != (plugin.VersionError{Library: path, Want: 1, Found: 2}) {
				t.Errorf("found %v", err)
			}
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			o := rustTrouble(t, tt.feature)
			_, err := native.Open(t.Context(), o)
			tt.check(t, err, o.Path)
			if left, _ := os.ReadDir(o.TempDir); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
	t.Run("as a C library", func(t *testing.T) {
		o := rustTrouble(t)
		o.Family = manifest.FamilyC
		_, err := native.Open(t.Context(), o)
		var e *plugin.MissingSymbolError
		if !errors.As(err, &e) || e.Symbol != "loadr_plugin_abi_version" {
			t.Errorf("found %v", err)
		}
	})
}

// A library that does not fit is refused before any of its code runs, also what runs when a library is opened.
func TestRustLayoutMismatch(t *testing.T) {
	o := rustTrouble(t, "stranger")
	trace := filepath.Join(t.TempDir(), "trace")
	t.Setenv("TROUBLE_OPENED", trace)
	_, err := native.Open(t.Context(), o)
	var e *plugin.LayoutError
	if !errors.As(err, &e) || e.Library != o.Path || e.Report.Verdict != manifest.Differs || len(e.Report.Problems) == 0 {
		t.Errorf("found %v", err)
	}
	if _, err := os.Stat(trace); err == nil {
		t.Error("it ran when it was refused")
	}
	if left, _ := os.ReadDir(o.TempDir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	report, err := native.WalkLive(o.Path, abistable.Default())
	if err != nil || report.ABI.Verdict != manifest.Differs || report.ABI.Layout != e.Report.Layout {
		t.Errorf("found %+v, %v", report, err)
	}
	if _, err := os.Stat(trace); err != nil && runtime.GOOS == "linux" {
		t.Errorf("opening it leaves no trace, so that its absence says nothing: %v", err)
	}
}

func TestRustNameMustBeUTF8(t *testing.T) {
	lib := openLibrary(t, rustTrouble(t, "unnamed"))
	_, err := lib.Output(t.Context())
	var reply *plugin.ReplyError
	if !errors.As(err, &reply) || reply.Call != "name" || reply.Problem != "not UTF-8" || reply.Excerpt != "\"\xff\"" {
		t.Errorf("found %v", err)
	}
}
