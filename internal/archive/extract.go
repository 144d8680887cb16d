package archive

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"unicode"
)

// extractor writes the entries of one archive.
type extractor struct {
	ctx     context.Context
	archive string
	root    *os.Root
	limits  Limits
	files   int             // entries so far
	bytes   int64           // that may still be written
	rule    Rule            // that is broken when there are more
	seen    map[string]seen // by lower-cased path, of files and of the folders that they lie in
}

type seen struct {
	spelled string
	file    bool
}

func (x *extractor) refuse(entry string, rule Rule, format string, args ...any) error {
	return &Error{x.archive, entry, rule, fmt.Sprintf(format, args...)}
}

// entry writes one file or folder after checking its name and type.
func (x *extractor) entry(name string, mode fs.FileMode, content io.Reader) error {
	if err := x.ctx.Err(); err != nil {
		return err
	}
	clean := path.Clean(name)
	if !portable(name, clean) {
		return x.refuse(name, Escapes, "the name leads out of the folder or is not portable")
	}
	if x.files++; x.files > x.limits.Files {
		return x.refuse(name, Files, "too many entries: more than %d", x.limits.Files)
	}
	switch {
	case mode&fs.ModeSymlink != 0:
		return x.refuse(name, Link, "neither a file nor a folder, but a link")
	case !mode.IsDir() && !mode.IsRegular():
		return x.refuse(name, Device, "neither a file nor a folder, but of mode %v", mode.Type())
	}
	if err := x.note(name, clean, mode.IsRegular()); err != nil {
		return err
	}
	if mode.IsDir() {
		return x.mkdir(name, clean)
	}
	return x.write(name, clean, content)
}

// portable says whether a name means the same below any folder of any system.
func portable(name, clean string) bool {
	if !fs.ValidPath(clean) || strings.ContainsAny(name, "\\:") || strings.ContainsFunc(name, unicode.IsControl) {
		return false
	}
	for part := range strings.SplitSeq(clean, "/") {
		if clean != "." && strings.TrimRight(part, ". ") != part { // Windows drops them
			return false
		}
	}
	return true
}

// note remembers a name and the folders above it. Each path is spelled in one way and is one thing; a file is there once.
func (x *extractor) note(name, clean string, file bool) error {
	for at, isFile := clean, file; at != "."; at, isFile = path.Dir(at), false {
		now := seen{at, isFile}
		before, known := x.seen[strings.ToLower(at)]
		switch {
		case !known:
			x.seen[strings.ToLower(at)] = now
		case before.spelled != at:
			return x.refuse(name, Case, "differs from %q only in case", before.spelled)
		case isFile || before.file:
			return x.refuse(name, Duplicate, "appears twice")
		}
	}
	return nil
}

func (x *extractor) mkdir(name, dir string) error {
	if err := x.root.MkdirAll(dir, 0o755); err != nil {
		return x.refuse(name, Format, "%v", err)
	}
	return nil
}

func (x *extractor) write(name, clean string, content io.Reader) error {
	if err := x.mkdir(name, path.Dir(clean)); err != nil {
		return err
	}
	out, err := x.root.OpenFile(clean, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return x.refuse(name, Format, "%v", err)
	}
	defer out.Close()
	n, err := io.Copy(out, &stoppable{x.ctx, io.LimitReader(content, x.bytes+1)})
	switch {
	case x.ctx.Err() != nil:
		return x.ctx.Err()
	case err != nil:
		return x.refuse(name, Format, "%v", err)
	}
	if x.bytes -= n; x.bytes < 0 && x.rule == Ratio {
		return x.refuse(name, Ratio, "unpacks to more than %d times the archive's size", x.limits.Ratio)
	} else if x.bytes < 0 {
		return x.refuse(name, Bytes, "unpacks to more than the limit of %d bytes", x.limits.Bytes)
	}
	return out.Close()
}

// stoppable is a reader that ends with its context.
type stoppable struct {
	ctx  context.Context
	from io.Reader
}

func (s *stoppable) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.from.Read(p)
}
