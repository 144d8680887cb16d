package install

import (
	"context"

	"github.com/loadr-plugins/loadr/lockfile"
	"github.com/loadr-plugins/loadr/resolve"
)

// place is one plugin in the one source that holds it.
type place interface {
	// source is what the lock calls it.
	source() string
	// versions are the words that are offered as versions.
	versions() []string
	// look gives resolution the facts of one version. Content that is no sound plugin is a reason against the version; a
	// source that can't be reached is an error, lest the answer depend on the network.
	look(ctx context.Context, version string) (resolve.Offer, error)
	// withdrawn asks whether a version that was looked at was withdrawn, and gives the reason; empty while it stands. A source
	// that does not answer is an error, lest whoever can disturb the network bring a withdrawn version back.
	withdrawn(ctx context.Context, version string) (string, error)
	// lock writes down a version that was looked at.
	lock(ctx context.Context, version string) (lockfile.Plugin, error)
}

// home gives the namespace in which the plugins are looked up that a plugin from source requires: its own. A single archive
// is none; theirs are looked for in every namespace then.
func home(source string) string {
	if lockfile.IsFileSource(source) && !lockfile.IsIndex(source) {
		return ""
	}
	return source
}
