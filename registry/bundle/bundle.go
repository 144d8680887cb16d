package bundle

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/loadr-plugins/loadr/registry"
)

// maxIndex bounds index.json, in bytes: some ten thousand releases.
const maxIndex = 4 << 20

// Plugin is one release in a bundle, and where it belongs.
type Plugin struct {
	Repository registry.Repository
	Version    string
	Index      digest.Digest
}

// Bundle is an open bundle. It is safe for concurrent use until Close.
type Bundle struct {
	path       string
	files      files
	plugins    []Plugin        // sorted by repository and version
	named      []v1.Descriptor // the archives, sorted by name
	unnamed    []v1.Descriptor
	mediaTypes map[digest.Digest]string // that index.json states
	referrer   func() (map[digest.Digest][]v1.Descriptor, error)
	archives   func() ([]Archive, error)
}

// Open opens the bundle at path, a folder or a tar file. It reads what the bundle lists, not what it holds: blobs are
// verified when they are read. The error is a *FormatError, a *TruncatedError, or the file system's.
func Open(path string) (*Bundle, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	openFiles := openTar
	if info.IsDir() {
		openFiles = openFolder
	}
	f, err := openFiles(path)
	if err != nil {
		return nil, err
	}
	b := &Bundle{path: path, files: f, mediaTypes: map[digest.Digest]string{}}
	b.referrer = sync.OnceValues(b.readReferrers)
	b.archives = sync.OnceValues(b.readArchives)
	if err := b.read(); err != nil {
		return nil, errors.Join(err, f.close())
	}
	return b, nil
}

// Close ends the use of the bundle.
func (b *Bundle) Close() error { return b.files.close() }

// Path gives the path that the bundle was opened with.
func (b *Bundle) Path() string { return b.path }

// Plugins lists the releases, sorted by repository and version.
func (b *Bundle) Plugins() []Plugin { return slices.Clone(b.plugins) }

// Namespaces lists the registry/namespace pairs that the plugins belong to, sorted.
func (b *Bundle) Namespaces() (out []string) {
	for _, p := range b.plugins {
		out = append(out, p.Repository.Source())
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (b *Bundle) bad(part, format string, args ...any) error {
	return &FormatError{b.path, part, fmt.Sprintf(format, args...)}
}

// unreadable tells what is wrong with a part from what is wrong with who reads it.
func (b *Bundle) unreadable(part string, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("bundle %s: %s: %w", b.path, part, err)
	}
	return b.bad(part, "%v", err)
}

// read reads the layout's two files.
func (b *Bundle) read() error {
	var layout v1.ImageLayout
	if err := b.readJSON(v1.ImageLayoutFile, 1<<10, &layout); err != nil {
		return err
	}
	if layout.Version != v1.ImageLayoutVersion {
		return b.bad(v1.ImageLayoutFile, "OCI image layout of version %q, expected %q", layout.Version, v1.ImageLayoutVersion)
	}
	var index v1.Index
	if err := b.readJSON(v1.ImageIndexFile, maxIndex, &index); err != nil {
		return err
	}
	for _, d := range index.Manifests {
		if err := b.add(d); err != nil {
			return err
		}
	}
	if len(b.plugins)+len(b.named) == 0 {
		return b.bad(v1.ImageIndexFile, "lists no plugin: expected annotations %s of the form registry/namespace/name:version", v1.AnnotationRefName)
	}
	return b.sort()
}

// sort brings the releases and archives into the order of their names, of which each occurs once.
func (b *Bundle) sort() error {
	slices.SortFunc(b.named, func(x, y v1.Descriptor) int { return strings.Compare(sortKey(x), sortKey(y)) })
	for i := 1; i < len(b.named); i++ {
		if sortKey(b.named[i]) == sortKey(b.named[i-1]) {
			return b.bad(v1.ImageIndexFile, "lists %s twice", sortKey(b.named[i]))
		}
	}
	slices.SortFunc(b.plugins, Plugin.compare)
	for i, p := range b.plugins {
		if i > 0 && p.compare(b.plugins[i-1]) == 0 {
			return b.bad(v1.ImageIndexFile, "lists %s twice", refName(p.Repository, p.Version))
		}
	}
	return nil
}

func (p Plugin) compare(other Plugin) int {
	return strings.Compare(refName(p.Repository, p.Version), refName(other.Repository, other.Version))
}

// add takes up one entry of index.json. Images that have nothing to do with plugins may lie in the same layout.
func (b *Bundle) add(d v1.Descriptor) error {
	if d.Digest.Validate() != nil || d.Digest.Algorithm() != digest.SHA256 {
		return b.bad(v1.ImageIndexFile, "digest %q: expected sha256:<64 hex digits>", d.Digest)
	}
	if d.MediaType != v1.MediaTypeImageIndex && d.MediaType != v1.MediaTypeImageManifest {
		return nil
	}
	b.mediaTypes[d.Digest] = d.MediaType
	name := d.Annotations[v1.AnnotationRefName]
	if name == "" {
		b.unnamed = append(b.unnamed, d)
		return nil
	}
	if d.MediaType == v1.MediaTypeImageManifest && strings.HasPrefix(name, archivePrefix) {
		b.named = append(b.named, d)
		return nil
	}
	repo, version, err := parseRefName(name)
	if err == nil && d.MediaType == v1.MediaTypeImageIndex {
		b.plugins = append(b.plugins, Plugin{repo, version, d.Digest})
	}
	return nil
}

// refName is the name of a release in index.json.
func refName(repo registry.Repository, version string) string { return repo.String() + ":" + version }

func parseRefName(name string) (registry.Repository, string, error) {
	i := strings.LastIndexByte(name, ':')
	if i < 0 {
		return registry.Repository{}, "", fmt.Errorf("%q: expected registry/namespace/name:version", name)
	}
	ref, err := registry.ParseReference(name[:i] + "@" + name[i+1:])
	if err != nil || ref.Short() || ref.Range == "" {
		return registry.Repository{}, "", errors.Join(fmt.Errorf("%q: expected registry/namespace/name:version", name), err)
	}
	return ref.Repository(), ref.Range, nil
}

// readJSON reads one of the layout's own files.
func (b *Bundle) readJSON(name string, limit int64, into any) error {
	f, size, err := b.files.open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return b.bad(name, "is missing: expected an OCI image layout")
	}
	if err != nil {
		return b.unreadable(name, err)
	}
	defer f.Close()
	if size > limit {
		return b.bad(name, "%d bytes, at most %d are read", size, limit)
	}
	text, err := io.ReadAll(io.LimitReader(f, limit))
	if err != nil {
		return b.unreadable(name, err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return b.bad(name, "%v", err)
	}
	return nil
}
