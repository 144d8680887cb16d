package bundle

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// maxFiles bounds the files of a bundle: their names are kept in memory, some 200 bytes for each.
const maxFiles = 100_000

// files are the files of a layout, by slash-separated name. Safe for concurrent use.
type files interface {
	// open gives a regular file and its length; fs.ErrNotExist if there is none.
	open(name string) (io.ReadCloser, int64, error)
	close() error
}

// blobName is the only form of name that a blob has, whatever a digest says.
var blobName = regexp.MustCompile(`^` + v1.ImageBlobsDir + `/sha256/[0-9a-f]{64}$`)

// folder is a layout as it lies. os.Root keeps links from leading out of it.
type folder struct{ root *os.Root }

func openFolder(dir string) (files, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &folder{root}, nil
}

func (d *folder) close() error { return d.root.Close() }

func (d *folder) open(name string) (io.ReadCloser, int64, error) {
	local := filepath.FromSlash(name)
	info, err := d.root.Lstat(local)
	if err != nil {
		return nil, 0, err
	}
	// Before opening it: opening a pipe would wait for its writer.
	if !info.Mode().IsRegular() {
		return nil, 0, errors.New("expected a file, found a link, a folder or a device")
	}
	f, err := d.root.Open(local)
	if err != nil {
		return nil, 0, err
	}
	if info, err = f.Stat(); err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, info.Size(), nil
}

// tarFile is a layout in a tar file that is not compressed, read where it lies.
type tarFile struct {
	file  *os.File
	parts map[string]part
}

// part is where a file lies in the tar.
type part struct{ offset, size int64 }

func (t *tarFile) close() error { return t.file.Close() }

func (t *tarFile) open(name string) (io.ReadCloser, int64, error) {
	p, ok := t.parts[name]
	if !ok {
		return nil, 0, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return io.NopCloser(io.NewSectionReader(t.file, p.offset, p.size)), p.size, nil
}

// openTar reads the heads of all entries, and skips what is between them.
func openTar(name string) (_ files, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &FormatError{name, "", "expected a folder or a file"}
	}
	t := &tarFile{f, map[string]part{}}
	return t, t.scan(name, info.Size())
}

func (t *tarFile) scan(name string, size int64) error {
	r := tar.NewReader(t.file)
	for n := 0; ; n++ {
		head, err := r.Next()
		switch {
		case err == io.EOF && n > 0:
			return t.complete(name, size)
		case errors.Is(err, io.ErrUnexpectedEOF) && n > 0:
			return &TruncatedError{name, size}
		case errors.Is(err, tar.ErrHeader) && n > 0:
			return &FormatError{name, "", fmt.Sprintf("entry %d: damaged head", n+1)}
		case errors.Is(err, tar.ErrHeader) || errors.Is(err, io.ErrUnexpectedEOF) || err == io.EOF:
			return &FormatError{name, "", "expected an OCI image layout, as a folder or a tar file that is not compressed"}
		case err != nil:
			return err
		case n == maxFiles:
			return &FormatError{name, "", fmt.Sprintf("more than %d entries", maxFiles)}
		}
		offset, err := t.file.Seek(0, io.SeekCurrent)
		if err != nil {
			return err
		}
		if problem := t.add(head, offset); problem != "" {
			return &FormatError{name, head.Name, problem}
		}
	}
}

// add takes up one entry; problem is what is wrong with it. Files that a layout does not have, such as those that some
// systems put into every tar, are nothing to us.
func (t *tarFile) add(head *tar.Header, offset int64) (problem string) {
	name := path.Clean(head.Name)
	switch {
	case head.Typeflag == tar.TypeXGlobalHeader:
		return ""
	case path.IsAbs(head.Name) || strings.Contains(head.Name, `\`) || !filepath.IsLocal(filepath.FromSlash(head.Name)):
		return "expected a name inside the bundle"
	case head.Typeflag == tar.TypeDir:
		return ""
	case head.Typeflag != tar.TypeReg:
		return "expected a file or a folder, found a link or a device"
	}
	for key := range head.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return "expected a file without holes"
		}
	}
	if _, twice := t.parts[name]; twice {
		return "occurs twice"
	}
	if name == v1.ImageLayoutFile || name == v1.ImageIndexFile || blobName.MatchString(name) {
		t.parts[name] = part{offset, head.Size}
	}
	return ""
}

// complete sees that the tar has an end: one that was cut between two entries would pass for one with fewer.
func (t *tarFile) complete(name string, size int64) error {
	var end int64
	for _, p := range t.parts {
		end = max(end, p.offset+(p.size+tarBlock-1)/tarBlock*tarBlock)
	}
	if size < end+2*tarBlock {
		return &TruncatedError{name, size}
	}
	return nil
}

// tarBlock is the unit of a tar file; two empty ones are its end.
const tarBlock = 512
