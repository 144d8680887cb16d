package loader

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/loader/abistable"
	"github.com/loadr-plugins/loadr/loader/binfile"
	"github.com/loadr-plugins/loadr/manifest"
)

// Inspect reports what the library in the file at path is: a dynamic library of any platform that loadr knows, or a
// WebAssembly file. It executes nothing, and needs little memory whatever the file's size. The file must not change
// meanwhile: the digest says which bytes the report is about only if they stay.
//
// A library without a plugin's interface is no error, nor is one whose interface does not fit; the report's ABI verdict
// tells. One with both the C and the native interface is reported as one of C, as the engine takes it. The error is an
// *InspectError around the reason: one of package binfile's, *NotLibraryError, *NotRegularError, or an I/O error.
func Inspect(path string) (*manifest.Library, error) { return InspectAs(path, "") }

// InspectAs is Inspect for a library whose manifest names its interface: of a library with both interfaces it reports
// that one. A family that the library does not have changes nothing.
func InspectAs(path string, family manifest.Family) (*manifest.Library, error) {
	return readFile(path, func(r io.ReaderAt, size int64) (*manifest.Library, error) { return whole(r, size, family) })
}

// InspectVerified is Inspect for a file whose bytes were just found to have this digest, as they are when they come out
// of the cache: it spares a large library a second hashing, and reads only the few pieces that describe it.
func InspectVerified(path string, known digest.Digest) (*manifest.Library, error) {
	return InspectVerifiedAs(path, known, "")
}

// InspectVerifiedAs is InspectVerified for a library whose manifest names its interface, as InspectAs is.
func InspectVerifiedAs(path string, known digest.Digest, family manifest.Family) (*manifest.Library, error) {
	lib, err := readFile(path, func(r io.ReaderAt, size int64) (*manifest.Library, error) { return describe(r, size, family) })
	if err != nil {
		return nil, err
	}
	lib.Digest = known
	return lib, nil
}

// InspectNative reports all that is known about a library's native interface, also where it has the C interface too: the
// header, the layout of every type, and whether they fit this program. Like Inspect it executes nothing. The error is an
// *InspectError around the reason: *abistable.NoRootModuleError, one of package binfile's, *NotRegularError, or an I/O
// error.
func InspectNative(path string) (*abistable.Report, error) {
	return readFile(path, func(r io.ReaderAt, size int64) (*abistable.Report, error) {
		f, err := binfile.New(r, size)
		if err != nil {
			return nil, err
		}
		return abistable.Default().Inspect(f)
	})
}

// readFile reads a regular file once, and names it in the error.
func readFile[T any](path string, read func(io.ReaderAt, int64) (*T, error)) (*T, error) {
	found, err := readRegular(path, read)
	if err != nil {
		return nil, &InspectError{path, err}
	}
	return found, nil
}

func readRegular[T any](path string, read func(io.ReaderAt, int64) (*T, error)) (*T, error) {
	info, err := os.Stat(path) // before opening, which waits for ever on a named pipe
	if err != nil {
		return nil, withoutPath(err)
	}
	if !info.Mode().IsRegular() {
		return nil, &NotRegularError{info.Mode()}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, withoutPath(err)
	}
	defer f.Close()
	return read(f, info.Size())
}

// InspectReader is Inspect for the first size bytes of r. Its errors are those that Inspect wraps.
func InspectReader(r io.ReaderAt, size int64) (*manifest.Library, error) { return whole(r, size, "") }

// whole describes a library and hashes it.
func whole(r io.ReaderAt, size int64, family manifest.Family) (*manifest.Library, error) {
	lib, err := describe(r, size, family)
	if err != nil {
		return nil, err
	}
	if lib.Digest, err = hash(r, size); err != nil {
		return nil, err
	}
	return lib, nil
}

