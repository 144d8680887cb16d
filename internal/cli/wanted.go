package cli

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/loadr-plugins/loadr/internal/archive"
	"github.com/loadr-plugins/loadr/internal/install"
	"github.com/loadr-plugins/loadr/lockfile"
	"github.com/loadr-plugins/loadr/registry"
)

// parseWanted tells archives from references among the words of an install.
func (a *app) parseWanted(words, digests []string, o *install.Options) error {
	for _, word := range words {
		if lockfile.IsFileSource(word) || archive.IsName(word) || strings.HasPrefix(word, ".") || filepath.IsAbs(word) {
			source, err := a.fileSource(word)
			if err != nil {
				return err
			}
			o.Files = append(o.Files, source)
			continue
		}
		ref, err := registry.ParseReference(word)
		if err != nil {
			return err
		}
		o.Want = append(o.Want, ref)
	}
	if len(digests) > 0 && len(o.Files) == 0 {
		return usage("--sha256: goes with an archive: a path, a URL or github:OWNER/REPO@TAG")
	}
	for _, word := range digests {
		hex := strings.TrimPrefix(strings.ToLower(word), "sha256:")
		if !lockfile.IsSHA256(hex) {
			return usage("--sha256: %q: expected 64 hexadecimal digits", word)
		}
		o.SHA256 = append(o.SHA256, hex)
	}
	return nil
}

// fileSource gives the written form of an archive's place.
func (a *app) fileSource(word string) (string, error) {
	if lockfile.IsIndex(word) {
		return "", usage("%q: an index is no plugin: name it among the namespaces, and install its plugins by name", word)
	}
	if path, ok := lockfile.PathOf(word); ok {
		word = path // relative to the working directory, as every path on a command line
	} else if lockfile.IsFileSource(word) {
		if _, err := lockfile.ParseFileSource(word); err != nil {
			return "", usage("%v", err)
		}
		return word, nil
	}
	if info, err := os.Stat(word); err == nil && info.IsDir() {
		return "", usage("%q: a folder is not installed from: publish it, or pack it into an archive", word)
	}
	ws, err := a.workspace()
	if err != nil {
		return "", err
	}
	source, err := ws.FileSource(word)
	if err == nil {
		_, err = lockfile.ParseFileSource(source)
	}
	return source, err
}
