package worker

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/loadr-plugins/loadr/loader/plugin"
)

// serialAhead is how many calls of an output or service may be on their way at once; further ones wait. They run one
// after another, so that more would only take places from others when one hangs.
const serialAhead = 16

// object is what all objects of a library share on the client's side.
type object struct {
	client *Client
	number uint64
	name   string
	places chan struct{} // for serialAhead calls; nil: no such bound

	closing sync.Once
	closed  chan struct{}
}

// make has the library make an object.
func (c *Client) make(ctx context.Context, p part) (*object, error) {
	o := &object{client: c, closed: make(chan struct{})}
	if p != partProtocol {
		o.places = make(chan struct{}, serialAhead)
	}
	m := message{what: making[p], kind: kindMake, payload: [2][]byte{{byte(p)}}}
	number, err := c.roundTrip(ctx, m, func(name []byte) error {
		o.name = string(name)
		return nil
	})
	o.number = number
	if err != nil && number != 0 {
		o.drop() // it may still be made, or its number is to be forgotten
	}
	return o, err
}

// Protocol implements plugin.Library.
func (c *Client) Protocol(ctx context.Context) (plugin.Protocol, error) {
	o, err := c.make(ctx, partProtocol)
	if err != nil {
		return nil, err
	}
	return &protocol{o}, nil
}

// Output implements plugin.Library.
func (c *Client) Output(ctx context.Context) (plugin.Output, error) {
	o, err := c.make(ctx, partOutput)
	if err != nil {
		return nil, err
	}
	return &output{o}, nil
}

// Service implements plugin.Library.
func (c *Client) Service(ctx context.Context) (plugin.Service, error) {
	o, err := c.make(ctx, partService)
	if err != nil {
		return nil, err
	}
	return &service{o}, nil
}

// Name implements plugin.Protocol, Output and Service.
func (o *object) Name() string { return o.name }

// Close implements plugin.Protocol, Output and Service: calls that were sent go on to their end.
func (o *object) Close() error {
	o.closing.Do(func() {
		close(o.closed)
		o.drop()
	})
	return nil
}

func (o *object) drop() {
	_ = o.client.send.send(kindDrop, 0, binary.LittleEndian.AppendUint64(nil, o.number)) // a broken pipe drops it too
}

// call sends one call and hands the reply to use.
func (o *object) call(ctx context.Context, m method, text []byte, use func(reply []byte) error) error {
	if err := o.check(text); err != nil {
		return err
	}
	var head [callSize]byte
	putCall(&head, o.number, m)
	_, err := o.client.roundTrip(ctx, message{m.String(), kindCall, [2][]byte{head[:], text}, o}, use)
	return err
}

// check refuses what cannot be sent.
func (o *object) check(text []byte) error {
	select {
	case <-o.closed:
		return o.client.closedError()
	default:
	}
	if limit := MaxPayload - callSize; len(text) > limit {
		return &plugin.RequestError{
			Plugin: o.client.name, Problem: fmt.Sprintf("expected at most %d bytes, found %d", limit, len(text)),
		}
	}
	return nil
}

// protocol implements plugin.Protocol.
type protocol struct{ *object }

func (p *protocol) Execute(ctx context.Context, request []byte, use func(reply []byte) error) error {
	return p.call(ctx, methodExecute, request, use)
}

// output implements plugin.Output.
type output struct{ *object }

func (o *output) Start(ctx context.Context, config []byte) error {
	return o.call(ctx, methodStart, config, ignore)
}

func (o *output) Samples(ctx context.Context, samples []byte) error {
	return o.call(ctx, methodSamples, samples, ignore)
}

func (o *output) Snapshot(ctx context.Context, snapshot []byte) error {
	return o.call(ctx, methodSnapshot, snapshot, ignore)
}

func (o *output) Finish(ctx context.Context, summary []byte) error {
	return o.call(ctx, methodFinish, summary, ignore)
}

func ignore([]byte) error { return nil }

// service implements plugin.Service.
type service struct{ *object }

func (s *service) Start(ctx context.Context, config []byte) (answer string, err error) {
	err = s.call(ctx, methodStart, config, func(reply []byte) error {
		answer = string(reply)
		return nil
	})
	return answer, err
}

func (s *service) Stop(ctx context.Context) error { return s.call(ctx, methodStop, nil, ignore) }
