package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"
	specs "github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// layoutWriter fills a new OCI image layout.
type layoutWriter struct{ dir string }

// writeLayout makes a layout in a folder beside dir and gives it its name when it is whole. fill stores everything and
// returns the index's descriptor for index.json.
func writeLayout(dir string, fill func(*layoutWriter) (v1.Descriptor, error)) (_ *Pack, err error) {
	if err := replaceable(dir); err != nil {
		return nil, err
	}
	parent, base := filepath.Split(filepath.Clean(dir))
	if err := os.MkdirAll(filepath.Clean(parent), 0o755); err != nil {
		return nil, err
	}
	staging, err := os.MkdirTemp(filepath.Clean(parent), "."+base+".*.tmp")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(staging)
	w := &layoutWriter{filepath.Join(staging, "layout")}
	if err := w.write(fill); err != nil {
		return nil, err
	}
	if err := replaceDir(w.dir, dir, filepath.Join(staging, "old")); err != nil {
		return nil, err
	}
	return OpenPack(dir)
}

func (w *layoutWriter) write(fill func(*layoutWriter) (v1.Descriptor, error)) error {
	if err := os.MkdirAll(w.blobs(), 0o755); err != nil {
		return err
	}
	index, err := fill(w)
	if err != nil {
		return err
	}
	if err := w.addJSON(v1.ImageLayoutFile, v1.ImageLayout{Version: v1.ImageLayoutVersion}); err != nil {
		return err
	}
	return w.addJSON(v1.ImageIndexFile, v1.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageIndex, Manifests: []v1.Descriptor{index},
	})
}

func (w *layoutWriter) blobs() string { return filepath.Join(w.dir, v1.ImageBlobsDir, "sha256") }

func (w *layoutWriter) blob(d digest.Digest) string { return filepath.Join(w.blobs(), d.Encoded()) }

func (w *layoutWriter) addJSON(name string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(w.dir, name), text, 0o644)
}

// addText stores a small blob.
func (w *layoutWriter) addText(text []byte) (v1.Descriptor, error) {
	return w.add(func(out io.Writer) error { _, err := out.Write(text); return err })
}

// add stores a blob that is written piece by piece and hashed on the way.
func (w *layoutWriter) add(write func(io.Writer) error) (_ v1.Descriptor, err error) {
	f, err := os.CreateTemp(w.dir, "blob.*")
	if err != nil {
		return v1.Descriptor{}, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close(), os.Remove(f.Name()))
		}
	}()
	digester, counter := digest.SHA256.Digester(), &countingWriter{}
	if err := write(io.MultiWriter(f, digester.Hash(), counter)); err != nil {
		return v1.Descriptor{}, err
	}
	// CreateTemp makes the file private to its owner; a layout is for everyone whom the umask allows.
	if err := errors.Join(f.Chmod(0o666&^umask(w.dir)), f.Close(), os.Rename(f.Name(), w.blob(digester.Digest()))); err != nil {
		return v1.Descriptor{}, err
	}
	return v1.Descriptor{Digest: digester.Digest(), Size: counter.n}, nil
}

// umask derives the process's umask from a folder that was made with mode 0755 under it: reading the real one would
// mean to set it, for every goroutine, for a moment.
func umask(dir string) fs.FileMode {
	info, err := os.Stat(dir)
	if err != nil {
		return 0o077
	}
	return ^info.Mode().Perm() & 0o777
}

// replaceable says whether dir may be written: absent, empty, or an earlier layout.
func replaceable(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(dir, v1.ImageLayoutFile)); err != nil {
		return fmt.Errorf("%s: exists and is not an OCI image layout: choose another folder, or remove it", dir)
	}
	return nil
}

// replaceDir gives dir's name to made. A folder cannot be renamed over a full one, so an earlier one steps aside first,
// and steps back if the second rename fails.
func replaceDir(made, dir, aside string) error {
	err := os.Rename(dir, aside)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(made, dir); err != nil {
		return errors.Join(err, ignoreAbsent(os.Rename(aside, dir)))
	}
	return nil
}

func ignoreAbsent(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
