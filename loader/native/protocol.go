package native

import (
	"bytes"
	"context"
	"unicode/utf8"

	"github.com/loadr-plugins/loadr/loader/plugin"
)

// protocol is one protocol object, by whichever interface.
type protocol struct {
	*object
	// exchange prepares a call. The request is the caller's again once exchange has returned when kept is set, and else
	// after the call.
	exchange func(request []byte, kept bool) exchange
}

// cProtocol gives a protocol of a library of the C interface, which is the library itself: there is nothing to drop.
func (l *Library) cProtocol() (*protocol, error) {
	o, err := l.newObject(l.info.Name, nil)
	if err != nil {
		return nil, err
	}
	return &protocol{o, func(request []byte, kept bool) exchange {
		if kept {
			request = bytes.Clone(request)
		}
		return l.c.exchange(request)
	}}, nil
}

func (l *Library) rustProtocol(m made) *protocol {
	self, execute := m.rust.self(), m.methods[protocolExecute]
	return &protocol{m.object, func(request []byte, _ bool) exchange {
		return l.exchanges.get(l.rust, self, execute, request)
	}}
}

// Execute implements plugin.Protocol. With a context that cannot end, the call runs on the caller's own goroutine;
// otherwise on one of its own, with a copy of the request, since it may outlive Execute.
func (p *protocol) Execute(ctx context.Context, request []byte, use func(reply []byte) error) error {
	if !utf8.Valid(request) {
		return &plugin.RequestError{Plugin: p.lib.name, Problem: "expected UTF-8"}
	}
	watched := watch(ctx)
	if err := p.begin(ctx); err != nil {
		return watched.ended(p.lib.name, "execute", err)
	}
	if ctx.Done() == nil {
		x := p.exchange(request, false)
		defer p.finish(x)
		x.run()
		return p.answer(x, use)
	}
	x := p.exchange(request, true)
	run := func() exchange { x.run(); return x }
	if _, err := apart(ctx, run, p.finish); err != nil {
		return watched.ended(p.lib.name, "execute", err)
	}
	defer p.finish(x)
	return p.answer(x, use)
}

// finish ends what begin began.
func (p *protocol) finish(x exchange) {
	x.finish()
	p.end()
}

// answer checks the reply and lets the caller use it.
func (p *protocol) answer(x exchange, use func(reply []byte) error) error {
	text, problem := x.reply(p.lib.maxReply)
	if problem != "" {
		return plugin.NewReplyError(p.lib.name, "execute", problem, nil)
	}
	if err := plugin.Check(text); err != nil {
		return plugin.NewReplyError(p.lib.name, "execute", err.Error(), text)
	}
	return use(text)
}
