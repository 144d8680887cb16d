package cache

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/internal/fsx"
)

const (
	userFormat = 1
	userSuffix = ".json"
	userLimit  = 16 << 20 // bytes of a record
)

// User is somebody for whom blobs are kept: a plugins directory.
type User struct {
	// Dir is the plugins directory, an absolute path. There is one record for each.
	Dir string `json:"dir"`
	// Path is the folder whose end is the user's end: Dir, or the project around it.
	Path string `json:"path"`
	// Blobs are those that it needs, each with a word on what it is, for people.
	Blobs map[digest.Digest]string `json:"blobs"`
	// Presence says whether Path is there. Users finds it out; Keep ignores it.
	Presence Presence `json:"presence"`
}

// Presence says whether a user is still there.
type Presence string

// The presences.
const (
	Present Presence = "present"
	// Gone: the folder was removed or moved.
	Gone Presence = "gone"
	// Unreachable: the folder can't be looked at now, as one on a disk that is not mounted.
	Unreachable Presence = "unreachable"
)

// userJSON is the form of a user's record.
type userJSON struct {
	Format int    `json:"format"`
	Dir    string `json:"dir"`
	Path   string `json:"path"`
	// Mount is where the file system that holds Path begins. When nothing begins there, Path is out of reach and not gone.
	Mount string                   `json:"mount"`
	Blobs map[digest.Digest]string `json:"blobs"`
}

// Keep records what a user needs from now on, in place of what was recorded of it before. The caller holds Use, and is the
// only one to do so for this Dir. Path must exist. Errors: *WriteError.
func (c *Cache) Keep(u User) error {
	mount, err := fsx.MountPoint(u.Path)
	if err != nil {
		return &WriteError{c.root, err}
	}
	text, err := json.MarshalIndent(userJSON{userFormat, u.Dir, u.Path, mount, u.Blobs}, "", "  ")
	if err != nil {
		return &WriteError{c.root, err}
	}
	text = append(text, '\n')
	path := c.userPath(u.Dir)
	if now, err := os.ReadFile(path); err == nil && bytes.Equal(now, text) {
		return nil
	}
	if err := fsx.MkdirAll(c.users(), 0o755); err != nil {
		return &WriteError{c.root, err}
	}
	if err := fsx.WriteFile(path, text, 0o644); err != nil {
		return &WriteError{c.root, err}
	}
	return nil
}

// Knows says whether there is a record of the plugins directory.
func (c *Cache) Knows(dir string) bool {
	_, err := os.Lstat(c.userPath(dir))
	return err == nil
}

// Users gives all recorded users, in an order that stays. Errors: *RecordError, *ReadError.
func (c *Cache) Users() ([]User, error) {
	names, err := c.userNames()
	if err != nil {
		return nil, err
	}
	var out []User
	for _, name := range names {
		u, mount, err := c.readUser(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // pruned meanwhile
		}
		if err != nil {
			return nil, err
		}
		u.Presence = presence(u.Path, mount)
		out = append(out, u)
	}
	return out, nil
}

func (c *Cache) userNames() (names []string, err error) {
	entries, err := os.ReadDir(c.users())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, &ReadError{c.root, err}
	}
	for _, e := range entries {
		if hex, ok := strings.CutSuffix(e.Name(), userSuffix); ok && isHex(hex) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

func (c *Cache) readUser(name string) (u User, mount string, err error) {
	path := filepath.Join(c.users(), name)
	f, err := os.Open(path)
	if err != nil {
		return u, "", &ReadError{c.root, err}
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, userLimit))
	if err != nil {
		return u, "", &ReadError{c.root, err}
	}
	if u, mount, err = parseUser(text); err != nil {
		return u, "", &RecordError{path, err.Error()}
	}
	return u, mount, nil
}

func parseUser(text []byte) (u User, mount string, err error) {
	var r userJSON
	if err := json.Unmarshal(text, &r); err != nil {
		return u, "", fmt.Errorf("damaged: %w", err)
	}
	if r.Format != userFormat {
		return u, "", fmt.Errorf("expected format %d, found %d", userFormat, r.Format)
	}
	if !filepath.IsAbs(r.Dir) || !filepath.IsAbs(r.Path) || !filepath.IsAbs(r.Mount) {
		return u, "", fmt.Errorf("damaged: expected absolute paths, found %q, %q, %q", r.Dir, r.Path, r.Mount)
	}
	for d := range r.Blobs {
		if err := checkDigest(d); err != nil {
			return u, "", err
		}
	}
	return User{Dir: r.Dir, Path: r.Path, Blobs: r.Blobs}, r.Mount, nil
}

// presence looks for a user's folder. Only one that is surely removed counts as gone: a file system that isn't mounted
// looks the same at first.
func presence(path, mount string) Presence {
	_, err := os.Stat(path)
	switch {
	case err == nil:
		return Present
	case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR):
		return Unreachable
	}
	if there, err := fsx.Mounted(mount); err != nil || !there {
		return Unreachable
	}
	return Gone
}

func (c *Cache) users() string { return filepath.Join(c.root, "users") }

func (c *Cache) userPath(dir string) string {
	sum := sha256.Sum256([]byte(dir))
	return filepath.Join(c.users(), hex.EncodeToString(sum[:])+userSuffix)
}

// isHex: a name that we give to blobs and records.
func isHex(name string) bool {
	return checkDigest(digest.NewDigestFromEncoded(digest.SHA256, name)) == nil
}
