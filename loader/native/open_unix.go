//go:build !windows

package native

import (
	"runtime"

	"github.com/ebitengine/purego"
	"github.com/opencontainers/go-digest"
)

// openLibrary opens the private copy: all symbols now, so that a missing one is an error here and not a crash in a
// call, and none of them visible to other libraries.
func openLibrary(path string, _ digest.Digest) (uintptr, error) {
	// The system keeps the message of a failure per thread, and purego asks for it with a second call.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL)
}

// findSymbol gives a function's address, 0 when the library has none of that name.
func findSymbol(handle uintptr, name string) uintptr {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	address, err := purego.Dlsym(handle, name)
	if err != nil {
		return 0
	}
	return address
}
