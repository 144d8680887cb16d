// Package archive unpacks .tar.gz and .zip files that nobody has vouched for yet. It refuses whatever could escape the
// folder or outgrow its limits: absolute names and "..", links, devices, names that differ only in case, too many files,
// too many bytes. It keeps no permissions and no times.
package archive

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
)

// Limits bound what an archive may unpack to.
type Limits struct {
	Files int   // regular files and folders
	Bytes int64 // of all files together, uncompressed
}

// DefaultLimits are far above any plugin.
var DefaultLimits = Limits{Files: 1000, Bytes: 2 << 30}

// Error is an archive that was refused. What was unpacked before stays in the folder; the caller removes it.
type Error struct {
	Archive string `json:"archive"`
	Entry   string `json:"entry,omitempty"`
	Detail  string `json:"detail"`
}

func (e *Error) Error() string {
	if e.Entry == "" {
		return fmt.Sprintf("archive %s: %s", e.Archive, e.Detail)
	}
	return fmt.Sprintf("archive %s: entry %q: %s", e.Archive, e.Entry, e.Detail)
}

// IsName says whether a file name ends like an archive that Extract reads.
func IsName(name string) bool {
	return strings.HasSuffix(name, ".tar.gz") || strings.HasSuffix(name, ".tgz") || strings.HasSuffix(name, ".zip")
}

// Extract unpacks the archive at name into dir, which must exist and be empty. Errors about the archive are *Error.
func Extract(ctx context.Context, name, dir string, limits Limits) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	x := &extractor{ctx: ctx, archive: name, root: root, left: limits, seen: map[string]bool{}}
	if strings.HasSuffix(name, ".zip") {
		return x.zip()
	}
	return x.tarGzip()
}

type extractor struct {
	ctx     context.Context
	archive string
	root    *os.Root
	left    Limits
	seen    map[string]bool // lower-cased names
}

func (x *extractor) refuse(entry, format string, args ...any) error {
	return &Error{x.archive, entry, fmt.Sprintf(format, args...)}
}

func (x *extractor) tarGzip() error {
	file, err := os.Open(x.archive)
	if err != nil {
		return err
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		return x.refuse("", "not a gzip file: %v", err)
	}
	reader := tar.NewReader(unzipped)
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
			return x.refuse("", "%v", err)
		}
		mode := header.FileInfo().Mode()
		if header.Typeflag == tar.TypeLink { // FileInfo calls a hard link a regular file
			mode |= fs.ModeIrregular
		}
		if err := x.entry(header.Name, mode, reader); err != nil {
			return err
		}
	}
}

func (x *extractor) zip() error {
	reader, err := zip.OpenReader(x.archive)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return x.refuse("", "%v", err)
	}
	defer reader.Close()
	for _, file := range reader.File {
		content, err := file.Open()
		if err != nil {
			return x.refuse(file.Name, "%v", err)
		}
		err = x.entry(file.Name, file.Mode(), content)
		content.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// entry writes one file or folder after checking its name and type.
func (x *extractor) entry(name string, mode fs.FileMode, content io.Reader) error {
	if err := x.ctx.Err(); err != nil {
		return err
	}
	clean := path.Clean(name)
	if !fs.ValidPath(clean) || strings.ContainsAny(name, "\\:\x00") {
		return x.refuse(name, "the name leads out of the folder or is not portable")
	}
	if x.left.Files--; x.left.Files < 0 {
		return x.refuse(name, "too many entries")
	}
	switch {
	case mode.IsDir():
		return x.root.MkdirAll(clean, 0o755)
	case !mode.IsRegular():
		return x.refuse(name, "neither a file nor a folder (%v)", mode.Type())
	case x.seen[strings.ToLower(clean)]:
		return x.refuse(name, "appears twice, or differs from another only in case")
	}
	x.seen[strings.ToLower(clean)] = true
	return x.write(name, clean, content)
}

func (x *extractor) write(name, clean string, content io.Reader) error {
	if err := x.root.MkdirAll(path.Dir(clean), 0o755); err != nil {
		return err
	}
	out, err := x.root.OpenFile(clean, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return x.refuse(name, "%v", err)
	}
	defer out.Close()
	n, err := io.Copy(out, io.LimitReader(content, x.left.Bytes+1))
	if err != nil {
		return x.refuse(name, "%v", err)
	}
	if x.left.Bytes -= n; x.left.Bytes < 0 {
		return x.refuse(name, "unpacks to more than the limit")
	}
	return out.Close()
}
