package directory

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/Masterminds/semver/v3"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// maxLayoutIndex bounds index.json of a repository: some hundred thousand versions.
const maxLayoutIndex = 64 << 20

// Layouts knows what the repositories below a root hold. It reads an index.json again when the file has changed. Safe
// for concurrent use.
type Layouts struct {
	Root string
	mu   sync.Mutex
	seen map[string]*Layout
}

// Layout is one state of a repository's index.json.
type Layout struct {
	info  fs.FileInfo
	index v1.Index
}

// StateDir is the folder in a root that holds what is not a repository: no repository's name starts with a dot.
const StateDir = ".loadr"

// ErrAbsent says that there is no such repository.
var ErrAbsent = errors.New("repository does not exist")

// Get reads the state of a repository; ErrAbsent if there is none. olareg takes an index.json that it cannot read for an
// absent one, and would write over it: every other error must therefore end the request.
func (l *Layouts) Get(repo string) (*Layout, error) {
	info, err := os.Stat(l.File(repo, v1.ImageIndexFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrAbsent
	}
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if known := l.seen[repo]; known != nil && known.same(info) {
		return known, nil
	}
	fresh, err := readLayout(l.File(repo, v1.ImageIndexFile))
	if err != nil {
		return nil, err
	}
	if l.seen == nil {
		l.seen = map[string]*Layout{}
	}
	l.seen[repo] = fresh
	return fresh, nil
}

// same compares identity, time and length: index.json is always replaced, never rewritten in place.
func (l *Layout) same(info fs.FileInfo) bool {
	return os.SameFile(l.info, info) && l.info.ModTime().Equal(info.ModTime()) && l.info.Size() == info.Size()
}

func readLayout(path string) (*Layout, error) {
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
	l := &Layout{info: info}
	text, err := io.ReadAll(io.LimitReader(f, maxLayoutIndex))
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &l.index); err != nil {
		return nil, fmt.Errorf("%s: not an image index: %w", path, err)
	}
	return l, nil
}

// File gives the path of a file in a repository's layout.
func (l *Layouts) File(repo string, elem ...string) string {
	return filepath.Join(append([]string{l.Root, filepath.FromSlash(repo)}, elem...)...)
}

// Blob gives the path of a blob, whether it is there or not; d must be valid.
func (l *Layouts) Blob(repo string, d digest.Digest) string {
	return l.File(repo, v1.ImageBlobsDir, d.Algorithm().String(), d.Encoded())
}

// Tag gives the digest that a tag names; empty if none.
func (l *Layout) Tag(tag string) digest.Digest {
	for _, d := range l.index.Manifests {
		if d.Annotations[v1.AnnotationRefName] == tag {
			return d.Digest
		}
	}
	return ""
}

// tags lists all tags, sorted.
func (l *Layout) tags() []string {
	tags := []string{}
	for _, d := range l.index.Manifests {
		if tag := d.Annotations[v1.AnnotationRefName]; tag != "" {
			tags = append(tags, tag)
		}
	}
	slices.Sort(tags)
	return slices.Compact(tags)
}

// annotationReferrers is how olareg, which writes the layouts, marks the list of a manifest's referrers.
const annotationReferrers = "org.olareg.referrer.subject"

// referrers gives the digest of the list of what refers to a manifest; empty if there is none. Other tools keep the list
// under the tag that the distribution specification names, "Referrers Tag Schema".
func (l *Layout) referrers(subject digest.Digest) digest.Digest {
	if subject.Validate() != nil {
		return ""
	}
	for _, d := range l.index.Manifests {
		if d.Annotations[annotationReferrers] == subject.String() {
			return d.Digest
		}
	}
	return l.Tag(subject.Algorithm().String() + "-" + subject.Encoded())
}

// mediaType gives what the index says of a manifest; empty for one that it does not list.
func (l *Layout) mediaType(manifest digest.Digest) string {
	for _, d := range l.index.Manifests {
		if d.Digest == manifest {
			return d.MediaType
		}
	}
	return ""
}

// Protected lists what published versions consist of: the manifests that version tags name, and their children.
func (l *Layouts) Protected(repo string, state *Layout) (map[digest.Digest]string, error) {
	out := map[digest.Digest]string{}
	for _, d := range state.index.Manifests {
		version := d.Annotations[v1.AnnotationRefName]
		if !IsVersion(version) {
			continue
		}
		out[d.Digest] = version
		if d.MediaType != v1.MediaTypeImageIndex {
			continue
		}
		children, err := readLayout(l.Blob(repo, d.Digest))
		if err != nil {
			return nil, err
		}
		for _, child := range children.index.Manifests {
			out[child.Digest] = version
		}
	}
	return out, nil
}

// IsVersion knows the tags that never change: strict semantic versions. All others stay writable, sha256-... tags of the
// referrers scheme among them.
func IsVersion(tag string) bool {
	_, err := semver.StrictNewVersion(tag)
	return err == nil
}
