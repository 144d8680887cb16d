//go:build !((linux || darwin || windows) && (amd64 || arm64))

package native

// hostsRust says whether this package knows how Rust's functions are called here.
const hostsRust = false

// frame is never used here.
type frame struct {
	self uintptr
	text rString
	out  [5]uintptr
}

func (f *frame) callForResult(uintptr) { panic("native: not hosted on this platform") }
func (f *frame) call(uintptr)          { panic("native: not hosted on this platform") }
