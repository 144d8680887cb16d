package worker

import (
	"context"
	"sync"

	"github.com/loadr-plugins/loadr/loader/plugin"
)

// served is one object on the server's side.
type served struct {
	made     chan struct{} // closed when the library has made it, or could not
	protocol plugin.Protocol
	output   plugin.Output
	service  plugin.Service

	calls sync.WaitGroup // that were sent before a drop
	mu    sync.Mutex
	queue []func() // of an output or service
	busy  bool     // a goroutine works off the queue
}

// make has the library make the object. Nothing ends its context: whoever does not wait sends a drop.
func (o *served) make(library plugin.Library, p part) (err error) {
	ctx := context.Background()
	switch p {
	case partOutput:
		o.output, err = library.Output(ctx)
	case partProtocol:
		o.protocol, err = library.Protocol(ctx)
	case partService:
		o.service, err = library.Service(ctx)
	}
	return err
}

func (o *served) name() string {
	switch {
	case o.output != nil:
		return o.output.Name()
	case o.protocol != nil:
		return o.protocol.Name()
	default:
		return o.service.Name()
	}
}

// submit has work done on another goroutine: of a protocol each by itself, of the others in order. The object was made.
func (o *served) submit(work func()) {
	if o.protocol != nil {
		go work()
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.queue = append(o.queue, work)
	if !o.busy {
		o.busy = true
		go o.workOff()
	}
}

func (o *served) workOff() {
	for {
		o.mu.Lock()
		if len(o.queue) == 0 {
			o.busy, o.queue = false, nil
			o.mu.Unlock()
			return
		}
		work := o.queue[0]
		o.queue = o.queue[1:]
		o.mu.Unlock()
		work()
	}
}

// run carries out one call on this goroutine, which needs no context as nothing ends it, and gives the reply to send
// where there is one: straight from the plugin's memory into what is written next.
func (o *served) run(m method, text []byte, send func(reply []byte)) (err error) {
	ctx := context.Background()
	var answer string
	switch {
	case o.protocol != nil && m == methodExecute:
		return o.protocol.Execute(ctx, text, func(reply []byte) error {
			send(reply)
			return nil
		})
	case o.output != nil && m == methodStart:
		err = o.output.Start(ctx, text)
	case o.output != nil && m == methodSamples:
		err = o.output.Samples(ctx, text)
	case o.output != nil && m == methodSnapshot:
		err = o.output.Snapshot(ctx, text)
	case o.output != nil && m == methodFinish:
		err = o.output.Finish(ctx, text)
	case o.service != nil && m == methodStart:
		answer, err = o.service.Start(ctx, text)
	case o.service != nil && m == methodStop:
		err = o.service.Stop(ctx)
	default:
		err = &FrameError{"found a call of " + m.String() + ", which the object does not have"}
	}
	if err == nil {
		send([]byte(answer))
	}
	return err
}

// drop waits for the calls that were sent before it.
func (o *served) drop() {
	<-o.made
	o.calls.Wait()
	switch {
	case o.output != nil:
		_ = o.output.Close() // nobody listens for its result
	case o.protocol != nil:
		_ = o.protocol.Close()
	case o.service != nil:
		_ = o.service.Close()
	}
}