// describe finds out everything but the digest. The family is the manifest's word, or empty.
func describe(r io.ReaderAt, size int64, family manifest.Family) (*manifest.Library, error) {
	if lib, ok, err := describeWasm(r, size); ok || err != nil {
		return lib, err
	}
	f, err := binfile.New(r, size)
	if err != nil {
		return nil, err
	}
	if !f.Library {
		return nil, &NotLibraryError{f.Format}
	}
	exports, err := entryPoints(f)
	if err != nil {
		return nil, err
	}
	abi, err := exports.report(f, family)
	if err != nil {
		return nil, err
	}
	return &manifest.Library{
		Format:       f.Format,
		Machine:      f.Machine,
		Size:         size,
		Needs:        f.Needs,
		Libc:         neededLibc(f),
		Constructors: f.Constructors,
		Exports:      exports.names(),
		ABI:          abi,
	}, nil
}

// The first eight bytes of WebAssembly files: magic, version and layer.
var (
	wasmMagic     = []byte("\x00asm")
	wasmComponent = []byte("\x00asm\x0d\x00\x01\x00")
)

// describeWasm recognises WebAssembly by its first bytes and reads no further: what a component needs and exports is
// for its own host to say.
func describeWasm(r io.ReaderAt, size int64) (*manifest.Library, bool, error) {
	head := make([]byte, min(size, int64(len(wasmComponent))))
	if _, err := r.ReadAt(head, 0); err != nil && err != io.EOF {
		return nil, false, err
	}
	if !bytes.HasPrefix(head, wasmMagic) {
		return nil, false, nil
	}
	report := manifest.ABIReport{Verdict: manifest.Unverifiable}
	if bytes.Equal(head, wasmComponent) {
		report.Family = manifest.FamilyComponent
	}
	machine := manifest.Neutral.Machine()
	return &manifest.Library{
		Format: manifest.WasmFile, Machine: machine, Size: size, Needs: []string{}, Exports: []string{}, ABI: report,
	}, true, nil
}

// hash streams the bytes through SHA-256.
func hash(r io.ReaderAt, size int64) (digest.Digest, error) {
	h := sha256.New()
	n, err := io.CopyBuffer(h, onlyReader{io.NewSectionReader(r, 0, size)}, make([]byte, 128<<10))
	if err != nil {
		return "", err
	}
	if n != size {
		return "", fmt.Errorf("file changed while it was read: expected %d bytes, found %d", size, n)
	}
	return digest.NewDigest(digest.SHA256, h), nil
}

// onlyReader hides the section reader's other methods, of which WriterTo would ignore the buffer.
type onlyReader struct{ io.Reader }

// withoutPath takes the path out of an error of package os, because the error around it names it.
func withoutPath(err error) error {
	var inner *fs.PathError
	if errors.As(err, &inner) {
		return inner.Err
	}
	return err
}

// InspectError says which file could not be inspected, and why.
type InspectError struct {
	Path string `json:"path"`
	Err  error  `json:"-"`
}

// Error names the file and the reason.
func (e *InspectError) Error() string { return e.Path + ": " + e.Err.Error() }

// Unwrap gives the reason.
func (e *InspectError) Unwrap() error { return e.Err }

// NotLibraryError says that a file is a program, which can't be opened as a library.
type NotLibraryError struct{ Format manifest.Format }

// Error says what was expected and found.
func (e *NotLibraryError) Error() string {
	return fmt.Sprintf("%s image: expected a dynamic library, found a program", e.Format)
}

// Hint says how libraries are made.
func (e *NotLibraryError) Hint() string {
	return `build it as a dynamic library: cc -shared -fPIC, or crate-type = ["cdylib"]`
}

// NotRegularError says that something is no regular file.
type NotRegularError struct{ Mode fs.FileMode }

// Error says what was expected and found.
func (e *NotRegularError) Error() string {
	if e.Mode.IsDir() {
		return "expected a library, found a directory"
	}
	return fmt.Sprintf("expected a regular file, found one of mode %v", e.Mode)
}
