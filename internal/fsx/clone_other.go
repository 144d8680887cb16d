//go:build !linux

package fsx

import "os"

// clone is for systems that can share blocks between two open files. macOS has only a call that takes paths and creates
// the file with its source's mode and attributes, which the copies here must not inherit.
func clone(dst, src *os.File) bool { return false }
