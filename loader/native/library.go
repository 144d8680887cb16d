package native

import (
	"context"
	"sync"

	"github.com/loadr-plugins/loadr/loader/plugin"
)

// Library is one handle on an opened library; it implements plugin.Library. Each handle has its own bound of calls in
// flight and its own objects. All methods may be called from many goroutines at once.
type Library struct {
	*library
	path      string // for messages
	name      string
	maxReply  int
	gate      gate
	exchanges exchangePool
	remove    func() error // the private copy
	close     func() error

	mu      sync.Mutex
	closed  bool
	objects map[*object]struct{} // that are not closed
}

func newLibrary(opened *library, o Options, remove func() error) *Library {
	l := &Library{
		library: opened, path: o.Path, name: o.Name, maxReply: o.MaxReply, remove: remove,
		objects: map[*object]struct{}{},
	}
	l.gate.free.Store(int64(o.Concurrent))
	l.close = sync.OnceValue(l.closeNow)
	return l
}

// Info implements plugin.Library.
func (l *Library) Info() plugin.Info { return l.info }

// Parts implements plugin.Library.
func (l *Library) Parts() plugin.Parts {
	if l.rust != nil {
		return l.rust.parts()
	}
	return plugin.Parts{Protocol: true}
}

// Close implements plugin.Library: it closes all objects and removes the private copy. The library stays loaded.
func (l *Library) Close() error { return l.close() }

func (l *Library) closeNow() error {
	for _, o := range l.closeObjects() {
		_ = o.Close() // gives no error
	}
	l.exchanges.close()
	return l.remove()
}

// closeObjects lets no more objects be made, and gives those that are left.
func (l *Library) closeObjects() []*object {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	var left []*object
	for o := range l.objects {
		left = append(left, o)
	}
	return left
}

// remember says false when the library was closed in the meantime.
func (l *Library) remember(o *object) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.objects[o] = struct{}{}
	}
	return !l.closed
}

func (l *Library) forget(o *object) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.objects, o)
}

// Protocol implements plugin.Library.
func (l *Library) Protocol(ctx context.Context) (plugin.Protocol, error) {
	if l.c != nil {
		return l.cProtocol()
	}
	made, err := l.makePart(ctx, protocolPart)
	if err != nil {
		return nil, err
	}
	return l.rustProtocol(made), nil
}

// Output implements plugin.Library.
func (l *Library) Output(ctx context.Context) (plugin.Output, error) {
	made, err := l.makePart(ctx, outputPart)
	if err != nil {
		return nil, err
	}
	return &output{newSerial(made)}, nil
}

// Service implements plugin.Library.
func (l *Library) Service(ctx context.Context) (plugin.Service, error) {
	made, err := l.makePart(ctx, servicePart)
	if err != nil {
		return nil, err
	}
	return &service{newSerial(made)}, nil
}

// newObject gives an object of the library's that is dropped by drop. When the library was closed in the meantime, it is
// dropped at once.
func (l *Library) newObject(name string, drop func()) (*object, error) {
	o := &object{lib: l, name: name, closed: make(chan struct{}), drop: drop}
	if !l.remember(o) {
		o.dropNow()
		return nil, o.closedError()
	}
	return o, nil
}

// made is an object of an abi_stable library that the library has just made.
type made struct {
	*object
	rust    *rustObject
	methods []uintptr
	err     error
}

// makePart has an abi_stable library make an object, and asks for its name.
func (l *Library) makePart(ctx context.Context, p part) (made, error) {
	if l.rust == nil || l.rust.make[p] == 0 {
		return made{}, &plugin.PartError{Plugin: l.name, Part: p.String(), Has: l.Parts()}
	}
	// The making is a call like others; a passing object lends it its life.
	passing, err := l.newObject("", nil)
	if err != nil {
		return made{}, err
	}
	defer passing.Close()
	watched := watch(ctx)
	if err := passing.begin(ctx); err != nil {
		return made{}, watched.ended(l.name, "make_"+p.String(), err)
	}
	work := func() made {
		defer passing.end()
		return l.makeHere(p)
	}
	if ctx.Done() == nil {
		m := work()
		return m, m.err
	}
	m, err := apart(ctx, work, func(m made) {
		if m.err == nil {
			_ = m.Close() // gives no error
		}
	})
	if err != nil {
		return made{}, watched.ended(l.name, "make_"+p.String(), err)
	}
	return m, m.err
}

func (l *Library) makeHere(p part) (m made) {
	if m.rust, m.methods, m.err = l.rust.makeObject(p); m.err != nil {
		return m
	}
	f := &frame{self: m.rust.self()}
	f.callForResult(m.methods[methodName])
	name, problem := takeText(f.result(0), l.maxReply)
	if problem != "" {
		m.rust.destroy()
		m.err = plugin.NewReplyError(l.name, "name", problem, []byte(name))
		return m
	}
	m.object, m.err = l.newObject(name, m.rust.destroy)
	return m
}
