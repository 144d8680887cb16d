//go:build cgo

package loadrplugin

/*
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

// cgo's own C.malloc ends the process when memory is out; the interface has an answer for that.
static inline void *loadrplugin_take(size_t n) { return malloc(n); }
*/
import "C"

import "unsafe"

// abiVersion is the version of the C interface that this package speaks. It is frozen.
const abiVersion = 1

//export loadr_plugin_abi_version
func loadr_plugin_abi_version() C.uint32_t { return abiVersion }

//export loadr_plugin_info
func loadr_plugin_info(length *C.size_t) *C.uint8_t { return handOver(infoText(), length) }

// The request is the host's, n bytes at req, and stays as it is during the call.
//
//export loadr_plugin_execute
func loadr_plugin_execute(req *C.uint8_t, n C.size_t, length *C.size_t) *C.uint8_t {
	return handOver(reply(unsafe.Slice((*byte)(unsafe.Pointer(req)), int(n))), length)
}

//export loadr_plugin_free
func loadr_plugin_free(text *C.uint8_t, _ C.size_t) { C.free(unsafe.Pointer(text)) }

// handOver copies a text into C's memory, which outlives the call and which the host gives back by loadr_plugin_free. A
// null pointer with a length says that there is no memory.
func handOver(text []byte, length *C.size_t) *C.uint8_t {
	*length = C.size_t(len(text))
	if len(text) == 0 {
		return nil
	}
	taken := C.loadrplugin_take(C.size_t(len(text)))
	if taken == nil {
		return nil
	}
	copy(unsafe.Slice((*byte)(taken), len(text)), text)
	return (*C.uint8_t)(taken)
}
