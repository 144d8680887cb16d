package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/loadr-plugins/loadr/manifest"
)

// PackInput is what an artifact is made of. The order of its lists does not matter.
type PackInput struct {
	Manifest  *manifest.Manifest
	Libraries []PackLibrary // at least one; one per target
	Files     []PackFile    // README, LICENSE, ...: in every platform's manifest
	Created   *time.Time    // from SOURCE_DATE_EPOCH only; nil leaves it out
}

// PackLibrary is one platform's library.
type PackLibrary struct {
	Target manifest.Target
	Path   string
	Entry  string           // file name that it is installed under; CheckEntry holds
	Report manifest.Library // of loader.Inspect; digest and size are checked against what is packed
}

// PackFile is a file that travels with the plugin without being installed.
type PackFile struct {
	Name string // CheckEntry holds; one of a kind
	Path string
}

// Pack is an artifact on disk: an OCI image layout with one index. It is not changed after it was made, and its methods
// are safe for concurrent use.
type Pack struct {
	dir       string
	index     v1.Descriptor
	indexText []byte
	release   *Release
	manifests map[digest.Digest][]byte
}

// Dir gives the folder of the layout.
func (p *Pack) Dir() string { return p.dir }

// Release gives what the artifact says about itself, complete. The caller must not change it.
func (p *Pack) Release() *Release { return p.release }

// Digest gives the digest of the image index: what a lock and a signature name.
func (p *Pack) Digest() digest.Digest { return p.index.Digest }

// WritePack makes an artifact in dir, which appears whole or not at all; an earlier pack in dir is replaced, anything
// else that is there is an error. The same input gives the same digest on every machine. Memory does not depend on the
// size of the libraries.
func WritePack(ctx context.Context, dir string, in PackInput) (*Pack, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	return writeLayout(dir, func(w *layoutWriter) (v1.Descriptor, error) {
		files, err := w.addFiles(ctx, in.Files)
		if err != nil {
			return v1.Descriptor{}, err
		}
		platforms, err := w.addPlatforms(ctx, in, files)
		if err != nil {
			return v1.Descriptor{}, err
		}
		return w.addIndex(indexAnnotations(in.Manifest, in.Created), platforms)
	})
}

func (in *PackInput) check() error {
	p := in.Manifest.Plugin
	if !isVersion(p.Version) {
		return fmt.Errorf("plugin %q %s: expected a version without build metadata, because two versions that differ only in it compare equal", p.Name, p.Version)
	}
	if len(in.Libraries) == 0 || len(in.Libraries) > maxTargets {
		return fmt.Errorf("plugin %q %s: %d libraries, expected 1 to %d", p.Name, p.Version, len(in.Libraries), maxTargets)
	}
	if len(in.Files) >= maxLayers {
		return fmt.Errorf("plugin %q %s: %d files beside the library, expected at most %d", p.Name, p.Version, len(in.Files), maxLayers-1)
	}
	if target, ok := duplicate(in.Libraries, func(l PackLibrary) string { return string(l.Target) }); ok {
		return fmt.Errorf("plugin %q %s: two libraries for %s", p.Name, p.Version, target)
	}
	if name, ok := duplicate(in.Files, func(f PackFile) string { return strings.ToLower(f.Name) }); ok {
		return fmt.Errorf("plugin %q %s: two files named %s", p.Name, p.Version, name)
	}
	return in.checkNames()
}

func (in *PackInput) checkNames() error {
	for _, l := range in.Libraries {
		if err := manifest.CheckEntry(l.Entry); err != nil {
			return fmt.Errorf("library for %s: %w", l.Target, err)
		}
		if _, err := manifest.ParseTarget(string(l.Target)); err != nil {
			return err
		}
	}
	for _, f := range in.Files {
		if err := manifest.CheckEntry(f.Name); err != nil {
			return fmt.Errorf("file %s: %w", f.Path, err)
		}
	}
	return nil
}

func duplicate[T any](list []T, key func(T) string) (string, bool) {
	seen := map[string]bool{}
	for _, v := range list {
		k := key(v)
		if seen[k] {
			return k, true
		}
		seen[k] = true
	}
	return "", false
}

// addFiles stores the files in the order of their names.
func (w *layoutWriter) addFiles(ctx context.Context, files []PackFile) ([]v1.Descriptor, error) {
	files = slices.SortedFunc(slices.Values(files), func(a, b PackFile) int { return strings.Compare(a.Name, b.Name) })
	var out []v1.Descriptor
	for _, f := range files {
		desc, err := w.addFile(ctx, f)
		if err != nil {
			return nil, fmt.Errorf("file %s: %w", f.Name, err)
		}
		out = append(out, desc)
	}
	return out, nil
}

