package bundle

import (
	"archive/tar"
	"context"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/loadr-plugins/loadr/internal/fsx"
)

// writeTar makes the tar file of a finished layout: what a reader needs first, then the blobs in the order of their
// digests. Each file is removed when it is in the tar, so that the disk need not hold everything twice.
func writeTar(ctx context.Context, w *Writer, to string) error {
	out, err := fsx.Create(to, 0o644)
	if err != nil {
		return err
	}
	defer out.Discard()
	t := tar.NewWriter(out)
	names := []string{v1.ImageLayoutFile, v1.ImageIndexFile}
	for _, d := range slices.Sorted(maps.Keys(w.blobs)) {
		names = append(names, path.Join(v1.ImageBlobsDir, "sha256", d.Encoded()))
	}
	for _, name := range names {
		if err := appendFile(ctx, t, w.dir, name); err != nil {
			return err
		}
	}
	if err := t.Close(); err != nil {
		return err
	}
	return out.Commit()
}

func appendFile(ctx context.Context, t *tar.Writer, dir, name string) error {
	local := filepath.Join(dir, filepath.FromSlash(name))
	f, err := os.Open(local)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	head := &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: info.Size(), Mode: 0o644, ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR}
	if err := t.WriteHeader(head); err != nil {
		return err
	}
	if _, err := fsx.Copy(ctx, t, f); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Remove(local)
}
