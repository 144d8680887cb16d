// Package folder reads the folder of a plugin: an installed one, an author's, or one out of an archive. It reads
// plugin.toml and nothing else.
package folder

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/loadr-plugins/loadr/manifest"
)

// ManifestName is the file that makes a folder a plugin's.
const ManifestName = "plugin.toml"

// NoManifestError is a folder without plugin.toml.
type NoManifestError struct {
	Dir string `json:"dir"`
}

func (e *NoManifestError) Error() string {
	return fmt.Sprintf("folder %s: expected a plugin.toml, found none", e.Dir)
}

// Hint says how to get one.
func (e *NoManifestError) Hint() string {
	return "name the plugin's folder, or start one with 'loadr plugin new'"
}

// ReadManifest reads and checks plugin.toml. It takes no more of a file than a manifest may have, and does not wait for
// what only looks like one. Errors: *NoManifestError for a folder without it, fs.ErrNotExist for no folder,
// manifest.Errors.
func ReadManifest(dir string) (*manifest.Manifest, []manifest.Warning, error) {
	path := filepath.Join(dir, ManifestName)
	text, err := read(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(dir); err != nil {
			return nil, nil, err
		}
		return nil, nil, &NoManifestError{dir}
	}
	if err != nil {
		return nil, nil, err
	}
	return manifest.Parse(path, text)
}

// read gives at most one byte more than Parse accepts.
func read(path string) ([]byte, error) {
	info, err := os.Stat(path) // before opening, which waits for ever on a named pipe
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: expected a file, found one of mode %v", path, info.Mode().Type())
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, manifest.MaxSize+1))
}
