package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// OpenPack reads an artifact that WritePack made, or that another OCI tool copied into a layout. Index, platform
// manifests and configs are verified now; libraries and files when they are read, but that they are there is checked.
func OpenPack(dir string) (*Pack, error) {
	p := &Pack{dir: dir, manifests: map[digest.Digest][]byte{}}
	if err := p.findIndex(); err != nil {
		return nil, err
	}
	if err := p.readRelease(); err != nil {
		return nil, err
	}
	return p, p.checkBlobs()
}

// findIndex reads index.json, which must list exactly one plugin.
func (p *Pack) findIndex() error {
	if err := p.checkLayout(); err != nil {
		return err
	}
	text, err := readLimited(filepath.Join(p.dir, v1.ImageIndexFile), MaxManifest)
	if err != nil {
		return err
	}
	var top v1.Index
	if err := json.Unmarshal(text, &top); err != nil {
		return &InvalidArtifactError{p.dir, fmt.Sprintf("%s: %v", v1.ImageIndexFile, err)}
	}
	var found []v1.Descriptor
	for _, d := range top.Manifests {
		if d.MediaType == v1.MediaTypeImageIndex && (d.ArtifactType == "" || d.ArtifactType == ArtifactType) {
			found = append(found, d)
		}
	}
	if len(found) != 1 {
		return &InvalidArtifactError{p.dir, fmt.Sprintf("%d image indexes in the layout, expected one", len(found))}
	}
	p.index = found[0]
	return nil
}

func (p *Pack) checkLayout() error {
	text, err := readLimited(filepath.Join(p.dir, v1.ImageLayoutFile), MaxConfig)
	if err != nil {
		return &InvalidArtifactError{p.dir, "not an OCI image layout: " + err.Error()}
	}
	var layout v1.ImageLayout
	if err := json.Unmarshal(text, &layout); err != nil || layout.Version != v1.ImageLayoutVersion {
		return &InvalidArtifactError{p.dir, fmt.Sprintf("OCI image layout of version %q, expected %q", layout.Version, v1.ImageLayoutVersion)}
	}
	return nil
}

func (p *Pack) readRelease() (err error) {
	if err := (parser{p.dir}).descriptor(p.index, MaxManifest, v1.MediaTypeImageIndex); err != nil {
		return err
	}
	if p.indexText, err = p.readBlob(p.index); err != nil {
		return err
	}
	if p.release, err = parseRelease(p.dir, p.index, p.indexText); err != nil {
		return err
	}
	for i := range p.release.Targets {
		if err := p.readTarget(&p.release.Targets[i]); err != nil {
			return err
		}
	}
	return p.release.checkConfigs(p.dir)
}

func (p *Pack) readTarget(t *ReleaseTarget) error {
	text, err := p.readBlob(t.Manifest)
	if err != nil {
		return err
	}
	p.manifests[t.Manifest.Digest] = text
	if err := (parser{p.dir}).platform(t, text); err != nil {
		return err
	}
	config, err := p.readBlob(t.ConfigDescriptor)
	if err != nil {
		return err
	}
	return parser{p.dir}.config(t, config)
}

func (p *Pack) checkBlobs() error {
	for _, d := range p.blobs() {
		info, err := os.Stat(p.blobPath(d.Digest))
		if err != nil {
			return &InvalidArtifactError{p.dir, fmt.Sprintf("blob %s is missing", d.Digest)}
		}
		if info.Size() != d.Size {
			return &IntegrityError{Object: p.dir + ": blob " + d.Digest.String(), Want: fmt.Sprint(d.Size, " bytes"), Got: fmt.Sprint(info.Size(), " bytes")}
		}
	}
	return nil
}

// blobs lists every blob below the platform manifests, each once.
func (p *Pack) blobs() (out []v1.Descriptor) {
	seen := map[digest.Digest]bool{}
	for _, t := range p.release.Targets {
		for _, d := range append([]v1.Descriptor{t.ConfigDescriptor, t.Library}, t.Files...) {
			if !seen[d.Digest] {
				seen[d.Digest] = true
				out = append(out, d)
			}
		}
	}
	return out
}

// OpenBlob opens a blob of the artifact for reading. Digest and length are verified on the way; the error comes at the
// end of the stream.
func (p *Pack) OpenBlob(d digest.Digest) (io.ReadCloser, error) {
	if err := d.Validate(); err != nil {
		return nil, err
	}
	f, err := os.Open(p.blobPath(d))
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return verifying(f, v1.Descriptor{Digest: d, Size: info.Size()}, p.dir), nil
}

func (p *Pack) blobPath(d digest.Digest) string {
	return filepath.Join(p.dir, v1.ImageBlobsDir, d.Algorithm().String(), d.Encoded())
}

// readBlob reads a small blob and verifies it.
func (p *Pack) readBlob(desc v1.Descriptor) ([]byte, error) {
	f, err := os.Open(p.blobPath(desc.Digest))
	if err != nil {
		return nil, &InvalidArtifactError{p.dir, fmt.Sprintf("blob %s: %v", desc.Digest, err)}
	}
	defer f.Close()
	return io.ReadAll(verifying(f, desc, p.dir))
}

func readLimited(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("%s: more than %d bytes", path, limit)
	}
	return text, err
}
