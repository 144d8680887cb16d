package native

import (
	"fmt"
	"math"
	"runtime/debug"

	"github.com/loadr-plugins/loadr/loader/abistable"
	"github.com/loadr-plugins/loadr/loader/plugin"
	"github.com/loadr-plugins/loadr/manifest"
)

// Layout reads the library's root module and the layout of its types once more, as they lie in this process, calling the
// library's own functions where reading the file recognises their code. The report equals that of abistable.Host's
// Inspect but for addresses. The error is a *plugin.FamilyError for a library of the C interface, or says which memory
// could not be read.
func (l *Library) Layout() (*abistable.Report, error) {
	if l.rust == nil {
		hosted := []manifest.Family{manifest.FamilyNative}
		return nil, &plugin.FamilyError{Library: l.path, Family: manifest.FamilyC, Hosted: hosted}
	}
	return abistable.Default().InspectMemory(processMemory{}, uint64(l.rust.header))
}

// processMemory is this process's memory as a layout.Memory.
type processMemory struct{}

// maxRead is more than any part of a layout takes, in bytes.
const maxRead = 16 << 20

// Read copies the bytes. Where there are none, the fault becomes an error.
func (processMemory) Read(address, n uint64) (b []byte, err error) {
	if address == 0 || n > maxRead || address > math.MaxUint64-n {
		return nil, fmt.Errorf("expected %d bytes at %#x: no such memory", n, address)
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if problem := recover(); problem != nil {
			err = fmt.Errorf("expected %d bytes at %#x: %v", n, address, problem)
		}
	}()
	return append([]byte(nil), bytesAt(uintptr(address), uintptr(n))...), nil
}

// Result calls the function.
func (processMemory) Result(function uint64) (uint64, error) {
	if function == 0 {
		return 0, fmt.Errorf("expected a function, found null")
	}
	return uint64(callWords(uintptr(function), nil, 0, nil)), nil
}
