package native

import (
	"fmt"
	"sync"
	"unsafe"

	"github.com/loadr-plugins/loadr/loader/plugin"
)

// This file is the plain C interface, version 1, and all of its memory rules:
//
//	uint32_t loadr_plugin_abi_version(void);
//	uint8_t *loadr_plugin_info(size_t *out_len);
//	uint8_t *loadr_plugin_execute(const uint8_t *req, size_t req_len, size_t *out_len);
//	void     loadr_plugin_free(uint8_t *ptr, size_t len);
//
// All arguments and results are words of the size of a pointer (the version is the low half of one). A text that a plugin returns is memory outside of Go's heap: it is viewed
// where it lies and handed back exactly once, with the pointer and length that came.

// cVersion is the version of the interface that this file speaks.
const cVersion = 1

// cABI holds the addresses of a library's four functions. They stay valid, as libraries are never closed.
type cABI struct{ execute, infoFn, free uintptr }

// versionSymbol tells a library of this interface from others.
const versionSymbol = "loadr_plugin_abi_version"

// openC looks for the four functions of an opened library and asks for the version. Messages name the file by shown.
func openC(handle uintptr, shown string) (*cABI, error) {
	abi := new(cABI)
	var version uintptr
	for _, f := range []struct {
		name    string
		address *uintptr
	}{
		{versionSymbol, &version},
		{"loadr_plugin_info", &abi.infoFn},
		{"loadr_plugin_execute", &abi.execute},
		{"loadr_plugin_free", &abi.free},
	} {
		if *f.address = findSymbol(handle, f.name); *f.address == 0 {
			return nil, &plugin.MissingSymbolError{Library: shown, Symbol: f.name}
		}
	}
	// The result is 32 bits wide; the rest of the register is whatever was there.
	found := callWords(version, nil, 0, nil)
	if uint32(found) != cVersion {
		return nil, &plugin.VersionError{Library: shown, Want: cVersion, Found: uint32(found)}
	}
	return abi, nil
}

// info asks the plugin what it is.
func (c *cABI) info(name string, limit int) (plugin.Info, error) {
	length := new(uintptr)
	address := callWords(c.infoFn, unsafe.Pointer(length), 0, nil)
	reply := cText{address, *length}
	defer c.release(reply)
	text, problem := reply.view(limit)
	if problem != "" {
		return plugin.Info{}, plugin.NewReplyError(name, "info", problem, nil)
	}
	return plugin.ParseInfo(name, text)
}

// release hands a text back to the plugin. A null text was never handed out.
func (c *cABI) release(t cText) {
	if t.ptr != 0 {
		callWords(c.free, pointer(t.ptr), t.len, nil)
	}
}

// cExchange is a call of execute. The request is only read, and only until run returns.
type cExchange struct {
	wordCall
	abi    *cABI
	length uintptr // where execute writes its reply's
}

// cExchanges recycles exchanges, which must lie on the heap, as execute writes into them.
var cExchanges = sync.Pool{New: func() any { return new(cExchange) }}

func (c *cABI) exchange(request []byte) *cExchange {
	x := cExchanges.Get().(*cExchange)
	x.abi, x.length = c, 0
	x.a, x.b, x.c = unsafe.Pointer(unsafe.SliceData(request)), uintptr(len(request)), unsafe.Pointer(&x.length)
	return x
}

func (x *cExchange) run() {
	x.call(x.abi.execute)
	x.a, x.c = nil, nil
}

func (x *cExchange) reply(limit int) (text []byte, problem string) {
	return cText{x.result, x.length}.view(limit)
}

// finish uses the same call once more, for free(ptr, len).
func (x *cExchange) finish() {
	if x.result != 0 {
		x.a, x.b = pointer(x.result), x.length
		x.call(x.abi.free)
		x.a = nil
	}
	cExchanges.Put(x)
}

// cText is a text in the plugin's memory.
type cText struct{ ptr, len uintptr }

// view gives the text's bytes without copying; they are valid until release. The problem, if any, says why the text is
// none: null with a length, or longer than limit (which also keeps a wild length from being read).
func (t cText) view(limit int) (text []byte, problem string) {
	switch {
	case t.ptr == 0 && t.len == 0:
		return nil, ""
	case t.ptr == 0:
		return nil, fmt.Sprintf("found a null pointer with length %d", t.len)
	case t.len > uintptr(limit):
		return nil, fmt.Sprintf("found %d bytes, more than the limit of %d", t.len, limit)
	}
	return bytesAt(t.ptr, t.len), ""
}
