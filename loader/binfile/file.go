package binfile

import (
	"fmt"
	"io"
	"os"

	"github.com/loadr-plugins/loadr/manifest"
)

// File is an image and the facts read from it. It may be used by one goroutine at a time, or by many when the reader
// behind it allows that.
type File struct {
	Format manifest.Format
	// Machine is the architecture in the spelling of target triples where a triple exists (x86_64, aarch64, armv7,
	// riscv64gc), and otherwise the format's own name of it in lower case. Variants that are not compatible, such as
	// 32-bit pointers on a 64-bit machine, have a name of their own.
	Machine string
	// Library says that the image is a dynamic library, which a program can open, rather than a program.
	Library bool
	// Interpreter is the dynamic loader that an ELF program asks for; libraries seldom have one.
	Interpreter string
	// Needs has the names of the dynamic libraries that are opened together with this one, in file order. Libraries
	// that PE loads at first use are not among them.
	Needs []string
	// Versions has the symbol versions that an ELF image needs of other libraries, in file order.
	Versions []Version
	// Defines has the symbol versions that an ELF library offers, in file order, its own name among them.
	Defines []string
	// Constructors is the number of functions that run when the image is opened, as far as its headers say. ELF: DT_INIT
	// and the entries of DT_INIT_ARRAY. DT_INIT is a function like the others, although the one that C compilers link
	// in, _init, does nothing unless a profiler is there; a plain Rust library for x86_64 has it and two in the array.
	// Mach-O: the entries of initializer sections and LC_ROUTINES_64. PE: the entry point and the TLS callbacks. Not
	// counted is what such a function calls in its turn, which in PE is every constructor of the C and C++ run-time, and
	// code that runs for other reasons: resolvers of indirect functions (ELF), load methods of classes (Mach-O).
	Constructors int

	symbols symbolTable
	memory  memory
	closer  io.Closer
}

// Version is a symbol version that an ELF image needs of a library.
type Version struct {
	Library string // libc.so.6
	Name    string // GLIBC_2.34
	Weak    bool   // a loader warns and goes on when the library lacks it
}

// Symbol is something that an image offers to those who open it.
type Symbol struct {
	// Address is where the symbol is, in the image's own numbering: as in the file's headers for ELF and Mach-O, from
	// the start of the image for PE. It is 0 when the symbol is handed on to another library.
	Address uint64
	// Size in bytes; 0 where the format does not say.
	Size uint64
	// Code says that the address lies in an executable part of the image.
	Code bool
}

// symbolTable is what stays of a format's reader.
type symbolTable interface {
	// lookup finds a symbol by the name that a program would give to dlsym or GetProcAddress.
	lookup(name string) (Symbol, bool, error)
	// relocations reads the tables of what a loader changes in memory.
	relocations() (relocations, error)
}

// Open reads the image in the file at path, which must not change until Close. For the errors see New; a file that
// can't be read gives an *fs.PathError.
func Open(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	file, err := New(f, info.Size())
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	file.closer = f
	return file, nil
}

// New reads the image in the first size bytes of r, which Lookup uses too. The error is an *UnknownFormatError,
// *UniversalError, *UnsupportedError or *FormatError, or one of r's own.
func New(r io.ReaderAt, size int64) (*File, error) {
	s := source{r: r, size: uint64(max(size, 0))}
	head, err := s.head(16)
	if err != nil {
		return nil, err
	}
	switch format := sniff(head); format {
	case manifest.ELF:
		return newELF(s)
	case manifest.MachO:
		return newMachO(s)
	case manifest.PE:
		return newPE(s)
	default:
		return nil, &UnknownFormatError{Guess: guess(head)}
	}
}

// Lookup finds the symbol that a program would get for name, which is spelled as in C on every platform. False means
// that the image does not offer it. The error is a *FormatError or one of the reader's.
func (f *File) Lookup(name string) (Symbol, bool, error) {
	symbol, found, err := f.symbols.lookup(name)
	if !found || err != nil {
		return Symbol{}, false, err
	}
	symbol.Code = f.memory.executable(symbol.Address)
	return symbol, true, nil
}

// Close closes the file that Open opened; nothing for New.
func (f *File) Close() error {
	if f.closer == nil {
		return nil
	}
	return f.closer.Close()
}
