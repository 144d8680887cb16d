package native

import (
	"sync"
	"sync/atomic"

	"github.com/loadr-plugins/loadr/loader/plugin"
)

// This file is the root module of an abi_stable library and what it makes. The layouts below are those of the interface
// that the library was found to fit before it was opened; presence bits are read all the same, as the check lets a newer
// library add fields and an older one lack them.

// rustVersion is the value of the root module's abi_version that this file speaks.
const rustVersion = 1

// Offsets in the header (LibHeader, 152 bytes) that the root module's symbol names.
const (
	headerLayout      = 96  // *TypeLayout of the root module
	headerModule      = 120 // an atomic word: the root module, null until someone made it
	headerConstructor = 144 // extern "C" fn() -> RResult<PluginModRef, RootModuleError>, 40 bytes
)

// rustLibrary is an opened library with its root module.
type rustLibrary struct {
	path     string  // for messages
	from, to uintptr // where the library lies in memory
	header   uintptr
	infoFn   uintptr    // extern "C" fn() -> RString
	make     [3]uintptr // by part: extern "C" fn() -> object of 24 bytes; 0: it has no such part
	strings  uintptr    // vtable of strings that it makes
}

// owns says whether a string's vtable and the functions in it are the library's own; compilers leave several copies of
// them in one library. The bytes of such a string come from the library's allocator.
func (l *rustLibrary) owns(vtable uintptr) bool {
	if !l.holds(vtable) {
		return false
	}
	v, problem := readStringVTable(vtable)
	return problem == "" && l.holds(v.destruct) && l.holds(v.grow)
}

func (l *rustLibrary) holds(address uintptr) bool { return l.from <= address && address < l.to }

// part is a kind of object that a library makes.
type part int

const (
	outputPart part = iota
	protocolPart
	servicePart
)

func (p part) String() string { return [...]string{"output", "protocol", "service"}[p] }

func (l *rustLibrary) parts() plugin.Parts {
	return plugin.Parts{
		Output: l.make[outputPart] != 0, Protocol: l.make[protocolPart] != 0, Service: l.make[servicePart] != 0,
	}
}

// openModule reads the root module of the library whose header lies at an address, and makes it when nobody has. Messages
// name the file by shown.
func openModule(header uintptr, file *rustFile, shown string) (*rustLibrary, error) {
	module, err := rootModule(header, shown)
	if err != nil {
		return nil, err
	}
	m := moduleReader{prefix(module), shown}
	if err := m.version(); err != nil {
		return nil, err
	}
	moved := uintptr(file.moved(header))
	lib := &rustLibrary{path: shown, from: uintptr(file.from) + moved, to: uintptr(file.to) + moved, header: header}
	if lib.infoFn, err = m.info(); err != nil {
		return nil, err
	}
	for p := range lib.make {
		if lib.make[p], err = m.maker(part(p)); err != nil {
			return nil, err
		}
	}
	return lib, nil
}

// constructing is held while a constructor runs: each call of one makes another module and leaks it.
var constructing sync.Mutex

// rootModule gives the module that somebody in this process has made already, or has the library make it. A panic of the
// constructor is the one that abi_stable itself catches.
func rootModule(header uintptr, shown string) (uintptr, error) {
	constructing.Lock()
	defer constructing.Unlock()
	if made := atomic.LoadUintptr(at[uintptr](header + headerModule)); made != 0 {
		return made, nil
	}
	constructor := word(header + headerConstructor)
	if constructor == 0 {
		return 0, &plugin.ModuleError{Library: shown, Field: "constructor", Problem: "null"}
	}
	// The result is a tag, then the module's address, or the kind of error: 0 returned (and a boxed error, which is left
	// where it is), 1 panicked. Only the first byte of a tag is written.
	f := new(frame)
	f.callForResult(constructor)
	if uint8(f.out[0]) != tagOK {
		return 0, &plugin.ConstructorError{Library: shown, Panicked: uint8(f.out[1]) == 1}
	}
	if f.out[1] == 0 {
		return 0, &plugin.ModuleError{Library: shown, Field: "root module", Problem: "null"}
	}
	return f.out[1], nil
}

// Tags of RResult and ROption.
const (
	tagOK   = 0
	tagSome = 0
	tagNone = 1
)

// moduleReader reads a PluginMod, a prefix type:
//
//	bit  offset
//	 0    0  abi_version  u32
//	 1    8  info         fn
//	 2   16  make_output, a tag in its first byte and the function 8 bytes on
//	 3   32  make_protocol, likewise
//	 4   48  make_service, likewise
type moduleReader struct {
	prefix
	shown string
}

func (m moduleReader) problem(field, problem string) error {
	return &plugin.ModuleError{Library: m.shown, Field: field, Problem: problem}
}

func (m moduleReader) version() error {
	if !m.has(0) {
		return m.problem("abi_version", "absent")
	}
	if found := *at[uint32](m.field(0)); found != rustVersion {
		return &plugin.VersionError{Library: m.shown, Want: rustVersion, Found: found}
	}
	return nil
}

func (m moduleReader) info() (uintptr, error) {
	fn := m.function(1, 8)
	if fn == 0 {
		return 0, m.problem("info", "absent")
	}
	return fn, nil
}

func (m moduleReader) maker(p part) (uintptr, error) {
	field, offset := "make_"+p.String(), uintptr(16+16*p)
	if !m.has(uint(2 + p)) {
		return 0, nil
	}
	switch tag := *at[uint8](m.field(offset)); tag {
	case tagNone:
		return 0, nil
	case tagSome:
		if fn := word(m.field(offset + 8)); fn != 0 {
			return fn, nil
		}
		return 0, m.problem(field, "null")
	}
	return 0, m.problem(field, "neither there nor absent")
}

// info asks the plugin what it is. The string that it returns also shows how the library makes its strings.
func (l *rustLibrary) info(name string, limit int) (plugin.Info, error) {
	f := new(frame)
	f.callForResult(l.infoFn)
	reply := f.result(0)
	defer reply.destroy()
	text, problem := reply.view(limit)
	if problem == "" && !l.owns(reply.vtable) {
		problem = "found a string that the library has not made"
	}
	if problem != "" {
		return plugin.Info{}, plugin.NewReplyError(name, "info", problem, nil)
	}
	l.strings = reply.vtable
	return plugin.ParseInfo(name, text)
}