func (w *layoutWriter) addFile(ctx context.Context, f PackFile) (v1.Descriptor, error) {
	in, err := openRegular(f.Path)
	if err != nil {
		return v1.Descriptor{}, err
	}
	defer in.Close()
	// One byte more than allowed is enough to see that it is too many.
	desc, err := w.add(func(out io.Writer) error {
		_, err := io.Copy(out, contextReader{ctx, io.LimitReader(in, MaxFile+1)})
		return err
	})
	if err == nil && desc.Size > MaxFile {
		err = fmt.Errorf("more than %d bytes", MaxFile)
	}
	return layer(desc, MediaTypeFile, f.Name), err
}

// addPlatforms stores every platform's library, config and manifest, in the order of their targets.
func (w *layoutWriter) addPlatforms(ctx context.Context, in PackInput, files []v1.Descriptor) ([]platformEntry, error) {
	libraries := slices.SortedFunc(slices.Values(in.Libraries), func(a, b PackLibrary) int { return strings.Compare(string(a.Target), string(b.Target)) })
	var out []platformEntry
	for _, l := range libraries {
		entry, err := w.addPlatform(ctx, in.Manifest, l, files)
		if err != nil {
			return nil, fmt.Errorf("library for %s: %w", l.Target, err)
		}
		out = append(out, entry)
	}
	return out, nil
}

func (w *layoutWriter) addPlatform(ctx context.Context, m *manifest.Manifest, l PackLibrary, files []v1.Descriptor) (platformEntry, error) {
	text, err := m.Shipped(l.Entry)
	if err != nil {
		return platformEntry{}, err
	}
	config, err := (&Config{string(text), l.Report}).encode()
	if err != nil {
		return platformEntry{}, err
	}
	if _, err := w.addText(config); err != nil {
		return platformEntry{}, err
	}
	library, err := w.addLibrary(ctx, l)
	if err != nil {
		return platformEntry{}, err
	}
	desc, text, err := platformManifest(config, library, files)
	if err != nil {
		return platformEntry{}, err
	}
	_, err = w.addText(text)
	return platformEntry{l.Target, l.Report.ABI.ABI(), l.Report.Libc, desc, text}, err
}

// addLibrary compresses a library, and notices when it is not the one that was inspected.
func (w *layoutWriter) addLibrary(ctx context.Context, l PackLibrary) (v1.Descriptor, error) {
	in, err := openRegular(l.Path)
	if err != nil {
		return v1.Descriptor{}, err
	}
	defer in.Close()
	digester, counter := digest.SHA256.Digester(), &countingWriter{}
	desc, err := w.add(func(out io.Writer) error {
		return Compress(out, io.TeeReader(contextReader{ctx, in}, io.MultiWriter(digester.Hash(), counter)))
	})
	if err != nil {
		return v1.Descriptor{}, err
	}
	if got := digester.Digest(); got != l.Report.Digest || counter.n != l.Report.Size {
		return v1.Descriptor{}, &IntegrityError{Object: l.Path, Want: fmt.Sprintf("%s of %d bytes as inspected", l.Report.Digest, l.Report.Size),
			Got: fmt.Sprintf("%s of %d bytes", got, counter.n)}
	}
	return layer(desc, MediaTypeLibraryZstd, l.Entry+".zst"), nil
}

func (w *layoutWriter) addIndex(annotations map[string]string, platforms []platformEntry) (v1.Descriptor, error) {
	desc, text, err := imageIndex(annotations, platforms)
	if err != nil {
		return desc, err
	}
	if desc.Size > MaxManifest {
		return desc, fmt.Errorf("index has %d bytes, at most %d are allowed", desc.Size, MaxManifest)
	}
	_, err = w.addText(text)
	// The reference name lets other tools find the artifact as dir:version.
	desc.ArtifactType = ArtifactType
	desc.Annotations = map[string]string{v1.AnnotationRefName: annotations[v1.AnnotationVersion]}
	return desc, err
}

// layer gives a blob its type and, for other OCI tools, its file name.
func layer(d v1.Descriptor, mediaType, title string) v1.Descriptor {
	d.MediaType, d.Annotations = mediaType, map[string]string{v1.AnnotationTitle: title}
	return d
}

func openRegular(path string) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(fmt.Errorf("%s: not a regular file", filepath.Base(path)), err, f.Close())
	}
	return f, nil
}
