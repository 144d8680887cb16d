package registry

import (
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/loadr-plugins/loadr/manifest"
)

// Release is one published version of a plugin: what its image index says.
type Release struct {
	Digest      digest.Digest // of the image index
	Size        int64         // of the image index, bytes
	Name        string
	Version     string // strict semver
	Kind        manifest.Kind
	Type        manifest.Type
	Schemes     []string
	Description string
	License     string
	Authors     string // joined with ", "
	Homepage    string
	Repository  string            // of the source code
	RequiresABI string            // range of host versions; usually empty
	Requires    map[string]string // ranges of other plugins by name; nil: none
	Created     time.Time
	Targets     []ReleaseTarget // sorted by target

	// Rewritten says that a tool which copied the index dropped its artifact type: the digest is then not the
	// publisher's.
	Rewritten bool
}

// ReleaseTarget is what a release offers for one platform. The fields after Manifest are empty until the platform
// manifest is known: at once where the index embeds it, else after Source.Complete.
type ReleaseTarget struct {
	Target           manifest.Target
	ABI              manifest.ABI  // built against; zero: unknown
	Libc             manifest.Libc // the floor
	Manifest         v1.Descriptor
	ConfigDescriptor v1.Descriptor   // with the config's text as data once Config is known
	Library          v1.Descriptor   // as it travels: usually compressed
	Files            []v1.Descriptor // README, LICENSE, ...: not installed
	Config           *Config
}

// Target finds what serves a host of target t: its own library first, then a platform-neutral one. Nil if there is none.
func (r *Release) Target(t manifest.Target) *ReleaseTarget {
	var neutral *ReleaseTarget
	for i := range r.Targets {
		switch r.Targets[i].Target {
		case t:
			return &r.Targets[i]
		case manifest.Neutral:
			neutral = &r.Targets[i]
		}
	}
	return neutral
}

// Verify says whether the release is the one that has digest want. The error is an *IntegrityError that names the place.
func (r *Release) Verify(where Repository, want digest.Digest) error {
	if r.Digest == want {
		return nil
	}
	return &IntegrityError{Object: where.String() + " " + r.Version, Want: want.String(), Got: r.Digest.String(), Altered: r.Rewritten}
}

// complete says whether nothing is left to fetch.
func (t *ReleaseTarget) complete() bool { return t.Config != nil && t.Library.Digest != "" }
