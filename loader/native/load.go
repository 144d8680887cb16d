package native

import (
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/loader/abistable"
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

// load opens the copy, or finds the library that was opened from the same bytes before. All that can be known without
// running it is known before it is opened.
func load(path string, o Options) (*library, error) {
	file, err := o.examine(path)
	if err != nil {
		return nil, err
	}
	opened.Lock()
	defer opened.Unlock()
	if lib, ok := opened.libraries[key{o.Digest, o.Family}]; ok {
		return lib, nil
	}
	handle, err := openLibrary(path, o.Digest)
	if err != nil {
		return nil, o.openError(err)
	}
	lib, err := begin(handle, file, o)
	if err != nil {
		return nil, err
	}
	opened.libraries[key{o.Digest, o.Family}] = lib
	return lib, nil
}

// begin has the library say what it is. There is a file when it is a Rust library.
func begin(handle uintptr, file *rustFile, o Options) (lib *library, err error) {
	lib = new(library)
	if file == nil {
		if lib.c, err = openC(handle, o.Path); err == nil {
			lib.info, err = lib.c.info(o.Name, o.MaxReply)
		}
		return lib, err
	}
	header := findSymbol(handle, abistable.RootModule)
	if header == 0 {
		return nil, &plugin.MissingSymbolError{Library: o.Path, Symbol: abistable.RootModule}
	}
	if err := file.checkHeader(header, o.Path); err != nil {
		return nil, err
	}
	if lib.rust, err = openModule(header, file, o.Path); err == nil {
		lib.info, err = lib.rust.info(o.Name, o.MaxReply)
	}
	return lib, err
}
