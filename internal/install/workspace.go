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

// ownProject is the owner of a project's own plugins directory. It names no path, because the folder of a project is moved,
// copied and mounted together with what was installed in it.
const ownProject = "the project that contains it"

// Owner is what the plugins directory records as its owner: the project, or "user".
func (w *Workspace) Owner() string {
	switch w.Root {
	case "":
		return "user"
	case filepath.Dir(filepath.Dir(w.Plugins)):
		return ownProject
	}
	return w.Root
}

// files are the project's two files as read: text nil means absent.
type files struct {
	projectText, lockText []byte
	project               *lockfile.Project
	lock                  *lockfile.Lock // nil: absent
}

// readProject reads loadr.toml. An absent file is an empty project.
func (f *files) readProject(w *Workspace) (err error) {
	if f.projectText, err = readOptional(w.ProjectFile); err != nil {
		return fmt.Errorf("project: %w", err)
	}
	f.project, err = lockfile.ParseProject(w.ProjectFile, f.projectText)
	return err
}

// readLock reads loadr.lock.
func (f *files) readLock(w *Workspace) (err error) {
	if f.lockText, err = readOptional(w.LockFile); err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	if f.lockText != nil {
		f.lock, err = lockfile.ParseLock(w.LockFile, f.lockText)
	}
	return err
}

func (f *files) locked(name string) (lockfile.Plugin, bool) {
	if f.lock == nil {
		return lockfile.Plugin{}, false
	}
	return f.lock.Plugin(name)
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
