//go:build !windows

// Command cgohost calls a protocol plugin by cgo, as a Go host without package native would. It is one of the peers of
// internal/bench.
//
//	cgohost string LIBRARY    a Rust library: a new request each time, the reply copied to a Go string and dropped
//	cgohost view LIBRARY      a Rust library: buffers recycled, the reply viewed in place
//	cgohost c LIBRARY         a library of the C interface: the reply viewed in place and handed back
package main

/*
#cgo linux LDFLAGS: -ldl
#include <stdlib.h>
#include "shim.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"github.com/loadr-plugins/loadr/internal/bench/peer"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: cgohost string|view|c LIBRARY")
		os.Exit(2)
	}
	open := map[string]func(path *C.char) (peer.Call, error){"string": openString, "view": openView, "c": openC}[os.Args[1]]
	path := C.CString(os.Args[2])
	call, err := open(path)
	if err == nil {
		err = peer.Serve(os.Stdin, os.Stdout, call)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "cgohost:", err)
		os.Exit(1)
	}
}

func problem(text *C.char) error {
	if text == nil {
		return nil
	}
	return errors.New(C.GoString(text))
}

// openRust opens in C memory, so that calls check no pointers within.
func openRust(path *C.char) (*C.rust_protocol, error) {
	p := (*C.rust_protocol)(C.calloc(1, C.sizeof_rust_protocol))
	return p, problem(C.open_rust(path, p))
}

func openString(path *C.char) (peer.Call, error) {
	p, err := openRust(path)
	return func(request []byte) int {
		reply := C.call_rust(p, unsafe.Pointer(&request[0]), C.size_t(len(request)))
		text := C.GoStringN((*C.char)(unsafe.Pointer(reply.buffer)), C.int(reply.length))
		C.drop_rust(p, &reply)
		return len(text)
	}, err
}

func openView(path *C.char) (peer.Call, error) {
	p, err := openRust(path)
	return func(request []byte) int {
		reply := C.recycle_rust(p, unsafe.Pointer(&request[0]), C.size_t(len(request)))
		return len(unsafe.Slice((*byte)(unsafe.Pointer(reply.buffer)), reply.length))
	}, err
}

func openC(path *C.char) (peer.Call, error) {
	p := (*C.c_protocol)(C.calloc(1, C.sizeof_c_protocol))
	err := problem(C.open_c(path, p))
	length := (*C.size_t)(C.calloc(1, C.sizeof_size_t))
	return func(request []byte) int {
		reply := C.call_c(p, (*C.uint8_t)(unsafe.Pointer(&request[0])), C.size_t(len(request)), length)
		size := len(unsafe.Slice((*byte)(unsafe.Pointer(reply)), *length))
		C.free_c(p, reply, *length)
		return size
	}, err
}
