package native

import (
	"unicode/utf8"
	"unsafe"

	"github.com/loadr-plugins/loadr/loader/plugin"
)

// rustObject is an abi_stable trait object that owns what it points to (24 bytes): the trait's vtable, and an RBox<()> of
// the data and the box's own vtable. Methods take the data's address as self.
type rustObject struct {
	vtable prefix
	box    [2]uintptr // data, vtable
	drop   uintptr    // fn(*RBox)
}

// Names of the traits' methods in the order of their vtables.
var methodNames = [...][]string{
	outputPart:   {"name", "start", "on_samples", "on_snapshot", "finish"},
	protocolPart: {"name", "execute"},
	servicePart:  {"name", "start", "stop"},
}

// Places of methods in their vtables; name is the first of all.
const (
	methodName = 0

	outputStart, outputSamples, outputSnapshot, outputFinish = 1, 2, 3, 4

	protocolExecute = 1

	serviceStart, serviceStop = 1, 2
)

// makeObject has the library make an object, and finds its methods. It is not closed to panics of the plugin.
func (l *rustLibrary) makeObject(p part) (*rustObject, []uintptr, error) {
	f := new(frame)
	f.callForResult(l.make[p])
	o := &rustObject{vtable: prefix(f.out[0]), box: [2]uintptr{f.out[1], f.out[2]}}
	methods, absent := o.methods(p)
	if absent == "" {
		return o, methods, nil
	}
	o.destroy() // if at least that is there
	return nil, nil, &plugin.ModuleError{Library: l.path, Field: p.String() + "." + absent, Problem: "absent"}
}

// methods reads the vtable of a trait object, a prefix type whose first field has no size: bit 1 and offset 0 are the
// vtable of all objects (RObjectVtable), bit 2+k and offset 8(1+k) method k. In RObjectVtable, likewise a prefix type,
// bit 1 and offset 8 are drop. absent names the first that is not there.
func (o *rustObject) methods(p part) (methods []uintptr, absent string) {
	if o.vtable == 0 {
		return nil, "vtable"
	}
	common := o.vtable.function(1, 0)
	if common == 0 {
		return nil, "vtable of all objects"
	}
	if o.drop = prefix(common).function(1, 8); o.drop == 0 {
		return nil, "drop"
	}
	for k, name := range methodNames[p] {
		fn := o.vtable.function(uint(2+k), uintptr(8*(1+k)))
		if fn == 0 {
			return nil, name
		}
		methods = append(methods, fn)
	}
	return methods, ""
}

// self is what methods take.
func (o *rustObject) self() uintptr { return o.box[0] }

// destroy drops the object. It is called once, when no method is running.
func (o *rustObject) destroy() {
	if o.drop != 0 {
		callWords(o.drop, unsafe.Pointer(&o.box), 0, nil)
	}
	*o = rustObject{}
}

// result gives the string that a call has written at a word of its result.
func (f *frame) result(at int) *rString { return (*rString)(unsafe.Pointer(&f.out[at])) }

// takeText copies a string that the plugin returned, and gives it back.
func takeText(s *rString, limit int) (text, problem string) {
	defer s.destroy()
	view, problem := s.view(limit)
	if problem == "" && !utf8.Valid(view) {
		return string(view[:min(len(view), 200)]), "not UTF-8"
	}
	return string(view), problem
}
