// Package native opens a plugin's library in this process and calls it, without cgo.
//
// Opening a library runs its code, with all rights of this process, and a plugin that crashes takes the process with it.
// A program that does not want this starts the plugin in a worker with loader.Start, which gives the same interface.
// Inspect and verify first: this package checks the bytes' digest and the interface's version, not trust.
//
// It does not find, fetch or inspect libraries, never unloads one (their threads may still run), and never opens a file
// in place: it opens a private copy that was hashed while it was made, so that the bytes which run are the bytes that
// were verified.
//
// It hosts the plain C interface, version 1 (docs/spec/c-abi.md), and Rust libraries of abi_stable 0.11 (family native).
package native

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/loader/plugin"
	"github.com/loadr-plugins/loadr/manifest"
)

// Defaults of Options.
const (
	DefaultConcurrent = 1024
	DefaultMaxReply   = 64 << 20
)

// Options say what to open and how to call it.
type Options struct {
	Path   string          // of the library
	Digest digest.Digest   // that the file must have; required
	Name   string          // the plugin's, for messages; empty: Entry
	Entry  string          // file name of the private copy; empty: that of Path
	Family manifest.Family // the interface; empty: whichever the library exports
	// TempDir is where the private copy is made: a folder that only this user can write; empty: the system's. The copy
	// is removed on Close, or by whoever removes TempDir (Windows keeps it as long as the process lives).
	TempDir string
	// Concurrent bounds the calls in flight, each of which holds a thread while it runs; further ones wait. 0 means
	// DefaultConcurrent. Go allows a process 10 000 threads.
	Concurrent int
	MaxReply   int // bytes; 0 means DefaultMaxReply
}

// Open makes a private copy of the library, opens it and asks for its version and its info. The same bytes are opened
// only once in a process: a second Open gives another handle on the same library.
//
// A Rust library is opened only if the types of its interface, as the copy describes them, fit this host's. The errors are
// *plugin.DigestError, *OpenError, *FamilyError, *LayoutError and *MissingSymbolError, where nothing of the library has
// run; *VersionError, *ConstructorError, *ModuleError and *ReplyError, where it has; or those of the file system. ctx ends
// the copying; the library's own code cannot be interrupted.
func Open(ctx context.Context, o Options) (*Library, error) {
	o = o.withDefaults()
	if err := o.check(); err != nil {
		return nil, err
	}
	copied, err := copyPrivately(ctx, o)
	if err != nil {
		return nil, err
	}
	lib, err := load(copied.path, o)
	if err != nil {
		_ = copied.remove() // why it cannot be opened matters more
		return nil, err
	}
	return newLibrary(lib, o, copied.remove), nil
}

func (o Options) withDefaults() Options {
	if o.Entry == "" {
		o.Entry = filepath.Base(o.Path)
	}
	if o.Name == "" {
		o.Name = o.Entry
	}
	if o.Concurrent <= 0 {
		o.Concurrent = DefaultConcurrent
	}
	if o.MaxReply <= 0 {
		o.MaxReply = DefaultMaxReply
	}
	return o
}

func (o Options) check() error {
	if o.Family != "" && !slices.Contains(hosted(), o.Family) {
		return &plugin.FamilyError{Library: o.Path, Family: o.Family, Hosted: hosted()}
	}
	if err := o.Digest.Validate(); err != nil {
		return fmt.Errorf("library %s: digest %q of the verified bytes: %w", o.Path, o.Digest, err)
	}
	if o.Entry != filepath.Base(o.Entry) || !filepath.IsLocal(o.Entry) || o.Entry == "." {
		return fmt.Errorf("library %s: entry %q: expected a file name", o.Path, o.Entry)
	}
	return nil
}
