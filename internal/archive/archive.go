// Package archive unpacks .tar.gz and .zip files that nobody has vouched for yet. It refuses whatever could escape the
// folder or outgrow its limits: absolute names and "..", links, devices, names that are the same or differ only in case,
// too many files, too many bytes. It keeps no permissions and no times.
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
	"path/filepath"
	"strings"
)

// Limits bound what an archive may unpack to.
type Limits struct {
	Files int   // regular files and folders
	Bytes int64 // of all files together, uncompressed
	Ratio int64 // how many times the archive's own bytes that may be, beyond the first freeRatio
}

// DefaultLimits are far above any plugin.
var DefaultLimits = Limits{Files: 1000, Bytes: 2 << 30, Ratio: 200}

// freeRatio is what even the smallest archive may unpack to, in bytes: text compresses well.
const freeRatio = 1 << 20

// Rule is the stable word for the reason of a refusal.
type Rule string

// The rules.
const (
	Format    Rule = "format"    // neither a gzipped tar nor a zip, or a damaged one
	Escapes   Rule = "escapes"   // a name that leads out of the folder, or is not portable
	Link      Rule = "link"      // a symbolic or hard link
	Device    Rule = "device"    // a device, pipe or the like
	Duplicate Rule = "duplicate" // a name that is there already
	Case      Rule = "case"      // a name that differs from another only in case
	Files     Rule = "files"     // too many entries
	Bytes     Rule = "bytes"     // too many bytes
	Ratio     Rule = "ratio"     // too many bytes for so small an archive
)

// Error is an archive that was refused. What was unpacked before stays in the folder; the caller removes it.
type Error struct {
	Archive string `json:"archive"`
	Entry   string `json:"entry,omitempty"`
	Rule    Rule   `json:"rule"`
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

// The first bytes of archives.
const (
	gzipMagic = "\x1f\x8b"
	zipMagic  = "PK"
)

// Is says whether the file at path begins like an archive, whatever it is called.
func Is(path string) (bool, error) {
	file, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer file.Close()
	first, err := magic(file)
	return first == gzipMagic || first == zipMagic, err
}

func magic(r io.ReaderAt) (string, error) {
	first := make([]byte, 2)
	n, err := r.ReadAt(first, 0)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return string(first[:n]), err
}

// Extract unpacks the archive at path into dir, which must exist and be empty. name is what messages call it. Errors about
// the archive are *Error.
func Extract(ctx context.Context, path, name, dir string, limits Limits) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	x := &extractor{ctx: ctx, archive: name, root: root, limits: limits, seen: map[string]seen{}}
	x.bytes, x.rule = limits.Bytes, Bytes
	if most := freeRatio + limits.Ratio*info.Size(); limits.Ratio > 0 && most < x.bytes {
		x.bytes, x.rule = most, Ratio
	}
	first, err := magic(file)
	switch {
	case err != nil:
		return err
	case first == zipMagic:
		return x.zip(file, info.Size())
	case first == gzipMagic:
		return x.tarGzip(file)
	}
	return x.refuse("", Format, "expected a .tar.gz or .zip file, found neither")
}

func (x *extractor) tarGzip(file *os.File) error {
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		return x.refuse("", Format, "not a gzip file: %v", err)
	}
	reader := tar.NewReader(unzipped)
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
			return x.refuse("", Format, "%v", err)
		}
		mode := header.FileInfo().Mode()
		switch header.Typeflag {
		case tar.TypeXGlobalHeader: // git archive writes one; it is about the archive and no entry of it
			continue
		case tar.TypeLink: // FileInfo calls a hard link a regular file
			mode |= fs.ModeSymlink
		}
		if err := x.entry(header.Name, mode, reader); err != nil {
			return err
		}
	}
}

func (x *extractor) zip(file *os.File, size int64) error {
	// The directory is held in memory, so that its size has to be bounded before it is read.
	source := &budget{from: file, left: maxDirectory}
	reader, err := zip.NewReader(source, size)
	switch {
	case source.left < 0:
		return x.refuse("", Files, "its directory has too many entries")
	case err != nil && !errors.Is(err, zip.ErrInsecurePath):
		return x.refuse("", Format, "%v", err)
	}
	source.open = true
	for _, file := range reader.File {
		content, err := file.Open()
		if err != nil {
			return x.refuse(file.Name, Format, "%v", err)
		}
		err = x.entry(file.Name, file.Mode(), content)
		content.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// maxDirectory is what may be read of a zip before its first file, in bytes.
const maxDirectory = 4 << 20

// budget is a reader that gives no more than some bytes, until it is open.
type budget struct {
	from io.ReaderAt
	left int64
	open bool
}

func (b *budget) ReadAt(p []byte, off int64) (int, error) {
	if b.left -= int64(len(p)); b.left < 0 && !b.open {
		return 0, errors.New("too much")
	}
	return b.from.ReadAt(p, off)
}

// Top gives the folder that holds what was unpacked into dir: dir, or the only folder in it, into which most archives wrap
// everything.
func Top(dir string) string {
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || !entries[0].IsDir() {
		return dir
	}
	return filepath.Join(dir, entries[0].Name())
}
