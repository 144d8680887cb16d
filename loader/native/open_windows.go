package native

import (
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/windows"
)

// openLibrary opens the private copy. Folder permissions protect it less here than elsewhere, so it is held open, without
// letting others write or delete it, while it is hashed again and opened.
func openLibrary(path string, want digest.Digest) (uintptr, error) {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return 0, err
	}
	handle, err := windows.CreateFile(name, windows.GENERIC_READ, windows.FILE_SHARE_READ, nil,
		windows.OPEN_EXISTING, windows.FILE_ATTRIBUTE_NORMAL, 0)
	if err != nil {
		return 0, err
	}
	held := os.NewFile(uintptr(handle), path)
	defer held.Close()
	verifier := want.Verifier()
	if _, err := io.Copy(verifier, held); err != nil {
		return 0, err
	}
	if !verifier.Verified() {
		return 0, fmt.Errorf("the private copy was changed")
	}
	library, err := syscall.LoadLibrary(path)
	return uintptr(library), err
}

// findSymbol gives a function's address, 0 when the library has none of that name.
func findSymbol(handle uintptr, name string) uintptr {
	address, err := syscall.GetProcAddress(syscall.Handle(handle), name)
	if err != nil {
		return 0
	}
	return address
}
