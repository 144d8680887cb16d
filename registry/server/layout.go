package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/Masterminds/semver/v3"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// maxLayoutIndex bounds index.json of a repository: some hundred thousand versions.
const maxLayoutIndex = 64 << 20

// layouts knows what the repositories below a root hold. It reads an index.json again when the file has changed, and
// replaces nothing else of what olareg does. Safe for concurrent use.
type layouts struct {
	root string
	mu   sync.Mutex
	seen map[string]*layout
}

// layout is one state of a repository's index.json.
type layout struct {
	info  fs.FileInfo
	index v1.Index
}

// errAbsent says that there is no such repository.
var errAbsent = errors.New("repository does not exist")

// get reads the state of a repository; errAbsent if there is none. olareg takes an index.json that it cannot read for an
// absent one, and would write over it: every other error must therefore end the request.
func (l *layouts) get(repo string) (*layout, error) {
	info, err := os.Stat(l.file(repo, v1.ImageIndexFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errAbsent
	}
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if known := l.seen[repo]; known != nil && known.same(info) {
		return known, nil
	}
	fresh, err := readLayout(l.file(repo, v1.ImageIndexFile))
	if err != nil {
		return nil, err
	}
	if l.seen == nil {
		l.seen = map[string]*layout{}
	}
	l.seen[repo] = fresh
	return fresh, nil
}

// same compares identity, time and length: index.json is always replaced, never rewritten in place.
func (l *layout) same(info fs.FileInfo) bool {
	return os.SameFile(l.info, info) && l.info.ModTime().Equal(info.ModTime()) && l.info.Size() == info.Size()
}

func readLayout(path string) (*layout, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > maxLayoutIndex {
		return nil, fmt.Errorf("%s: %d bytes, at most %d are read", path, info.Size(), maxLayoutIndex)
	}
	l := &layout{info: info}
	text, err := io.ReadAll(io.LimitReader(f, maxLayoutIndex))
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &l.index); err != nil {
		return nil, fmt.Errorf("%s: not an image index: %w", path, err)
	}
	return l, nil
}

func (l *layouts) file(repo string, elem ...string) string {
	return filepath.Join(append([]string{l.root, filepath.FromSlash(repo)}, elem...)...)
}

func (l *layouts) blob(repo string, d digest.Digest) string {
	return l.file(repo, v1.ImageBlobsDir, d.Algorithm().String(), d.Encoded())
}

// tag gives the digest that a tag names; empty if none.
func (l *layout) tag(tag string) digest.Digest {
	for _, d := range l.index.Manifests {
		if d.Annotations[v1.AnnotationRefName] == tag {
			return d.Digest
		}
	}
	return ""
}

// protected lists what published versions consist of: the manifests that version tags name, and their children.
func (l *layouts) protected(repo string, state *layout) (map[digest.Digest]string, error) {
	out := map[digest.Digest]string{}
	for _, d := range state.index.Manifests {
		version := d.Annotations[v1.AnnotationRefName]
		if !isVersion(version) {
			continue
		}
		out[d.Digest] = version
		if d.MediaType != v1.MediaTypeImageIndex {
			continue
		}
		children, err := readLayout(l.blob(repo, d.Digest))
		if err != nil {
			return nil, err
		}
		for _, child := range children.index.Manifests {
			out[child.Digest] = version
		}
	}
	return out, nil
}

// isVersion knows the tags that never change: strict semantic versions. All others stay writable, sha256-... tags of the
// referrers scheme among them.
func isVersion(tag string) bool {
	_, err := semver.StrictNewVersion(tag)
	return err == nil
}
