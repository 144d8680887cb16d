package plugindir

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/internal/fsx"
)

// Installed is one plugin's folder.
type Installed struct {
	Name     string
	Path     string
	Managed  bool   // made by us; others are never changed without force
	Disabled bool   // the engine skips it
	Problem  string // why the engine could not use it, judged by names alone; empty when nothing is wrong
}

// List gives the plugins in the directory, sorted by name, and those that should be there and are not. A directory that
// does not exist holds none. Files beside the folders and names that start with a dot are no plugins. Errors: *RecordError,
// *AccessError.
func (d *Dir) List() ([]Installed, error) {
	state, err := d.State()
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(d.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, &AccessError{d.path, err}
	}
	var out []Installed
	for _, e := range entries {
		if isPlugin(d.path, e) {
			out = append(out, d.look(e.Name(), state))
		}
	}
	for name := range state.Plugins {
		if !slices.ContainsFunc(out, func(i Installed) bool { return i.Name == name }) {
			out = append(out, Installed{Name: name, Path: d.live(name), Managed: true, Problem: "its folder is missing"})
		}
	}
	slices.SortFunc(out, func(a, b Installed) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

func isPlugin(dir string, e fs.DirEntry) bool {
	if strings.HasPrefix(e.Name(), ".") {
		return false
	}
	info, err := os.Stat(filepath.Join(dir, e.Name())) // a linked folder is a plugin to the engine
	return err == nil && info.IsDir()
}

func (d *Dir) look(name string, state *State) Installed {
	i := Installed{Name: name, Path: d.live(name), Managed: d.isManaged(name, state)}
	i.Disabled, _ = hasMarker(i.Path)
	needed := []string{manifestName}
	if i.Managed {
		needed = slices.Sorted(maps.Keys(state.Plugins[name]))
	}
	for _, file := range needed {
		if info, err := os.Stat(filepath.Join(i.Path, file)); err != nil || !info.Mode().IsRegular() {
			i.Problem = file + " is missing"
			break
		}
	}
	return i
}

// isManaged: a folder of ours. A link in its place was put there by somebody else.
func (d *Dir) isManaged(name string, state *State) bool {
	_, known := state.Plugins[name]
	info, err := os.Lstat(d.live(name))
	return known && err == nil && info.IsDir()
}

// Check reads all files of a plugin that we installed and says what is no longer as it was: one line per file, sorted,
// none when all is well. It is what tells an edited or damaged plugin from an intact one. Files that were added are none of
// it, since plugins may keep some. Errors: *NotInstalledError, *RecordError, *AccessError, ctx's.
func (d *Dir) Check(ctx context.Context, name string) ([]string, error) {
	state, err := d.State()
	if err != nil {
		return nil, err
	}
	files, ok := state.Plugins[name]
	if !ok {
		return nil, &NotInstalledError{d.path, name}
	}
	var out []string
	for _, file := range slices.Sorted(maps.Keys(files)) {
		problem, err := checkFile(ctx, d.live(name), file, files[file])
		if err != nil {
			return nil, err
		}
		if problem != "" {
			out = append(out, problem)
		}
	}
	return out, nil
}

func checkFile(ctx context.Context, folder, file string, want digest.Digest) (problem string, err error) {
	got, err := hashFile(ctx, filepath.Join(folder, file))
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case errors.Is(err, fs.ErrNotExist):
		return file + ": missing", nil
	case err != nil:
		return fmt.Sprintf("%s: %v", file, err), nil
	case got != want:
		return fmt.Sprintf("%s: expected %s, found %s", file, want, got), nil
	}
	return "", nil
}

// hashFile reads a regular file; anything else, a link too, is an error.
func hashFile(ctx context.Context, path string) (digest.Digest, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", errors.New("not a file")
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := fsx.Copy(ctx, h, f); err != nil {
		return "", err
	}
	return digest.NewDigest(digest.SHA256, h), nil
}
