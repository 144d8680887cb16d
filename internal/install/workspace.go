package install

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/loadr-plugins/loadr/lockfile"
)

// stateDir is the folder of our records in a plugins directory; the loadr engine skips it.
const stateDir = ".loadr-state"

// Workspace is where a command works: a project, or the user's own plugins directory, which keeps its requirements and
// lock among its records so that every command means the same in both.
type Workspace struct {
	// Root is the folder that holds loadr.toml; empty outside a project.
	Root string
	// ProjectFile and LockFile are the paths of loadr.toml and loadr.lock; neither need exist yet.
	ProjectFile, LockFile string
	// Plugins is the plugins directory.
	Plugins string
}

// FindWorkspace looks for loadr.toml from dir upwards; the first found wins. pluginsDir, where not empty, replaces the
// plugins directory; global asks for the user's own, whatever project surrounds dir.
func FindWorkspace(dir, pluginsDir string, global bool) (*Workspace, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if root, found, err := findUpwards(dir, lockfile.ProjectName); err != nil {
		return nil, err
	} else if found && !global {
		return projectWorkspace(root, pluginsDir)
	}
	return userWorkspace(pluginsDir)
}

func projectWorkspace(root, pluginsDir string) (*Workspace, error) {
	if pluginsDir == "" {
		pluginsDir = filepath.Join(root, ".loadr", "plugins")
	}
	pluginsDir, err := filepath.Abs(pluginsDir)
	return &Workspace{
		Root:        root,
		ProjectFile: filepath.Join(root, lockfile.ProjectName),
		LockFile:    filepath.Join(root, lockfile.LockName),
		Plugins:     pluginsDir,
	}, err
}

func userWorkspace(pluginsDir string) (*Workspace, error) {
	if pluginsDir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return nil, errors.New("no home directory is known: name a plugins directory with --plugins-dir or LOADR_PLUGINS_DIR")
		}
		pluginsDir = filepath.Join(home, ".loadr", "plugins")
	}
	pluginsDir, err := filepath.Abs(pluginsDir)
	return &Workspace{
		ProjectFile: filepath.Join(pluginsDir, stateDir, lockfile.ProjectName),
		LockFile:    filepath.Join(pluginsDir, stateDir, lockfile.LockName),
		Plugins:     pluginsDir,
	}, err
}

// Owner is what the plugins directory records as its owner: the project's folder, or "user".
func (w *Workspace) Owner() string {
	if w.Root == "" {
		return "user"
	}
	return w.Root
}

// readFiles reads loadr.toml and loadr.lock. An absent file is an empty project or an absent (nil) lock.
func (w *Workspace) readFiles() (*files, error) {
	text, err := readOptional(w.ProjectFile)
	if err != nil {
		return nil, fmt.Errorf("project: %w", err)
	}
	project, err := lockfile.ParseProject(w.ProjectFile, text)
	if err != nil {
		return nil, err
	}
	lockText, err := readOptional(w.LockFile)
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	f := &files{projectText: text, project: project, lockText: lockText}
	if lockText == nil {
		return f, nil
	}
	f.lock, err = lockfile.ParseLock(w.LockFile, lockText)
	return f, err
}

// files are the project's two files as read: text nil means absent.
type files struct {
	projectText, lockText []byte
	project               *lockfile.Project
	lock                  *lockfile.Lock
}

func findUpwards(dir, name string) (string, bool, error) {
	for {
		info, err := os.Stat(filepath.Join(dir, name))
		switch {
		case err == nil && info.Mode().IsRegular():
			return dir, true, nil
		case err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission):
			return "", false, err
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", false, nil
		}
		dir = parent
	}
}

func readOptional(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return text, err
}
