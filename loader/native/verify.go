package native

import (
	"errors"
	"fmt"

	"github.com/loadr-plugins/loadr/loader/abistable"
	"github.com/loadr-plugins/loadr/loader/binfile"
	"github.com/loadr-plugins/loadr/loader/plugin"
	"github.com/loadr-plugins/loadr/manifest"
)

// rustFile is what the file of a Rust library says: its header, and which addresses it takes.
type rustFile struct {
	header   *abistable.Header
	from, to uint64
}

// examine reads the private copy and runs nothing of it. It decides by which interface the library is called where the
// options leave it open: like the engine, by the C interface when the library exports it. A Rust library whose types were
// not found to fit is refused, since all that this package reads and calls afterwards relies on them; for a C library the
// result is nil.
func (o *Options) examine(path string) (*rustFile, error) {
	f, err := binfile.Open(path)
	if err != nil {
		return nil, o.openError(err)
	}
	defer f.Close()
	if o.Family == "" {
		if o.Family, err = familyOf(f); err != nil {
			return nil, o.openError(err)
		}
	}
	if o.Family != manifest.FamilyNative {
		return nil, nil
	}
	report, err := abistable.Default().Inspect(f)
	if _, none := errors.AsType[*abistable.NoRootModuleError](err); none {
		return nil, &plugin.MissingSymbolError{Library: o.Path, Symbol: abistable.RootModule}
	}
	if err != nil {
		return nil, o.openError(err)
	}
	if report.ABI.Verdict != manifest.Fits {
		return nil, &plugin.LayoutError{Library: o.Path, Report: report.ABI}
	}
	file := &rustFile{header: report.Header}
	file.from, file.to = f.Span()
	return file, nil
}

func (o *Options) openError(err error) error {
	return &plugin.OpenError{Library: o.Path, Problem: err.Error()}
}

// familyOf gives the interface that a library exports; one that exports neither is told what it lacks as a C library.
func familyOf(f *binfile.File) (manifest.Family, error) {
	for _, symbol := range []string{versionSymbol, abistable.RootModule} {
		_, found, err := f.Lookup(symbol)
		if err != nil {
			return "", err
		}
		if found && symbol == abistable.RootModule {
			return manifest.FamilyNative, nil
		}
		if found {
			break
		}
	}
	return manifest.FamilyC, nil
}

// checkHeader holds the header that the system found against the one that was read from the file: a symbol may lead into
// another library, and code that ran while the library was opened may have changed it. How far a library's addresses have
// moved is hard to ask for, and each system does it differently; but all of them move as one, so the distances from the
// header to what it points to are those in the file.
func (f *rustFile) checkHeader(header uintptr, shown string) error {
	moved := f.moved(header)
	for _, word := range []struct {
		name   string
		offset uintptr
		file   uint64
	}{
		{"layout", headerLayout, f.header.RootLayout}, {"constructor", headerConstructor, f.header.Constructor},
	} {
		if found := *at[uint64](header + word.offset); found != word.file+moved {
			problem := fmt.Sprintf("at %#x, which is not where its file has it", found)
			return &plugin.ModuleError{Library: shown, Field: "header: " + word.name, Problem: problem}
		}
	}
	return nil
}

// moved says by how much the header's address, and so any other, differs from that in the file.
func (f *rustFile) moved(header uintptr) uint64 { return uint64(header) - f.header.Address }
