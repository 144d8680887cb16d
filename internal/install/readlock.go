package install

import "github.com/loadr-plugins/loadr/lockfile"

// ReadLock gives the workspace's lock for use as it stands: a *NoLockError where there is none, a *DriftError where it is
// not what loadr.toml asks for.
func ReadLock(w *Workspace) (*lockfile.Lock, error) {
	var f files
	if err := f.readProject(w); err != nil {
		return nil, err
	}
	if err := f.readLock(w); err != nil {
		return nil, err
	}
	if f.lock == nil {
		return nil, &NoLockError{w.LockFile}
	}
	if drifts := lockfile.Compare(f.project, f.lock, satisfies); len(drifts) > 0 {
		return nil, &DriftError{w.LockFile, drifts}
	}
	return f.lock, nil
}
