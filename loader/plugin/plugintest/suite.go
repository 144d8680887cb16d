package plugintest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/loadr-plugins/loadr/loader/plugin"
)

// Open gives a library that the suite is alone with, and closes it with the test at the latest. Its plugin is named
// "trouble" and makes all parts, which do what the text that they get says:
//
//	{"do":"sleep","ms":N}  any call takes that long
//	{"do":"refuse"}        start fails with "as the config wants it"
//	{"do":"tell"}          start of an output fails, with the calls that it has seen, separated by |
//	{"do":"not-json"}      execute returns something that is no JSON
//
// Otherwise execute returns the request, and start of a service tells how often it was stopped.
type Open func(t *testing.T) plugin.Library

// Run holds libraries against the contract, each test with one of its own.
func Run(t *testing.T, open Open) {
	for name, test := range map[string]func(*testing.T, plugin.Library){
		"info and parts":          testInfo,
		"names":                   testNames,
		"protocol":                testProtocol,
		"output":                  testOutput,
		"output in order":         testOutputInOrder,
		"output left behind":      testOutputLeftBehind,
		"output from many":        testOutputFromMany,
		"service":                 testService,
		"refusals":                testRefusals,
		"texts that are no JSON":  testBadTexts,
		"deadlines":               testDeadlines,
		"cancelled before":        testCancelledBefore,
		"objects are apart":       testObjectsAreApart,
		"object closed":           testObjectClosed,
		"object closed in a call": testObjectClosedInCall,
		"library closed":          testLibraryClosed,
		"many goroutines":         testManyGoroutines,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

// soon is what calls in tests may take that are expected to return.
const soon = 30 * time.Second

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	t.Cleanup(cancel)
	return ctx
}

func protocolOf(t *testing.T, l plugin.Library) plugin.Protocol {
	t.Helper()
	p, err := l.Protocol(within(t))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func outputOf(t *testing.T, l plugin.Library) plugin.Output {
	t.Helper()
	o, err := l.Output(within(t))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func serviceOf(t *testing.T, l plugin.Library) plugin.Service {
	t.Helper()
	s, err := l.Service(within(t))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// ask gives a copy of the reply.
func ask(ctx context.Context, p plugin.Protocol, request string) (reply string, err error) {
	err = p.Execute(ctx, []byte(request), func(text []byte) error {
		reply = string(text)
		return nil
	})
	return reply, err
}

// seen asks an output which calls it has seen.
func seen(t *testing.T, o plugin.Output) string {
	t.Helper()
	var failure *plugin.FailureError
	if err := o.Start(within(t), []byte(`{"do":"tell"}`)); !errors.As(err, &failure) {
		t.Fatalf("expected what the output has seen, found %v", err)
	}
	return failure.Text
}

func testInfo(t *testing.T, l plugin.Library) {
	if got := l.Info(); got.Name != "trouble" || got.Version != "0.1.0" {
		t.Errorf("info: found %+v", got)
	}
	if got := l.Parts(); got != (plugin.Parts{Output: true, Protocol: true, Service: true}) {
		t.Errorf("parts: found %v", got)
	}
}

func testNames(t *testing.T, l plugin.Library) {
	got := []string{protocolOf(t, l).Name(), outputOf(t, l).Name(), serviceOf(t, l).Name()}
	if want := []string{"a protocol", "an output", "a service"}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("expected %v, found %v", want, got)
	}
}

func testProtocol(t *testing.T, l plugin.Library) {
	p := protocolOf(t, l)
	for name, ctx := range map[string]context.Context{"no deadline": context.Background(), "deadline": within(t)} {
		for _, request := range []string{`{}`, ` {"a":"é"} `, `"` + strings.Repeat("long", 1<<18) + `"`} {
			if got, err := ask(ctx, p, request); err != nil || got != request {
				t.Errorf("%s: sent %.20s, found %.20s, %v", name, request, got, err)
			}
		}
		own := errors.New("of use")
		if err := p.Execute(ctx, []byte(`{}`), func([]byte) error { return own }); err != own {
			t.Errorf("%s: expected the error of use, found %v", name, err)
		}
	}
	_, err := ask(within(t), p, `{"do":"not-json"}`)
	var reply *plugin.ReplyError
	if !errors.As(err, &reply) || reply.Plugin != "trouble" || reply.Call != "execute" || reply.Excerpt == "" {
		t.Errorf("a reply that is no JSON: found %v", err)
	}
}

func testOutput(t *testing.T, l plugin.Library) {
	o := outputOf(t, l)
	ctx := within(t)
	for _, err := range []error{
		o.Start(ctx, []byte(`{"a":1}`)), o.Samples(ctx, []byte(`[1]`)), o.Snapshot(ctx, []byte(`{"b":2}`)),
		o.Finish(ctx, []byte(`{"c":3}`)),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	if got, want := seen(t, o), `start {"a":1}|samples [1]|snapshot {"b":2}|finish {"c":3}`; got != want {
		t.Errorf("expected %s, found %s", want, got)
	}
}

// testOutputInOrder: a caller who waits for each call sees them carried out in order, with and without a deadline.
func testOutputInOrder(t *testing.T, l plugin.Library) {
	o := outputOf(t, l)
	var want []string
	for n := range 200 {
		ctx := context.Background()
		if n%2 == 0 {
			ctx = within(t)
		}
		text := fmt.Sprintf(`{"n":%d}`, n)
		if err := o.Snapshot(ctx, []byte(text)); err != nil {
			t.Fatal(err)
		}
		want = append(want, "snapshot "+text)
	}
	if got := seen(t, o); got != strings.Join(want, "|") {
		t.Errorf("expected %v, found %v", want, got)
	}
}

// testOutputLeftBehind: what comes after a call that its caller left waits for its end.
func testOutputLeftBehind(t *testing.T, l plugin.Library) {
	o := outputOf(t, l)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	slow := `{"do":"sleep","ms":400}`
	err := o.Snapshot(ctx, []byte(slow))
	var timeout *plugin.TimeoutError
	if !errors.As(err, &timeout) || timeout.Call != "on_snapshot" || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("found %v", err)
	}
	if err := o.Snapshot(within(t), []byte(`{}`)); err != nil {
		t.Error(err)
	}
	if got, want := seen(t, o), "snapshot "+slow+"|snapshot {}"; got != want {
		t.Errorf("expected %s, found %s", want, got)
	}
}

func testOutputFromMany(t *testing.T, l plugin.Library) {
	o := outputOf(t, l)
	const callers, calls = 20, 10
	var wg sync.WaitGroup
	for g := range callers {
		wg.Go(func() {
			for n := range calls {
				if err := o.Samples(within(t), fmt.Appendf(nil, "[%d,%d]", g, n)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	next := map[string]int{} // of each caller
	got := strings.Split(seen(t, o), "|")
	for _, call := range got {
		caller, n, _ := strings.Cut(strings.Trim(strings.TrimPrefix(call, "samples "), "[]"), ",")
		if n != fmt.Sprint(next[caller]) {
			t.Errorf("caller %s: expected call %d next, found %s", caller, next[caller], n)
		}
		next[caller]++
	}
	if len(got) != callers*calls {
		t.Errorf("expected %d calls, found %d", callers*calls, len(got))
	}
}

func testService(t *testing.T, l plugin.Library) {
	s := serviceOf(t, l)
	for n := range 3 {
		want := fmt.Sprintf("started, stopped %d times", n)
		if got, err := s.Start(within(t), []byte(`{}`)); err != nil || got != want {
			t.Errorf("expected %q, found %q, %v", want, got, err)
		}
		if err := s.Stop(within(t)); err != nil {
			t.Error(err)
		}
	}
}

func testRefusals(t *testing.T, l plugin.Library) {
	refuse := []byte(`{"do":"refuse"}`)
	_, service := serviceOf(t, l).Start(within(t), refuse)
	for name, err := range map[string]error{"output": outputOf(t, l).Start(within(t), refuse), "service": service} {
		var failure *plugin.FailureError
		want := plugin.FailureError{Plugin: "trouble", Call: "start", Text: "as the config wants it"}
		if !errors.As(err, &failure) || *failure != want {
			t.Errorf("%s: found %v", name, err)
		}
	}
}

// testBadTexts: what is no JSON, or for a request no UTF-8, is not handed over.
func testBadTexts(t *testing.T, l plugin.Library) {
	o, s, p := outputOf(t, l), serviceOf(t, l), protocolOf(t, l)
	ctx := within(t)
	_, service := s.Start(ctx, []byte(`{`))
	_, protocol := ask(ctx, p, "\"\xff\"")
	for name, err := range map[string]error{
		"start": o.Start(ctx, []byte(`{"a"}`)), "samples": o.Samples(ctx, []byte(`[1`)), "snapshot": o.Snapshot(ctx, nil),
		"finish": o.Finish(ctx, []byte("\"\xff\"")), "service": service, "protocol": protocol,
	} {
		var request *plugin.RequestError
		if !errors.As(err, &request) || request.Plugin != "trouble" {
			t.Errorf("%s: found %v", name, err)
		}
	}
	if got := seen(t, o); got != "" {
		t.Errorf("the output saw %s", got)
	}
}
