package native

import (
	"context"

	"github.com/loadr-plugins/loadr/loader/plugin"
)

// serial is an object whose methods need it for themselves (`&mut self`): its calls take turns.
type serial struct {
	*object
	self    uintptr
	methods []uintptr
	turn    chan struct{} // holds one word while a call runs
}

func newSerial(m made) *serial {
	return &serial{m.object, m.rust.self(), m.methods, make(chan struct{}, 1)}
}

// takeTurn waits for the call before, which may be one that its caller has left behind.
func (s *serial) takeTurn(ctx context.Context) error {
	select {
	case <-s.closed:
		return s.closedError()
	default:
	}
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-s.closed:
		return s.closedError()
	case <-ctx.Done():
		return &waitError{ctx.Err()}
	}
}

// kind is what a method returns.
type kind int

const (
	nothing   kind = iota // ()
	unitOrErr             // RResult<(), RString>
	textOrErr             // RResult<RString, RString>
)

// method is one call.
type method struct {
	name string
	at   int // in the vtable
	kind kind
}

type outcome struct {
	text string
	err  error
}

// call carries out one call in its turn. A text, where the method takes one, is JSON.
func (s *serial) call(ctx context.Context, m method, text []byte) (string, error) {
	watched := watch(ctx)
	if err := s.takeTurn(ctx); err != nil {
		return "", watched.ended(s.lib.name, m.name, err)
	}
	if err := s.begin(ctx); err != nil {
		<-s.turn
		return "", watched.ended(s.lib.name, m.name, err)
	}
	f := &frame{self: s.self}
	if text != nil {
		f.text.fill(s.lib.rust.strings, text)
	}
	work := func() outcome {
		defer func() { <-s.turn; s.end() }()
		return s.run(f, m)
	}
	if ctx.Done() == nil {
		o := work()
		return o.text, o.err
	}
	o, err := apart(ctx, work, func(outcome) {})
	if err != nil {
		return "", watched.ended(s.lib.name, m.name, err)
	}
	return o.text, o.err
}

// callWithText checks a text before it hands it over.
func (s *serial) callWithText(ctx context.Context, m method, text []byte) (string, error) {
	if err := plugin.Check(text); err != nil {
		return "", &plugin.RequestError{Plugin: s.lib.name, Problem: m.name + ": " + err.Error()}
	}
	return s.call(ctx, m, text)
}

// run carries out the call on this thread and takes its result, an RResult of 40 bytes: a tag in its first byte, and a
// string 8 bytes on where there is one.
func (s *serial) run(f *frame, m method) outcome {
	if m.kind == nothing {
		f.call(s.methods[m.at])
		return outcome{}
	}
	f.callForResult(s.methods[m.at])
	failed := uint8(f.out[0]) != tagOK
	if !failed && m.kind == unitOrErr {
		return outcome{}
	}
	text, problem := takeText(f.result(1), s.lib.maxReply)
	switch {
	case problem != "":
		return outcome{err: plugin.NewReplyError(s.lib.name, m.name, problem, []byte(text))}
	case failed:
		return outcome{err: &plugin.FailureError{Plugin: s.lib.name, Call: m.name, Text: text}}
	}
	return outcome{text: text}
}

// output implements plugin.Output.
type output struct{ *serial }

func (o *output) Start(ctx context.Context, config []byte) error {
	return o.hand(ctx, method{"start", outputStart, unitOrErr}, config)
}

func (o *output) Samples(ctx context.Context, samples []byte) error {
	return o.hand(ctx, method{"on_samples", outputSamples, nothing}, samples)
}

func (o *output) Snapshot(ctx context.Context, snapshot []byte) error {
	return o.hand(ctx, method{"on_snapshot", outputSnapshot, nothing}, snapshot)
}

func (o *output) Finish(ctx context.Context, summary []byte) error {
	return o.hand(ctx, method{"finish", outputFinish, nothing}, summary)
}

func (o *output) hand(ctx context.Context, m method, text []byte) error {
	_, err := o.callWithText(ctx, m, text)
	return err
}

// service implements plugin.Service.
type service struct{ *serial }

func (s *service) Start(ctx context.Context, config []byte) (string, error) {
	return s.callWithText(ctx, method{"start", serviceStart, textOrErr}, config)
}

func (s *service) Stop(ctx context.Context) error {
	_, err := s.call(ctx, method{"stop", serviceStop, nothing}, nil)
	return err
}
