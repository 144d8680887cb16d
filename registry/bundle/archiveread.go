package bundle

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/loadr-plugins/loadr/manifest"
)

// What is read of the descriptions of archives, in bytes: of one, and of all together.
const (
	maxArchiveText  = 32 << 10
	maxArchiveTexts = 16 << 20
)

// Archives lists the archives, sorted by their names in index.json. What they say of themselves is verified, their bytes are when
// they are read. The error is a *FormatError, a *registry.IntegrityError, or the file system's.
func (b *Bundle) Archives() ([]Archive, error) {
	list, err := b.archives()
	return slices.Clone(list), err
}

func (b *Bundle) readArchives() ([]Archive, error) {
	var out []Archive
	var total int64
	names := map[string]string{} // by location
	for _, entry := range b.named {
		name := entry.Annotations[v1.AnnotationRefName]
		if total += entry.Size; total > maxArchiveTexts {
			return nil, b.bad(v1.ImageIndexFile, "lists archives whose descriptions have more than %d bytes", maxArchiveTexts)
		}
		a, err := b.readArchive(entry, name)
		if err != nil {
			return nil, err
		}
		if other, twice := names[a.Location]; twice {
			return nil, b.bad(v1.ImageIndexFile, "%s and %s are both the archive at %s", other, name, a.Location)
		}
		names[a.Location] = name
		out = append(out, a)
	}
	return out, nil
}

// readArchive reads and verifies the description that index.json lists under a name.
func (b *Bundle) readArchive(entry v1.Descriptor, name string) (a Archive, err error) {
	if entry.Size > maxArchiveText {
		return a, b.bad(name, "a description of %d bytes, at most %d are read", entry.Size, maxArchiveText)
	}
	body, err := b.openExactly(entry, name, "the description")
	if err != nil {
		return a, err
	}
	defer body.Close()
	text, err := io.ReadAll(body)
	if err != nil {
		return a, err
	}
	var m v1.Manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return a, b.bad(name, "%v", err)
	}
	if m.ArtifactType != ArtifactTypeArchive {
		return a, b.bad(name, "artifact type %q, expected %q", m.ArtifactType, ArtifactTypeArchive)
	}
	if len(m.Layers) != 1 {
		return a, b.bad(name, "%d layers, expected the archive alone", len(m.Layers))
	}
	a = Archive{
		Location: m.Annotations[AnnotationLocation], Plugin: m.Annotations[v1.AnnotationTitle], Version: m.Annotations[v1.AnnotationVersion],
		Digest: m.Layers[0].Digest, Size: m.Layers[0].Size,
	}
	for word := range strings.SplitSeq(m.Annotations[AnnotationTargets], ",") {
		t, err := manifest.ParseTarget(word)
		if err != nil {
			return a, b.bad(name, "annotation %s: %v", AnnotationTargets, err)
		}
		a.Targets = append(a.Targets, t)
	}
	if problem := a.problem(); problem != "" {
		return a, b.bad(name, "%s", problem)
	}
	if a.name() != name {
		return a, b.bad(name, "describes %s", a.name())
	}
	return a, nil
}

// openExactly opens a blob that a part of the bundle names, and verifies it while it is read.
func (b *Bundle) openExactly(d v1.Descriptor, part, what string) (io.ReadCloser, error) {
	f, size, err := b.openBlob(d.Digest)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, b.bad(part, "%s, %s, is missing", what, d.Digest)
	case err != nil:
		return nil, err
	case size != d.Size:
		return nil, errors.Join(b.bad(part, "%s, %s, has %d bytes, expected %d", what, d.Digest, size, d.Size), f.Close())
	}
	return &exact{f, newChecker(io.Discard, d), b}, nil
}

// exact ends with io.EOF only when the bytes are what was asked for.
type exact struct {
	io.ReadCloser
	check  *checker
	bundle *Bundle
}

func (r *exact) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	_, wrong := r.check.Write(p[:n])
	switch {
	case wrong == nil && err == io.EOF:
		wrong = r.check.verdict()
	case wrong == nil && err != nil:
		err = r.bundle.unreadable("blob "+r.check.want.Digest.String(), err)
	}
	if wrong != nil {
		return 0, fmt.Errorf("bundle %s: %w", r.bundle.path, wrong)
	}
	return n, err
}

// Get opens the archive at a location, as locks have it, with its length in bytes, and verifies it while it is read: in place of the
// network. What the bundle does not have is a *MissingArchiveError; other errors are those of Archives, and a *FormatError for a file
// of more than max bytes.
func (b *Bundle) Get(ctx context.Context, location string, max int64) (io.ReadCloser, int64, error) {
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	list, err := b.archives()
	if err != nil {
		return nil, 0, err
	}
	i := slices.IndexFunc(list, func(a Archive) bool { return a.Location == location })
	if i < 0 {
		return nil, 0, &MissingArchiveError{b.path, location}
	}
	a := list[i]
	if a.Size > max {
		return nil, 0, b.bad(a.name(), "an archive of %d bytes, at most %d are read", a.Size, max)
	}
	body, err := b.openExactly(a.Blob(), a.name(), "the archive")
	return body, a.Size, err
}
