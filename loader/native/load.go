package native

import (
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/loader/binfile"
	"github.com/loadr-plugins/loadr/loader/plugin"
	"github.com/loadr-plugins/loadr/manifest"
)

// library is one opened library: what it says about itself, and its functions by one of the two interfaces.
type library struct {
	info plugin.Info
	c    *cABI
	rust *rustLibrary
}

// hosted lists the interfaces that this package calls on this platform.
func hosted() []manifest.Family {
	if hostsRust {
		return []manifest.Family{manifest.FamilyC, manifest.FamilyNative}
	}
	return []manifest.Family{manifest.FamilyC}
}

// opened holds every library of this process by the digest of its bytes. None is ever removed, as none is ever closed.
// The lock is held while a library is opened: the loader of the system is serial as well.
var opened = struct {
	sync.Mutex
	libraries map[key]*library
}{libraries: map[key]*library{}}

// key is the bytes and how they are called: a library may export both interfaces.
type key struct {
	digest digest.Digest
	family manifest.Family
}

// load opens the copy, or finds the library that was opened from the same bytes before.
func load(path string, o Options) (*library, error) {
	opened.Lock()
	defer opened.Unlock()
	if err := o.settleFamily(path); err != nil {
		return nil, err
	}
	if lib, ok := opened.libraries[key{o.Digest, o.Family}]; ok {
		return lib, nil
	}
	handle, err := openLibrary(path, o.Digest)
	if err != nil {
		return nil, &plugin.OpenError{Library: o.Path, Problem: err.Error()}
	}
	lib, err := begin(handle, o)
	if err != nil {
		return nil, err
	}
	opened.libraries[key{o.Digest, o.Family}] = lib
	return lib, nil
}

// rootSymbol names the header of an abi_stable library.
const rootSymbol = "_1as_0lib_1header_0root_bmodule_bloader"

// settleFamily decides by which interface the library is called where the options leave it open, from the file: like the
// engine, by the C interface when the library exports it.
func (o *Options) settleFamily(path string) error {
	if o.Family != "" {
		return nil
	}
	f, err := binfile.Open(path)
	if err != nil {
		return &plugin.OpenError{Library: o.Path, Problem: err.Error()}
	}
	defer f.Close()
	for _, family := range []struct {
		name   manifest.Family
		symbol string
	}{{manifest.FamilyC, versionSymbol}, {manifest.FamilyNative, rootSymbol}} {
		if _, ok, err := f.Lookup(family.symbol); err != nil {
			return &plugin.OpenError{Library: o.Path, Problem: err.Error()}
		} else if ok {
			o.Family = family.name
			return nil
		}
	}
	return &plugin.MissingSymbolError{Library: o.Path, Symbol: versionSymbol}
}

// begin has the library say what it is, by the interface of the options.
func begin(handle uintptr, o Options) (lib *library, err error) {
	lib = new(library)
	if o.Family == manifest.FamilyC {
		if lib.c, err = openC(handle, o.Path); err == nil {
			lib.info, err = lib.c.info(o.Name, o.MaxReply)
		}
		return lib, err
	}
	header := findSymbol(handle, rootSymbol)
	if header == 0 {
		return nil, &plugin.MissingSymbolError{Library: o.Path, Symbol: rootSymbol}
	}
	if lib.rust, err = openModule(header, o.Path); err == nil {
		lib.info, err = lib.rust.info(o.Name, o.MaxReply)
	}
	return lib, err
}
